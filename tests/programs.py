"""What a program computes, by torch, in the plainest way: the reference for its readers."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as f

from shufflenet.graph import Node, Program, QuantParams


def compute(program: Program, images: np.ndarray) -> np.ndarray:
    """Compute the logits ``(n, classes)`` of ``(n, c, h, w)``; bytes are computed as floats."""
    given = torch.from_numpy(images).float()
    params = program.params.get(program.images)
    if program.takes_bytes:
        assert params is not None
        given = (given - params.zero_point) * params.scale
    values = {program.images: _held(given, params)}
    values |= {name: _constant(program, name) for name in program.constants}
    for node in program.nodes:
        outputs = OPERATIONS[node.op](node, *(values[name] for name in node.inputs))
        for name, output in zip(node.outputs, outputs, strict=True):
            values[name] = _held(output, program.params.get(name))
            assert tuple(output.shape)[1:] == program.shapes[name][1:], node
    result: np.ndarray = values[program.logits].numpy()
    return result


def _held(value: Tensor, params: QuantParams | None) -> Tensor:
    if params is None:
        return value
    codes = (value / params.scale).round() + params.zero_point
    return (codes.clip(0, 255) - params.zero_point) * params.scale


def _constant(program: Program, name: str) -> Tensor:
    array, scale = torch.tensor(program.constants[name]), program.scales.get(name)
    if scale is None:
        return array
    return array * torch.from_numpy(scale).reshape(-1, *[1] * (array.ndim - 1))


def _conv(node: Node, x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor]:
    given = node.attributes
    x = f.pad(x, _sides(node))
    return (f.conv2d(x, weight, bias, given["strides"], groups=given["group"]),)


def _max_pool(node: Node, x: Tensor) -> tuple[Tensor]:
    given = node.attributes
    x = f.pad(x, _sides(node), value=-torch.inf)
    return (f.max_pool2d(x, given["kernel_shape"], given["strides"]),)


def _average_pool(node: Node, x: Tensor) -> tuple[Tensor]:
    given = node.attributes
    ones = torch.ones_like(x[:1, :1])
    sums, counts = (
        f.avg_pool2d(f.pad(each, _sides(node)), given["kernel_shape"], given["strides"])
        for each in (x, ones)
    )
    return (sums if given["count_include_pad"] else sums / counts,)


def _sides(node: Node) -> tuple[int, int, int, int]:
    top, left, bottom, right = node.attributes["pads"]
    return left, right, top, bottom


def _shuffle(node: Node, x: Tensor) -> tuple[Tensor]:
    groups: int = node.attributes["groups"]
    grouped = x.reshape(len(x), groups, -1, *x.shape[2:])
    return (grouped.transpose(1, 2).flatten(1, 2),)


OPERATIONS: Mapping[str, Callable[..., tuple[Tensor, ...]]] = {
    "Add": lambda _, x, y: (x + y,),
    "AveragePool": _average_pool,
    "ChannelShuffle": _shuffle,
    "Concat": lambda _, *x: (torch.cat(x, 1),),
    "Conv": _conv,
    "Flatten": lambda _, x: (x.flatten(1),),
    "Gather": lambda node, x: (x[:, list(node.attributes["indices"])],),
    "Gemm": lambda _, x, weight, bias: (f.linear(x, weight, bias),),
    "GlobalAveragePool": lambda _, x: (x.mean((2, 3), keepdim=True),),
    "HardSigmoid": lambda _, x: (f.hardsigmoid(x),),
    "HardSwish": lambda _, x: (f.hardswish(x),),
    "MaxPool": _max_pool,
    "Mul": lambda _, x, y: (x * y,),
    "Relu": lambda _, x: (x.relu(),),
    "Requantize": lambda _, x: (x,),
    "Sigmoid": lambda _, x: (x.sigmoid(),),
    "Split": lambda node, x: x.split(node.attributes["sizes"], 1),
    "Swish": lambda _, x: (f.silu(x),),
}
