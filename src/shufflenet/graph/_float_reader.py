"""From the nodes of an ONNX graph to layers."""

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
)

__all__ = ["Reader", "UnsupportedOp", "need"]

# What ONNX takes a setting for that is not there.
_POOL = {
    "strides": [1, 1],
    "pads": [0] * 4,
    "dilations": [1, 1],
    "auto_pad": b"NOTSET",
    "ceil_mode": 0,
    "count_include_pad": 0,
}
_GEMM = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}
_OF_3X3: dict[str, object] = {
    "kernel_shape": [3, 3],
    "strides": [2, 2],
    "pads": [1] * 4,
    "dilations": [1, 1],
    "auto_pad": b"NOTSET",
    "ceil_mode": 0,
}


class UnsupportedOp(Exception):
    """An operation, or a setting of one, that is not of the networks compiled here."""


class Reader:
    """What has been read of a graph so far."""

    def __init__(self, graph: Any) -> None:  # noqa: ANN401  # protobuf makes its class at import
        from onnx import numpy_helper  # noqa: PLC0415  # read_network has imported it

        self.layers: list[Layer] = []
        self._constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        (images,) = graph.input
        channels = images.type.tensor_type.shape.dim[1].dim_value
        self._values: dict[str, tuple[ChannelSlice, ...]] = {
            images.name: (ChannelSlice(images.name, 0, channels),)
        }

    def read(self, node: Any) -> None:  # noqa: ANN401  # likewise
        from onnx.helper import get_attribute_value  # noqa: PLC0415  # likewise

        settings = {a.name: get_attribute_value(a) for a in node.attribute}
        match node.op_type:
            case "Conv":
                self._make(self._convolution(node, settings))
            case "MaxPool":
                need(_POOL | settings, **_OF_3X3)
                self._make(MaxPool(output=node.output[0], inputs=self._values[node.input[0]]))
            case "ReduceMean":
                need({"keepdims": 1, "noop_with_empty_axes": 0} | settings, keepdims=0)
                if sorted(self._constants[node.input[1]] % 4) != [2, 3]:
                    raise UnsupportedOp
                self._make(Mean(output=node.output[0], inputs=self._values[node.input[0]]))
            case "Gemm":
                self._make(self._linear(node, settings))
            case "AveragePool":
                need(_POOL | settings, **_OF_3X3, count_include_pad=1)
                self._make(self._average(node.output[0], self._values[node.input[0]]))
            case "Cast":  # of weights kept in float16
                need(settings, to=1)
                self._constants[node.output[0]] = self._constants[node.input[0]].astype(np.float32)
            case "Relu":
                self._cut_off(node)
            case "Split":
                self._split(node, settings)
            case "Concat":
                need({"axis": 0} | settings, axis=1)
                joined = tuple(piece for name in node.input for piece in self._values[name])
                self._values[node.output[0]] = joined
            case "Gather":
                need({"axis": 0} | settings, axis=1)
                self._pick(node)
            case "Add":
                self._add(node)
            case _:
                raise UnsupportedOp

    def finished(self) -> list[Layer]:
        """Give the layers."""
        return self.layers

    def codes_of(self, name: str) -> QuantParams | None:
        """Say which bytes a map is made of, if it is."""
        return None

    def _make(self, layer: Layer) -> None:
        """Note a layer.

        Raises:
            UnsupportedOp: its weights do not fit what it reads.
        """
        self.layers.append(layer)
        channels = sum(piece.channels for piece in layer.inputs)
        if isinstance(layer, Convolution | Linear):
            groups = layer.groups if isinstance(layer, Convolution) else 1
            out, taken, *kernel = layer.weight.shape
            reads_all = taken * groups == channels > 0 and out % groups == 0
            if not reads_all or len(set(kernel)) > 1 or layer.bias.shape != (out,):
                raise UnsupportedOp
            channels = out
        self._values[layer.output] = (ChannelSlice(layer.output, 0, channels),)

    def _convolution(self, node: Any, settings: dict[str, Any]) -> Convolution:  # noqa: ANN401
        weight_name, bias_name = node.input[1:]
        weight, bias = self._weights(weight_name), self._floats(bias_name)
        kernel = weight.shape[2]
        defaults = {"strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1], "auto_pad": b"NOTSET"}
        settings = defaults | settings
        stride = settings["strides"][0]
        need(
            {"kernel_shape": [kernel] * 2} | settings,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[kernel // 2] * 4,
            dilations=[1, 1],
            auto_pad=b"NOTSET",
        )
        groups = settings.get("group", 1)
        if not isinstance(groups, int) or groups < 1 or weight.ndim != 4:
            raise UnsupportedOp
        output = Convolution(
            output=node.output[0],
            inputs=self._values[node.input[0]],
            weight=weight,
            bias=bias,
            stride=stride,
            groups=groups,
        )
        if not kernel % 2 or kernel == 1 < stride or stride > 2:
            raise UnsupportedOp
        if not output.depthwise and 1 not in (kernel, groups):
            raise UnsupportedOp
        return output

    def _linear(self, node: Any, settings: dict[str, Any]) -> Linear:  # noqa: ANN401
        need(_GEMM | settings, alpha=1.0, beta=1.0, transA=0, transB=1)
        weight = self._weights(node.input[1])
        if weight.ndim != 2:
            raise UnsupportedOp
        bias = self._floats(node.input[2]) if node.input[2:] else np.zeros(len(weight), np.float32)
        read = self._values[node.input[0]]
        return Linear(output=node.output[0], inputs=read, weight=weight, bias=bias)

    def _average(self, output: str, inputs: tuple[ChannelSlice, ...]) -> Convolution:
        """Write the mean of 3x3 pixels, of which those beyond the edge are 0, as a convolution."""
        channels = sum(piece.channels for piece in inputs)
        return Convolution(
            output=output,
            inputs=inputs,
            weight=np.full((channels, 1, 3, 3), 1 / 9, np.float32),
            bias=np.zeros(channels, np.float32),
            stride=2,
            groups=channels,
        )

    def _cut_off(self, node: Any) -> None:  # noqa: ANN401
        """Make a ReLU part of the convolutions it follows."""
        given = self._values[node.input[0]]
        for piece in given:
            self._end(piece, floor=0.0)
        self._values[node.output[0]] = given

    def _add(self, node: Any) -> None:  # noqa: ANN401
        """Make a sum part of the convolution whose result is the second of what is added.

        Raises:
            UnsupportedOp: that is no convolution alone, or something is added to it already.
        """
        added, (piece,) = (self._values[name] for name in node.input)
        if sum(one.channels for one in added) != piece.channels:
            raise UnsupportedOp
        self._end(piece, residual=added)
        self._values[node.output[0]] = (piece,)

    def _end(self, piece: ChannelSlice, **changes: Any) -> None:  # noqa: ANN401
        """Change what a convolution ends with; nothing may have read it, nor may from now on.

        Raises:
            UnsupportedOp: something has, or it is no convolution, or it ends with a ReLU already.
        """
        numbers = {layer.output: number for number, layer in enumerate(self.layers)}
        layer = self.layers[numbers[piece.tensor]]
        added = changes.get("residual", ())
        read = {p.tensor for x in self.layers for p in (*x.inputs, *getattr(x, "residual", ()))}
        if (
            not isinstance(layer, Convolution)
            or (piece.first, piece.channels) != (0, len(layer.weight))
            or layer.floor == 0
            or (added and (layer.residual or layer.depthwise))
            or any(numbers[other.tensor] >= numbers[piece.tensor] for other in added)
            or piece.tensor in read
        ):
            raise UnsupportedOp
        self.layers[numbers[piece.tensor]] = replace(layer, **changes)
        self._values = {
            name: pieces
            for name, pieces in self._values.items()
            if all(other.tensor != piece.tensor for other in pieces)
        }

    def _pick(self, node: Any) -> None:  # noqa: ANN401
        """Read channels of a map in another order.

        Raises:
            UnsupportedOp: it has no such channels.
        """
        (piece,) = self._values[node.input[0]]
        order = self._constants[node.input[1]]
        if order.ndim != 1 or order.min() < 0 or order.max() >= piece.channels:
            raise UnsupportedOp
        runs = np.split(order, 1 + np.flatnonzero(np.diff(order) != 1))
        self._values[node.output[0]] = tuple(
            ChannelSlice(piece.tensor, piece.first + int(run[0]), len(run)) for run in runs
        )

    def _split(self, node: Any, settings: dict[str, Any]) -> None:  # noqa: ANN401
        need({"axis": 0} | settings, axis=1)
        (piece,) = self._values[node.input[0]]
        sizes = self._constants[node.input[1]]
        if sizes.sum() != piece.channels or sizes.min() < 1:
            raise UnsupportedOp
        first = piece.first
        for name, channels in zip(node.output, sizes, strict=True):
            self._values[name] = (ChannelSlice(piece.tensor, first, int(channels)),)
            first += int(channels)

    def _weights(self, name: str) -> Weights:
        return self._floats(name)

    def _floats(self, name: str) -> Floats:
        values = self._constants[name]
        if values.dtype != np.float32:
            raise UnsupportedOp
        return values


def need(settings: dict[str, Any], **wanted: object) -> None:
    """Refuse a setting that differs, or is not there where the standard has another default.

    Raises:
        UnsupportedOp: one is.
    """
    if any(settings.get(name, value) != value for name, value in wanted.items()):
        raise UnsupportedOp
