"""From an ONNX graph with QuantizeLinear and DequantizeLinear to layers that compute in bytes."""

from dataclasses import replace
from typing import Any

import numpy as np

from shufflenet.graph._float_reader import Reader, UnsupportedOp, need
from shufflenet.graph._layers import (
    LARGEST_BYTE,
    ChannelSlice,
    Convolution,
    Floats,
    Layer,
    Linear,
    MaxPool,
    Mean,
    QuantParams,
)

__all__ = ["Int8Reader"]

_PRECISE = 2**22  # numbers below differ by a quarter of one in float32, or less
_WHOLE = 2**30  # numbers below can be rounded to 32 bits, before they are cut off to eight
_ROUNDED_AFTER = ("Add", "AveragePool", "Conv", "Gemm", "ReduceMean", "Relu")


class Int8Reader(Reader):
    """What has been read of a graph so far whose layers read and make bytes.

    Every result of a layer is quantised before anything reads it; Split, Concat and max pooling
    pass bytes on as they are, so that quantising those again with the same scale changes nothing.
    Where a result is quantised twice before anything computes with it, as before a concatenation
    with others or a sum, it is rounded once: to what it is at last, and cut off as both do.
    """

    def __init__(self, graph: Any) -> None:  # noqa: ANN401  # protobuf makes its class at import
        super().__init__(graph)
        self._codes: dict[str, QuantParams] = {}  # of maps
        self._scales: dict[str, Floats] = {}  # of weights, and of the layers that have them
        self._unrounded = set(self._values)  # values that only QuantizeLinear or a ReLU may read
        self._bytes: set[str] = set()  # those that only DequantizeLinear may read
        self._kept: dict[str, tuple[float, float]] = {}  # what bytes before those of a map could be
        self._added_to: dict[str, tuple[float, float]] = {}  # likewise, before others were added

    def read(self, node: Any) -> None:  # noqa: ANN401  # likewise
        makes = node.output[0]
        if node.op_type == "QuantizeLinear":
            self._quantise(node)
            self._bytes.add(makes)
            return
        if node.op_type == "DequantizeLinear":
            self._dequantise(node)
            return
        # A constant's integers are no numbers, and Cast would take them for such.
        known = node.op_type != "Cast" and self._bytes.isdisjoint(node.input)
        if not known or self._unrounded.isdisjoint(node.input) == (node.op_type == "Relu"):
            raise UnsupportedOp
        super().read(node)
        if node.op_type in _ROUNDED_AFTER:
            self._unrounded.add(makes)
        if node.op_type == "MaxPool":
            self._codes[makes] = self._codes_of(self.layers[-1].inputs)

    def finished(self) -> list[Layer]:
        return [self._in_bytes(layer) for layer in self.layers]

    def codes_of(self, name: str) -> QuantParams | None:
        return self._codes[name]

    def _quantise(self, node: Any) -> None:  # noqa: ANN401
        """Note what a layer's bytes stand for, or see that they stay as they are.

        Raises:
            UnsupportedOp: they do not.
        """
        name, codes = node.input[0], self._codes_given(node)
        if name in self._bytes:
            raise UnsupportedOp
        pieces = self._values[name]
        for piece in pieces:
            before = self._codes.setdefault(piece.tensor, codes)
            if before != codes:
                if name in self._unrounded:  # somebody else reads it as other bytes
                    raise UnsupportedOp
                self._end(piece)
                low, high = self._kept.get(piece.tensor, before.range)
                self._kept[piece.tensor] = max(low, before.range[0]), min(high, before.range[1])
                self._codes[piece.tensor] = codes
        self._values[node.output[0]] = pieces

    def _dequantise(self, node: Any) -> None:  # noqa: ANN401
        """Note what a constant's integers stand for, or see that bytes are taken for what they are.

        Raises:
            UnsupportedOp: they are not.
        """
        name, output = node.input[0], node.output[0]
        if name in self._values:
            codes = self._codes_given(node)
            same = all(self._codes[piece.tensor] == codes for piece in self._values[name])
            if name not in self._bytes or not same:
                raise UnsupportedOp
            self._values[output] = self._values[name]
            return
        settings = self._settings(node)
        values, scale, zero = (self._constants[each] for each in node.input)
        along = settings.get("axis", 1) == 0 or scale.size == 1
        if zero.any() or scale.dtype != np.float32 or not along:
            raise UnsupportedOp
        if values.dtype == np.int8:
            self._constants[output] = values
            self._scales[output] = np.broadcast_to(scale, len(values))
        elif values.dtype == np.int32:
            self._constants[output] = (values * scale.astype(np.float64)).astype(np.float32)
        else:
            raise UnsupportedOp

    def _codes_given(self, node: Any) -> QuantParams:  # noqa: ANN401
        """Read the one scale and zero of a node.

        Raises:
            UnsupportedOp: there are more, or they are not of bytes from 0 to 255.
        """
        self._settings(node)
        scale, zero = (self._constants[name] for name in node.input[1:])
        if scale.size != 1 or zero.size != 1 or zero.dtype != np.uint8:
            raise UnsupportedOp
        codes = QuantParams(scale.item(), zero.item())
        if not 0 < codes.scale < np.inf:
            raise UnsupportedOp
        return codes

    def _settings(self, node: Any) -> dict[str, Any]:  # noqa: ANN401
        """Read a node's settings; none may say that scales are of blocks, or bytes of other kinds.

        Raises:
            UnsupportedOp: one does.
        """
        from onnx.helper import get_attribute_value  # noqa: PLC0415  # read_network has imported it

        settings = {a.name: get_attribute_value(a) for a in node.attribute}
        need({"block_size": 0, "output_dtype": 0} | settings, block_size=0, output_dtype=0)
        return settings

    def _weights(self, name: str) -> Any:  # noqa: ANN401
        weights = self._constants[name]
        if weights.dtype != np.int8:
            raise UnsupportedOp
        return weights

    def _convolution(self, node: Any, settings: dict[str, Any]) -> Convolution:  # noqa: ANN401
        output = super()._convolution(node, settings)
        return replace(output, scale=self._scales[node.input[1]])

    def _linear(self, node: Any, settings: dict[str, Any]) -> Linear:  # noqa: ANN401
        output = super()._linear(node, settings)
        return replace(output, scale=self._scales[node.input[1]])

    def _average(self, output: str, inputs: tuple[ChannelSlice, ...]) -> Convolution:
        average = super()._average(output, inputs)
        share = np.float32(average.weight.flat[0])
        weight = np.ones(average.weight.shape, np.int8)
        return replace(average, weight=weight, scale=np.full(len(weight), share))

    def _add(self, node: Any) -> None:  # noqa: ANN401
        super()._add(node)
        (piece,) = self._values[node.output[0]]
        if piece.tensor in self._kept:
            raise UnsupportedOp
        self._added_to[piece.tensor] = self._codes.pop(piece.tensor).range

    def _codes_of(self, pieces: tuple[ChannelSlice, ...]) -> QuantParams:
        """Say what the bytes of pieces stand for.

        Raises:
            UnsupportedOp: not all stand for the same.
        """
        first, *others = {self._codes[piece.tensor] for piece in pieces}
        if others:
            raise UnsupportedOp
        return first

    def _in_bytes(self, layer: Layer) -> Layer:
        """Let a layer make bytes of bytes.

        Where ``x`` and ``y`` are bytes read and made, with scales and zeros, and ``w`` int8 weights
        with a scale of their own, a layer computes ::

            y = sum(x * w) * (x.scale * w.scale / y.scale)
                + (bias - x.zero_point * sum(w) * x.scale * w.scale) / y.scale + y.zero_point

        and adds ``(z - z.zero_point) * (z.scale / y.scale)`` for bytes ``z`` that are added to it.

        What ONNX rounds before it adds the zero is rounded after it here: of two bytes that are
        equally near, where the zero is odd, it may be the other one.

        Raises:
            UnsupportedOp: float32 might not hold what is rounded.
        """
        read = self._codes_of(layer.inputs)
        match layer:
            case MaxPool():
                return replace(layer, padding_value=0.0)
            case Mean():
                output = self._codes[layer.output]
                factor = _factor(read, output)
                return replace(
                    layer, scale=factor, bias=output.zero_point - read.zero_point * factor
                )
            case Convolution():
                output = self._codes[layer.output]
                scale, bias = _counted(layer, read, output)
                floor, ceiling = _cut(self._kept.get(layer.output, output.range), output)
                if layer.floor == 0:
                    floor = max(floor, float(output.zero_point))
                layer = replace(layer, scale=scale, floor=floor, ceiling=ceiling)
                layer = replace(layer, bias=bias, padding_value=read.zero_point)
                return self._with_added(layer, output) if layer.residual else layer
            case Linear():
                scale, bias = _counted(layer, read, QuantParams(1.0, 0))
                return replace(layer, scale=scale, bias=bias)

    def _with_added(self, layer: Convolution, output: QuantParams) -> Convolution:
        """Count what is added in the bytes made, too, and what limits hold before."""
        added = self._codes_of(layer.residual)
        factor = _factor(added, output)
        more = output.zero_point - added.zero_point * factor
        low, high = (end / output.scale + more for end in self._added_to[layer.output])
        bias = layer.bias - np.float32(added.zero_point * factor)
        return replace(layer, bias=bias, residual_scale=factor, limits=(low, high))


def _factor(read: QuantParams, output: QuantParams) -> float:
    """Give what bytes read are multiplied with to count in bytes made.

    Raises:
        UnsupportedOp: it is so large that float32 rounds whole bytes away.
    """
    factor = read.scale / output.scale
    if not LARGEST_BYTE * factor < _PRECISE:
        raise UnsupportedOp
    return factor


def _cut(ends: tuple[float, float], output: QuantParams) -> tuple[float, float]:
    """Give the least and the largest byte made where values lie between two ends."""
    low, high = (round(end / output.scale) + output.zero_point for end in ends)
    return float(max(low, 0)), float(min(high, LARGEST_BYTE))


def _counted(
    layer: Convolution | Linear, read: QuantParams, output: QuantParams
) -> tuple[Floats, Floats]:
    """Compute what sums are multiplied with, and what is added, to count in the bytes made.

    Raises:
        UnsupportedOp: as ``Int8Reader._in_bytes``.
    """
    weight = np.asarray(layer.weight, np.float64).reshape(len(layer.weight), -1)
    factor = read.scale * np.asarray(layer.scale, np.float64)
    bias = (
        layer.bias - read.zero_point * weight.sum(1) * factor
    ) / output.scale + output.zero_point
    largest = LARGEST_BYTE * np.abs(weight).sum(1) * np.abs(factor) / output.scale + np.abs(bias)
    if not (np.abs(bias).max() < _PRECISE and largest.max() < _WHOLE):
        raise UnsupportedOp
    return (factor / output.scale).astype(np.float32), bias.astype(np.float32)
