"""Layers from the nodes of a float32 ONNX graph."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from shufflenet.graph._layers import (
    ChannelSlice,
    Convolution,
    Floats,
    Layer,
    Linear,
    MaxPool,
    Mean,
    QuantParams,
    Weights,
    residual_of,
)
from shufflenet.graph._nodes import Array, Node

__all__ = ["FloatReader", "UnsupportedOp", "require"]

_POOL_3X3: dict[str, object] = {
    "auto_pad": b"NOTSET",
    "ceil_mode": 0,
    "dilations": [1, 1],
    "kernel_shape": [3, 3],
    "pads": [1] * 4,
    "strides": [2, 2],
}


class UnsupportedOp(Exception):
    """An operation, or an attribute of one, that the exported networks do not have."""


class FloatReader:
    """The layers read so far, and the channel slices that each tensor consists of."""

    def __init__(self, constants: Mapping[str, Array], images: str, channels: int) -> None:
        """Begin to read a graph.

        Args:
            constants: The constants of the graph by name.
            images: The name of its input.
            channels: The number of channels of the input.
        """
        self._layers: list[Layer] = []
        self._constants = dict(constants)
        self._values: dict[str, tuple[ChannelSlice, ...]] = {
            images: (ChannelSlice(images, 0, channels),)
        }

    def read(self, node: Node) -> None:
        """Read the next node.

        Raises:
            UnsupportedOp: no layer computes it.
        """
        match node.op:
            case "Conv":
                self._append(self._convolution(node))
            case "MaxPool":
                require(node, **_POOL_3X3)
                self._append(MaxPool(output=node.output, inputs=self._values[node.inputs[0]]))
            case "ReduceMean":
                require(node, keepdims=0)
                if sorted(self._constants[node.inputs[1]] % 4) != [2, 3]:
                    raise UnsupportedOp
                self._append(Mean(output=node.output, inputs=self._values[node.inputs[0]]))
            case "Gemm":
                self._append(self._linear(node))
            case "AveragePool":
                require(node, **_POOL_3X3, count_include_pad=1)
                self._append(self._average(node.output, self._values[node.inputs[0]]))
            case "Relu":
                self._relu(node)
            case "Split":
                self._split(node)
            case "Concat":
                require(node, axis=1)
                joined = tuple(piece for name in node.inputs for piece in self._values[name])
                self._values[node.output] = joined
            case "Gather":
                require(node, axis=1)
                self._gather(node)
            case "Add":
                self._add(node)
            case _:
                raise UnsupportedOp

    def finish(self) -> list[Layer]:
        """Return the layers of all nodes read.

        Raises:
            UnsupportedOp: an int8 layer cannot be computed in float32 accurately.
        """
        return self._layers

    def quant_params(self, tensor: str) -> QuantParams | None:
        """Return the quantization parameters of a tensor; None in a float32 network."""
        return None

    def _append(self, layer: Layer) -> None:
        """Append a layer.

        Raises:
            UnsupportedOp: its weights do not fit its inputs.
        """
        self._layers.append(layer)
        channels = sum(piece.channels for piece in layer.inputs)
        if isinstance(layer, Convolution | Linear):
            groups = layer.groups if isinstance(layer, Convolution) else 1
            out, per_group, *kernel = layer.weight.shape
            reads_all = per_group * groups == channels > 0 and out % groups == 0
            if not reads_all or len(set(kernel)) > 1 or layer.bias.shape != (out,):
                raise UnsupportedOp
            channels = out
        self._values[layer.output] = (ChannelSlice(layer.output, 0, channels),)

    def _convolution(self, node: Node) -> Convolution:
        weight_name, bias_name = node.inputs[1:]
        weight, bias = self._weights(weight_name), self._floats(bias_name)
        kernel = weight.shape[2]
        stride = node.attributes["strides"][0]
        require(
            node,
            auto_pad=b"NOTSET",
            dilations=[1, 1],
            kernel_shape=[kernel] * 2,
            pads=[kernel // 2] * 4,
            strides=[stride] * 2,
        )
        groups = node.attributes["group"]
        if not isinstance(groups, int) or groups < 1 or weight.ndim != 4:
            raise UnsupportedOp
        layer = Convolution(
            output=node.output,
            inputs=self._values[node.inputs[0]],
            weight=weight,
            bias=bias,
            stride=stride,
            groups=groups,
        )
        if not kernel % 2 or kernel == 1 < stride or stride > 2:
            raise UnsupportedOp
        if not layer.depthwise and 1 not in (kernel, groups):
            raise UnsupportedOp
        return layer

    def _linear(self, node: Node) -> Linear:
        require(node, alpha=1.0, beta=1.0, transA=0, transB=1)
        weight = self._weights(node.inputs[1])
        if weight.ndim != 2:
            raise UnsupportedOp
        has_bias = len(node.inputs) > 2
        bias = self._floats(node.inputs[2]) if has_bias else np.zeros(len(weight), np.float32)
        inputs = self._values[node.inputs[0]]
        return Linear(output=node.output, inputs=inputs, weight=weight, bias=bias)

    def _average(self, output: str, inputs: tuple[ChannelSlice, ...]) -> Convolution:
        """Return the mean of 3x3 pixels, with 0 beyond the edge, as a depthwise convolution."""
        channels = sum(piece.channels for piece in inputs)
        return Convolution(
            output=output,
            inputs=inputs,
            weight=np.full((channels, 1, 3, 3), 1 / 9, np.float32),
            bias=np.zeros(channels, np.float32),
            stride=2,
            groups=channels,
        )

    def _relu(self, node: Node) -> None:
        """Make a ReLU part of the convolutions that it follows."""
        pieces = self._values[node.inputs[0]]
        for piece in pieces:
            self._extend(piece, floor=0.0)
        self._values[node.output] = pieces

    def _add(self, node: Node) -> None:
        """Make a sum part of the convolution that computes the second addend.

        Raises:
            UnsupportedOp: the second addend is not the whole output of one convolution, or that
                adds something already.
        """
        residual, (piece,) = (self._values[name] for name in node.inputs)
        if sum(each.channels for each in residual) != piece.channels:
            raise UnsupportedOp
        self._extend(piece, residual=residual)
        self._values[node.output] = (piece,)

    def _extend(self, piece: ChannelSlice, **changes: Any) -> None:  # noqa: ANN401  # fields differ
        """Extend a convolution by a step after it, and forget the names of its earlier output.

        Raises:
            UnsupportedOp: the slice is not the whole output of a convolution, the output has been
                read already, or a ReLU or a sum has been made part of it that excludes another.
        """
        numbers = {layer.output: number for number, layer in enumerate(self._layers)}
        number = numbers[piece.tensor]
        layer = self._layers[number]
        residual = changes.get("residual", ())
        is_read = any(
            piece.tensor == each.tensor
            for other in self._layers
            for each in (*other.inputs, *residual_of(other))
        )
        if (
            not isinstance(layer, Convolution)
            or (piece.first, piece.channels) != (0, len(layer.weight))
            or layer.floor == 0
            or (residual and (layer.residual or layer.depthwise))
            or any(numbers[each.tensor] >= number for each in residual)
            or is_read
        ):
            raise UnsupportedOp
        self._layers[number] = replace(layer, **changes)
        self._values = {
            name: pieces
            for name, pieces in self._values.items()
            if all(other.tensor != piece.tensor for other in pieces)
        }

    def _gather(self, node: Node) -> None:
        """Read channels of a tensor in another order.

        Raises:
            UnsupportedOp: the tensor does not have these channels.
        """
        (piece,) = self._values[node.inputs[0]]
        order = self._constants[node.inputs[1]]
        if order.ndim != 1 or order.min() < 0 or order.max() >= piece.channels:
            raise UnsupportedOp
        runs = np.split(order, 1 + np.flatnonzero(np.diff(order) != 1))
        self._values[node.output] = tuple(
            ChannelSlice(piece.tensor, piece.first + int(run[0]), len(run)) for run in runs
        )

    def _split(self, node: Node) -> None:
        require(node, axis=1)
        (piece,) = self._values[node.inputs[0]]
        sizes = self._constants[node.inputs[1]]
        if sizes.sum() != piece.channels or sizes.min() < 1:
            raise UnsupportedOp
        first = piece.first
        for name, channels in zip(node.outputs, sizes, strict=True):
            self._values[name] = (ChannelSlice(piece.tensor, first, int(channels)),)
            first += int(channels)

    def _weights(self, name: str) -> Weights:
        return self._floats(name)

    def _floats(self, name: str) -> Floats:
        values = self._constants[name]
        if values.dtype != np.float32:
            raise UnsupportedOp
        return values


def require(node: Node, **wanted: object) -> None:
    """Check attributes of a node; one that is left out and has no default passes.

    Raises:
        UnsupportedOp: an attribute has another value.
    """
    if any(node.attributes.get(name, value) != value for name, value in wanted.items()):
        raise UnsupportedOp
