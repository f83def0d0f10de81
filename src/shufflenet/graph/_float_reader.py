"""Layers from the nodes of a float32 ONNX graph."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from shufflenet.graph._layers import (
    ChannelSlice,
    Computation,
    Convolution,
    Floats,
    Layer,
    Linear,
    MaxPool,
    Mean,
    QuantParams,
    Weights,
)
from shufflenet.graph._nodes import Node
from shufflenet.graph._sound import MOST_CHANNELS
from shufflenet.graph._tensors import Array

__all__ = ["FloatReader", "UnsupportedOp", "require"]

_POOL_3X3: dict[str, object] = {
    "auto_pad": b"NOTSET",
    "ceil_mode": 0,
    "dilations": [1, 1],
    "kernel_shape": [3, 3],
    "pads": [1] * 4,
    "strides": [2, 2],
}


_MOST_LAYERS = 2000  # the catalogue's largest network has 432
_MOST_SLICES = 1 << 20  # of channels, of all values together; reordered channels are one each


class UnsupportedOp(Exception):
    """An operation, or an attribute of one, that the exported networks do not have."""


class FloatReader:
    """The layers read so far, and the channel slices that each tensor consists of."""

    def __init__(self, constants: Mapping[str, Array], images: str, channels: int) -> None:
        """Begin to read a sound graph.

        Args:
            constants: The constants of the graph by name.
            images: The name of its input.
            channels: The number of channels of the input.
        """
        self._layers: list[Computation] = []
        self._numbers: dict[str, int] = {}  # of layers, by their outputs
        self._read: set[str] = set()  # the tensors that layers read
        self._constants = dict(constants)
        self._values: dict[str, tuple[ChannelSlice, ...]] = {}
        self._names_of: dict[str, set[str]] = {}  # of values that consist of a tensor's channels
        self._slices = 0
        self._set(images, (ChannelSlice(images, 0, channels),))

    def read(self, node: Node) -> None:
        """Read the next node.

        Raises:
            UnsupportedOp: no layer computes it.
        """
        match node.op:
            case "Conv":
                self._append(self._convolution(node))
            case "MaxPool":
                require(node, **_POOL_3X3, storage_order=0)
                self._append(MaxPool(output=node.output, inputs=self._values[node.inputs[0]]))
            case "ReduceMean":
                require(node, keepdims=0)
                if self._axes(node) != [2, 3]:
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
                joined = (piece for name in node.inputs for piece in self._values[name])
                self._set(node.output, tuple(islice(joined, MOST_CHANNELS + 1)))
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
        return [*self._layers]

    def _set(self, name: str, pieces: tuple[ChannelSlice, ...]) -> None:
        """Set the channels that a value consists of.

        Raises:
            UnsupportedOp: it, or all values together, have too many.
        """
        self._slices += len(pieces)
        channels = sum(piece.channels for piece in pieces)
        if channels > MOST_CHANNELS or self._slices > _MOST_SLICES:
            raise UnsupportedOp
        self._values[name] = pieces
        for piece in pieces:
            self._names_of.setdefault(piece.tensor, set()).add(name)

    def _integers(self, name: str, least: int, most: int) -> list[int]:
        """Return a constant ``(n,)`` as Python's integers.

        Raises:
            UnsupportedOp: it holds other numbers, or none.
        """
        values = self._constants[name]
        if values.dtype not in (np.int64, np.int32) or values.ndim != 1:
            raise UnsupportedOp
        numbers: list[int] = values.tolist()
        if not numbers or not all(least <= number <= most for number in numbers):
            raise UnsupportedOp
        return numbers

    def _axes(self, node: Node) -> list[int]:
        """Return the axes of a ReduceMean, which were an attribute before operator set 18.

        Raises:
            UnsupportedOp: they are given twice, or are no axes of an image.
        """
        given = node.attributes.get("axes")
        if given is not None and (len(node.inputs) > 1 or not all(-4 <= x <= 3 for x in given)):
            raise UnsupportedOp
        axes = self._integers(node.inputs[1], -4, 3) if given is None else given
        return sorted(axis % 4 for axis in axes)

    def quant_params(self, tensor: str) -> QuantParams | None:
        """Return the quantization parameters of a tensor; None in a float32 network."""
        return None

    def _append(self, layer: Computation) -> None:
        """Append a layer.

        Raises:
            UnsupportedOp: its weights do not fit its inputs, or its name is taken.
        """
        if len(self._layers) == _MOST_LAYERS or layer.output in self._values:
            raise UnsupportedOp
        self._numbers[layer.output] = len(self._layers)
        self._layers.append(layer)
        self._read.update(piece.tensor for piece in layer.inputs)
        channels = sum(piece.channels for piece in layer.inputs)
        if isinstance(layer, Convolution | Linear):
            groups = layer.groups if isinstance(layer, Convolution) else 1
            out, per_group, *kernel = layer.weight.shape
            reads_all = per_group * groups == channels > 0 and out % groups == 0 < out
            if not reads_all or len(set(kernel)) > 1 or layer.bias.shape != (out,):
                raise UnsupportedOp
            channels = out
        self._set(layer.output, (ChannelSlice(layer.output, 0, channels),))

    def _convolution(self, node: Node) -> Convolution:
        weight_name, bias_name = node.inputs[1:]
        weight, bias = self._weights(weight_name), self._floats(bias_name)
        if weight.ndim != 4:
            raise UnsupportedOp
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
        layer = Convolution(
            output=node.output,
            inputs=self._values[node.inputs[0]],
            weight=weight,
            bias=bias,
            stride=stride,
            groups=node.attributes["group"],
        )
        if not kernel % 2 or stride not in ((1,) if kernel == 1 else (1, 2)):
            raise UnsupportedOp
        if not layer.depthwise and 1 not in (kernel, layer.groups):
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
        self._set(node.output, pieces)

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
        self._set(node.output, (piece,))

    def _extend(self, piece: ChannelSlice, **changes: Any) -> None:  # noqa: ANN401  # fields differ
        """Extend a convolution by a step after it, and forget the names of its earlier output.

        Raises:
            UnsupportedOp: the slice is not the whole output of a convolution, the output has been
                read already, or a ReLU or a sum has been made part of it that excludes another.
        """
        number = self._numbers[piece.tensor]
        layer = self._layers[number]
        residual = changes.get("residual", ())
        if (
            not isinstance(layer, Convolution)
            or (piece.first, piece.channels) != (0, len(layer.weight))
            or layer.floor == 0
            or (residual and (layer.residual or layer.depthwise))
            or any(self._numbers[each.tensor] >= number for each in residual)
            or piece.tensor in self._read
        ):
            raise UnsupportedOp
        self._layers[number] = replace(layer, **changes)
        self._read.update(each.tensor for each in residual)
        for name in self._names_of.pop(piece.tensor, ()):
            self._values.pop(name, None)

    def _gather(self, node: Node) -> None:
        """Read channels of a tensor in another order.

        Raises:
            UnsupportedOp: the tensor does not have these channels.
        """
        (piece,) = self._values[node.inputs[0]]
        order = self._integers(node.inputs[1], 0, piece.channels - 1)
        starts = [0, *(at for at in range(1, len(order)) if order[at] != order[at - 1] + 1)]
        runs = zip(starts, [*starts[1:], len(order)], strict=True)
        pieces = [
            ChannelSlice(piece.tensor, piece.first + order[start], end - start)
            for start, end in runs
        ]
        self._set(node.output, tuple(pieces))

    def _split(self, node: Node) -> None:
        """Name consecutive channels of a tensor.

        Raises:
            UnsupportedOp: their numbers do not sum to those of the tensor.
        """
        require(node, axis=1)
        (piece,) = self._values[node.inputs[0]]
        sizes = self._integers(node.inputs[1], 1, piece.channels)
        if sum(sizes) != piece.channels or len(sizes) != len(node.outputs):
            raise UnsupportedOp
        first = piece.first
        for name, channels in zip(node.outputs, sizes, strict=True):
            self._set(name, (ChannelSlice(piece.tensor, first, channels),))
            first += channels

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
