"""The operations of a program as OpenVINO's.

Source: https://docs.openvino.ai, "Available operation sets", opset13
"""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from shufflenet.graph import Node

__all__ = ["constant_shapes", "operation"]

_Outputs: TypeAlias = list[Any]  # of openvino.Output, which has no types

# Axes of (n, c, h, w). That of channels is counted from the end, since OpenVINO 2026.4 moves a
# Gather on axis 1 into the weights of the int8 convolution behind it, in the inverse order.
_CHANNELS, _FROM_THE_START, _PIXELS = -3, 1, [2, 3]


def operation(ops: ModuleType, node: Node, inputs: _Outputs) -> _Outputs:
    """Return the outputs of an operation.

    Args:
        ops: OpenVINO's module of an operation set.
        node: The operation.
        inputs: What it reads; constants have the shapes of ``constant_shapes``.
    """
    made = _OPERATIONS[node.op](ops, node, inputs)
    outputs: _Outputs = made.outputs()
    return outputs


def constant_shapes(node: Node, out: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shape of the outputs of a layer's weights, and that of its bias.

    Groups are an axis of their own, and a bias has the axes of what it is added to.

    Args:
        node: A Conv or a Gemm.
        out: How many outputs it has.
    """
    if node.op == "Gemm":
        return (out,), (1, out)
    groups = node.attributes["group"]
    return (out,) if groups == 1 else (groups, out // groups), (1, out, 1, 1)


def _convolution(ops: ModuleType, node: Node, inputs: _Outputs) -> Any:  # noqa: ANN401
    images, weights, bias = inputs
    convolve = ops.convolution if node.attributes["group"] == 1 else ops.group_convolution
    return ops.add(convolve(images, weights, **_window(node), dilations=[1, 1]), bias)


def _linear(ops: ModuleType, _: Node, inputs: _Outputs) -> Any:  # noqa: ANN401
    features, weights, bias = inputs
    return ops.add(ops.matmul(features, weights, transpose_a=False, transpose_b=True), bias)


def _max_pool(ops: ModuleType, node: Node, inputs: _Outputs) -> Any:  # noqa: ANN401
    kernel = list(node.attributes["kernel_shape"])
    return ops.max_pool(inputs[0], **_window(node), dilations=[1, 1], kernel_shape=kernel)


def _average_pool(ops: ModuleType, node: Node, inputs: _Outputs) -> Any:  # noqa: ANN401
    return ops.avg_pool(
        inputs[0],
        **_window(node),
        kernel_shape=list(node.attributes["kernel_shape"]),
        exclude_pad=not node.attributes["count_include_pad"],
    )


def _split(ops: ModuleType, node: Node, inputs: _Outputs) -> Any:  # noqa: ANN401
    axis = ops.constant(np.array(_FROM_THE_START))
    return ops.variadic_split(inputs[0], axis, _integers(ops, node.attributes["sizes"]))


def _gather(ops: ModuleType, node: Node, inputs: _Outputs) -> Any:  # noqa: ANN401
    axis = ops.constant(np.array(_CHANNELS))
    return ops.gather(inputs[0], _integers(ops, node.attributes["indices"]), axis)


def _window(node: Node) -> dict[str, list[int]]:
    """Return strides and pads; ONNX lists the pads of both axes at their start, then at the end."""
    pads = list(node.attributes["pads"])
    strides = list(node.attributes["strides"])
    return {"strides": strides, "pads_begin": pads[:2], "pads_end": pads[2:]}


def _integers(ops: ModuleType, values: Sequence[int]) -> Any:  # noqa: ANN401
    return ops.constant(np.array(values, np.int64))


_OPERATIONS: dict[str, Callable[[ModuleType, Node, _Outputs], Any]] = {
    "Add": lambda ops, _, inputs: ops.add(*inputs),
    "AveragePool": _average_pool,
    "ChannelShuffle": lambda ops, node, inputs: ops.shuffle_channels(
        inputs[0], _FROM_THE_START, node.attributes["groups"]
    ),
    "Concat": lambda ops, _, inputs: ops.concat(inputs, _FROM_THE_START),
    "Conv": _convolution,
    "Flatten": lambda ops, _, inputs: ops.reshape(
        inputs[0], _integers(ops, [0, -1]), special_zero=True
    ),
    "Gather": _gather,
    "Gemm": _linear,
    "GlobalAveragePool": lambda ops, _, inputs: ops.reduce_mean(
        inputs[0], _integers(ops, _PIXELS), keep_dims=True
    ),
    "HardSigmoid": lambda ops, _, inputs: ops.hsigmoid(inputs[0]),
    "HardSwish": lambda ops, _, inputs: ops.hswish(inputs[0]),
    "MaxPool": _max_pool,
    "Mul": lambda ops, _, inputs: ops.multiply(*inputs),
    "Relu": lambda ops, _, inputs: ops.relu(inputs[0]),
    "Sigmoid": lambda ops, _, inputs: ops.sigmoid(inputs[0]),
    "Split": _split,
    "Swish": lambda ops, _, inputs: ops.swish(inputs[0]),
}
