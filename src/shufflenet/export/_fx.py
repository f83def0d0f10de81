"""A program as a torch module, in float32 and in int8."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.ao.quantization.fx import _decomposed  # noqa: F401  # defines quantized_decomposed
from torch.nn import functional

from shufflenet.graph import Node, Program

__all__ = ["ProgramNet"]

_MOVES = ("Concat", "Flatten", "Gather", "ChannelShuffle", "Split")
_LEAST, _MOST = -128, 127  # torch's bytes are signed: ours minus 128


class ProgramNet(nn.Module):
    """A program, whose operations run one after another.

    A tensor that the program holds as bytes is quantized after the node that makes it, and
    dequantized by each that reads it, as compilers of such graphs expect it. Weights of int8 are
    stored so, and dequantized too.
    """

    def __init__(self, program: Program) -> None:
        """Take over a program's constants.

        Raises:
            SpecError: it has an operation that no function is known for.
        """
        super().__init__()
        self._program = program
        self._codes: dict[str, tuple[str, str, str]] = {}
        self._floats: dict[str, str] = {}
        for number, (name, array) in enumerate(program.constants.items()):
            if array.dtype.name != "int8":
                scale = program.scales.get(name, 1)
                self._floats[name] = self._keep(
                    f"float_{number}", torch.tensor(array * scale, dtype=torch.float32)
                )
                continue
            codes = self._keep(f"codes_{number}", torch.tensor(array))
            scales = self._keep(f"scales_{number}", torch.tensor(program.scales[name]))
            zeros = torch.zeros(len(array), dtype=torch.int64)
            self._codes[name] = codes, scales, self._keep(f"zeros_{number}", zeros)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits ``(n, classes)`` of images ``(n, c, h, w)``."""
        program = self._program
        if program.takes_bytes:
            params = program.params[program.images]
            images = (images.to(torch.float32) - params.zero_point) * params.scale
        values = _Values(self, {}, {})
        values.put(program.images, images)
        for node in program.nodes:
            moves = node.op in _MOVES and self._same_params(node)
            read = [values.codes[name] if moves else values.get(name) for name in node.inputs]
            written = _OPERATIONS[node.op](node, *read)
            outputs = [written] if isinstance(written, Tensor) else written
            for name, value in zip(node.outputs, outputs, strict=True):
                if moves:
                    values.codes[name] = value
                else:
                    values.put(name, value)
        return values.floats[program.logits]

    def _same_params(self, node: Node) -> bool:
        """Return whether a node reads and writes bytes of one scale and zero point."""
        params = self._program.params
        every = {params.get(name) for name in (*node.inputs, *node.outputs)}
        return len(every) == 1 and None not in every

    def _keep(self, name: str, value: Tensor) -> str:
        self.register_buffer(name, value)
        return name

    def constant(self, name: str) -> Tensor | None:
        """Return a constant as float32, or None if there is none of that name."""
        if name in self._floats:
            return self.get_buffer(self._floats[name])
        if name not in self._codes:
            return None
        codes, scales, zeros = map(self.get_buffer, self._codes[name])
        limits = (0, _LEAST, _MOST, torch.int8)
        dequantize = torch.ops.quantized_decomposed.dequantize_per_channel.default
        return cast("Tensor", dequantize(codes, scales, zeros, *limits))

    def holds_bytes(self, name: str) -> bool:
        """Return whether a tensor is held as bytes."""
        return name in self._program.params

    def quantized(self, name: str, value: Tensor) -> Tensor:
        """Return a tensor as the bytes that it is held as."""
        quantize = torch.ops.quantized_decomposed.quantize_per_tensor.default
        return cast("Tensor", quantize(value, *self._params(name)))

    def dequantized(self, name: str, codes: Tensor) -> Tensor:
        """Return what the bytes of a tensor mean."""
        dequantize = torch.ops.quantized_decomposed.dequantize_per_tensor.default
        return cast("Tensor", dequantize(codes, *self._params(name)))

    def _params(self, name: str) -> tuple[float, int, int, int, torch.dtype]:
        params = self._program.params[name]
        return params.scale, params.zero_point - 128, _LEAST, _MOST, torch.int8


@dataclass
class _Values:
    """What was computed so far, by name: as float32, and as bytes where the program says so."""

    net: ProgramNet
    floats: dict[str, Tensor]
    codes: dict[str, Tensor]

    def put(self, name: str, value: Tensor) -> None:
        """Keep a tensor, rounded to bytes if it is held as such."""
        if self.net.holds_bytes(name):
            self.codes[name] = self.net.quantized(name, value)
        else:
            self.floats[name] = value

    def get(self, name: str) -> Tensor:
        """Return a tensor or a constant as float32; it is converted once."""
        if name not in self.floats:
            value = self.net.constant(name)
            given = self.net.dequantized(name, self.codes[name]) if value is None else value
            self.floats[name] = given
        return self.floats[name]


def _conv(node: Node, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    given = node.attributes
    images, padding = _padded(node, images)
    return functional.conv2d(images, weight, bias, given["strides"], padding, 1, given["group"])


def _padded(node: Node, images: Tensor) -> tuple[Tensor, list[int]]:
    """Return images and the padding that remains: none where its sides differ."""
    top, left, bottom, right = node.attributes["pads"]
    if (top, left) == (bottom, right):
        return images, [top, left]
    return functional.pad(images, (left, right, top, bottom)), [0, 0]


def _max_pool(node: Node, images: Tensor) -> Tensor:
    top, left, *_ = node.attributes["pads"]
    window, strides = node.attributes["kernel_shape"], node.attributes["strides"]
    return functional.max_pool2d(images, window, strides, [top, left])


def _average_pool(node: Node, images: Tensor) -> Tensor:
    window, strides = node.attributes["kernel_shape"], node.attributes["strides"]
    images, padding = _padded(node, images)
    counted = bool(node.attributes["count_include_pad"])
    return functional.avg_pool2d(images, window, strides, padding, count_include_pad=counted)


def _gather(node: Node, images: Tensor) -> Tensor:
    """Return chosen channels: a slice of neighbors, blocks transposed, or any one by one."""
    chosen = node.attributes["indices"]
    first, last = chosen[0], chosen[-1]
    if list(chosen) == list(range(first, last + 1)):
        return images[:, first : last + 1]
    return torch.cat([images[:, each : each + 1] for each in chosen], 1)


def _shuffle(node: Node, images: Tensor) -> Tensor:
    groups = node.attributes["groups"]
    return torch.stack(torch.split(images, images.shape[1] // groups, 1), 2).flatten(1, 2)


_OPERATIONS: Mapping[str, Callable[..., Tensor | Sequence[Tensor]]] = {
    "Add": lambda node, first, second: first + second,
    "AveragePool": _average_pool,
    "ChannelShuffle": _shuffle,
    "Concat": lambda node, *parts: torch.cat(parts, 1),
    "Conv": _conv,
    "Flatten": lambda node, images: images.flatten(1),
    "Gather": _gather,
    "Gemm": lambda node, rows, weight, bias: functional.linear(rows, weight, bias),
    "GlobalAveragePool": lambda node, images: images.mean((2, 3), keepdim=True),
    "HardSigmoid": lambda node, images: functional.hardsigmoid(images),
    "HardSwish": lambda node, images: functional.hardswish(images),
    "MaxPool": _max_pool,
    "Mul": lambda node, first, second: first * second,
    "Relu": lambda node, images: images.relu(),
    "Requantize": lambda node, images: images,
    "Sigmoid": lambda node, images: images.sigmoid(),
    "Split": lambda node, images: images.split(list(node.attributes["sizes"]), 1),
    "Swish": lambda node, images: functional.silu(images),
}
