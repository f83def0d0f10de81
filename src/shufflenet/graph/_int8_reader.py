"""Layers that compute with bytes, from an ONNX graph with QuantizeLinear and DequantizeLinear."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from shufflenet.graph._float_reader import FloatReader, UnsupportedOp, require
from shufflenet.graph._layers import (
    LARGEST_BYTE,
    ChannelSlice,
    Computation,
    Convolution,
    Dequantize,
    Floats,
    Layer,
    Linear,
    MaxPool,
    Mean,
    Quantize,
    QuantParams,
    Weights,
    dtype_of,
)
from shufflenet.graph._nodes import Node
from shufflenet.graph._tensors import Array

__all__ = ["Int8Reader"]

_PRECISE = 2**22  # in float32, numbers below this are at most a quarter apart
_INT32 = 2**30  # numbers below this can be rounded to int32 before they are clipped to bytes
_MOST_SUM = 2**31  # of products of bytes, which are added in int32
_IN_FLOAT = ("AveragePool", "Concat", "Conv", "Gather", "Gemm", "MaxPool", "ReduceMean", "Split")
_MOVES = ("Concat", "Gather", "Split")
_MOST_COPIED = 2**26  # weights of layers that copy; those of the catalogue's V1 are 19 million
_UNROUNDED = ("Add", "AveragePool", "Conv", "Gemm", "ReduceMean", "Relu")


class Int8Reader(FloatReader):
    """The layers read so far, whose inputs and outputs are bytes, but for layers kept in float.

    Every output is quantized before anything reads it, unless layers in float compute it and read
    it. Split, Concat and MaxPool pass bytes on, so that to quantize those again with the same scale
    changes nothing. An output that is quantized twice before a layer computes with it, as before a
    Concat or an Add, is rounded once here: with the last parameters, and clipped to both ranges.
    """

    def __init__(self, constants: Mapping[str, Array], images: str, channels: int) -> None:
        super().__init__(constants, images, channels)
        self._params: dict[str, QuantParams] = {}  # of tensors
        self._images = images
        self._in_float: set[str] = set()  # tensors that layers read in float
        self._copied_weights = 0  # of layers that only copy bytes
        self._scales: dict[str, Floats] = {}  # of weights, by the name of the dequantized weights
        self._unrounded = {images}  # what only a QuantizeLinear, a ReLU or layers in float may read
        self._quantized: set[str] = set()  # tensors that only a DequantizeLinear may read
        # The ranges of outputs that are quantized again: where they are, and before an Add.
        self._clipped: dict[str, tuple[float, float]] = {}
        self._before_add: dict[str, tuple[float, float]] = {}

    def read(self, node: Node) -> None:
        if node.op == "QuantizeLinear":
            self._quantize_linear(node)
            self._quantized.add(node.output)
            return
        if node.op == "DequantizeLinear":
            self._dequantize_linear(node)
            return
        # Integers are no values yet: nothing but a DequantizeLinear may read them.
        reads_values = node.op != "Cast" and self._quantized.isdisjoint(node.inputs)
        reads_rounded = self._unrounded.isdisjoint(node.inputs)
        if reads_values and not reads_rounded and node.op in _IN_FLOAT:
            self._read_in_float(node)
        elif not reads_values or reads_rounded == (node.op == "Relu"):
            raise UnsupportedOp
        super().read(node)
        if node.op in _UNROUNDED:
            self._unrounded.add(node.output)
        if node.op == "MaxPool" and reads_rounded:
            self._params[node.output] = self._shared_params(self._layers[-1].inputs)

    def finish(self) -> list[Layer]:
        return [each for layer in self._layers for each in self._finished(layer)]

    def quant_params(self, tensor: str) -> QuantParams | None:
        return self._params.get(tensor)

    def _read_in_float(self, node: Node) -> None:
        """Note that a node reads the images, or what layers in float compute, before any rounding.

        Raises:
            UnsupportedOp: some of it is computed in int8 or rounded, or the node's weights are.
        """
        names = node.inputs if node.op == "Concat" else node.inputs[:1]
        tensors = {piece.tensor for name in names for piece in self._values[name]}
        is_float = self._unrounded.issuperset(names) and all(map(self._is_float, tensors))
        is_rounded = not tensors.isdisjoint(self._params)
        if not is_float or is_rounded or not self._scales.keys().isdisjoint(node.inputs):
            raise UnsupportedOp
        self._unrounded.update(node.outputs)
        if node.op not in _MOVES:
            self._in_float |= tensors

    def _is_float(self, tensor: str) -> bool:
        """Return whether a tensor is the images, or computed by a layer in float."""
        return tensor == self._images or self._computes_floats(self._layers[self._numbers[tensor]])

    def _computes_floats(self, layer: Computation) -> bool:
        """Return whether a layer is in float: by its weights, or if it has none by what it reads.

        A mean of bytes is in float, too, if nothing rounds it.
        """
        if isinstance(layer, Convolution | Linear):
            return dtype_of(layer) == np.float32
        is_unrounded_mean = isinstance(layer, Mean) and layer.output not in self._params
        return is_unrounded_mean or self._reads_floats(layer.inputs)

    def _reads_floats(self, inputs: tuple[ChannelSlice, ...]) -> bool:
        return not self._in_float.isdisjoint(piece.tensor for piece in inputs)

    def _quantize_linear(self, node: Node) -> None:
        """Note the quantization parameters of a layer's output, or check that they stay the same.

        Raises:
            UnsupportedOp: they change after something has read the output.
        """
        name, params = node.inputs[0], self._params_of(node)
        if name in self._quantized:
            raise UnsupportedOp
        pieces = self._values[name]
        if any(piece.tensor in self._in_float for piece in pieces):
            raise UnsupportedOp
        for piece in pieces:
            before = self._params.setdefault(piece.tensor, params)
            if before != params:
                if name in self._unrounded:  # another node quantizes it with other parameters
                    raise UnsupportedOp
                self._extend(piece)
                low, high = self._clipped.get(piece.tensor, before.range)
                self._clipped[piece.tensor] = max(low, before.range[0]), min(high, before.range[1])
                self._params[piece.tensor] = params
        self._set(node.output, pieces)

    def _dequantize_linear(self, node: Node) -> None:
        """Read the weights or the bias of a layer, or check the parameters of a tensor.

        Raises:
            UnsupportedOp: the parameters are not those that the tensor was quantized with, or the
                constant is not of a kind that ``quantize`` writes.
        """
        name, output = node.inputs[0], node.output
        if name in self._values:
            params = self._params_of(node)
            is_same = all(self._params[piece.tensor] == params for piece in self._values[name])
            if name not in self._quantized or not is_same:
                raise UnsupportedOp
            self._set(output, self._values[name])
            return
        require(node, block_size=0, output_dtype=0)
        values, scale, zero = (self._constants[each] for each in node.inputs)
        by_output = node.attributes["axis"] == 0 or scale.size == 1
        is_zero = zero.shape == scale.shape and zero.dtype == values.dtype and not zero.any()
        if not is_zero or not by_output or not _is_scale(scale):
            raise UnsupportedOp
        if values.dtype == np.int8:
            self._constants[output] = values
            self._scales[output] = np.broadcast_to(scale, len(values))
        elif values.dtype == np.int32 and values.ndim == 1:
            self._constants[output] = (values * scale.astype(np.float64)).astype(np.float32)
        else:
            raise UnsupportedOp

    def _params_of(self, node: Node) -> QuantParams:
        """Read the scale and the zero point of a node.

        Raises:
            UnsupportedOp: there are several, or they are not of bytes from 0 to 255.
        """
        require(node, block_size=0, output_dtype=0)
        scale, zero_point = (self._constants[name] for name in node.inputs[1:])
        if scale.size != 1 or zero_point.size != 1 or zero_point.dtype != np.uint8:
            raise UnsupportedOp
        if not _is_scale(scale):
            raise UnsupportedOp
        return QuantParams(scale.item(), zero_point.item())

    def _weights(self, name: str) -> Weights:
        if name not in self._scales:
            return super()._weights(name)
        weights: Weights = self._constants[name]
        return weights

    def _convolution(self, node: Node) -> Convolution:
        return replace(super()._convolution(node), scale=self._scales.get(node.inputs[1]))

    def _linear(self, node: Node) -> Linear:
        return replace(super()._linear(node), scale=self._scales.get(node.inputs[1]))

    def _average(self, output: str, inputs: tuple[ChannelSlice, ...]) -> Convolution:
        layer = super()._average(output, inputs)
        if self._reads_floats(inputs):
            return layer
        share = np.float32(layer.weight.flat[0])
        weight = np.ones(layer.weight.shape, np.int8)
        return replace(layer, weight=weight, scale=np.full(len(weight), share))

    def _add(self, node: Node) -> None:
        """Make a sum part of the convolution before it, or of a copy where that is in float.

        Raises:
            UnsupportedOp: the addends are none of layers, or too many are copied.
        """
        (piece,) = self._values[node.inputs[1]]
        if self._is_float(piece.tensor):
            self._set(node.inputs[1], self._copied(piece))
        super()._add(node)
        (piece,) = self._values[node.output]
        if piece.tensor in self._clipped:
            raise UnsupportedOp
        self._before_add[piece.tensor] = self._params.pop(piece.tensor).range

    def _copied(self, piece: ChannelSlice) -> tuple[ChannelSlice, ...]:
        """Return bytes of a layer in float as the output of one in int8, which can add others.

        Raises:
            UnsupportedOp: there are too many channels to copy.
        """
        output, channels = f"{piece.tensor} copied", piece.channels
        self._copied_weights += channels**2
        if self._copied_weights > _MOST_COPIED:
            raise UnsupportedOp
        copy = Convolution(
            output=output,
            inputs=(piece,),
            weight=np.eye(channels, dtype=np.int8)[:, :, None, None],
            bias=np.zeros(channels, np.float32),
            stride=1,
            groups=1,
            scale=np.ones(channels, np.float32),
        )
        self._append(copy)
        self._params[output] = self._params[piece.tensor]
        return self._values[output]

    def _shared_params(self, pieces: tuple[ChannelSlice, ...]) -> QuantParams:
        """Return the quantization parameters that all slices have.

        Raises:
            UnsupportedOp: they differ.
        """
        first, *others = {self._params[piece.tensor] for piece in pieces}
        if others:
            raise UnsupportedOp
        return first

    def _finished(self, layer: Computation) -> list[Layer]:
        """Return a layer in int8; or one in float, and conversions of the bytes around it."""
        if not self._computes_floats(layer):
            return [self._to_int8(layer)]
        layers: list[Layer] = []
        output = layer.output
        channels = sum(piece.channels for piece in layer.inputs)
        if not self._reads_floats(layer.inputs):
            params = self._shared_params(layer.inputs)
            whole = self._whole(f"inputs of {output}", channels)
            layers.append(Dequantize(output=whole.tensor, inputs=layer.inputs, params=params))
            layer = replace(layer, inputs=(whole,))
        if output not in self._params:
            return [*layers, layer]
        params = self._params[output]
        floor, ceiling = _byte_bounds(self._clipped.get(output, params.range), params)
        channels = len(layer.weight) if isinstance(layer, Convolution | Linear) else channels
        whole = self._whole(f"{output} in float", channels)
        rounded = Quantize(
            output=output, inputs=(whole,), params=params, floor=floor, ceiling=ceiling
        )
        return [*layers, replace(layer, output=whole.tensor), rounded]

    def _whole(self, name: str, channels: int) -> ChannelSlice:
        """Return all channels of a tensor of a new name."""
        while name in self._numbers or name == self._images:
            name += "_"
        self._numbers[name] = len(self._numbers)
        return ChannelSlice(name, 0, channels)

    def _to_int8(self, layer: Computation) -> Layer:
        """Convert a layer to one that reads and writes bytes.

        With input bytes ``x``, output bytes ``y`` and int8 weights ``w``, the layer computes ::

            y = sum(x * w) * (x.scale * w.scale / y.scale)
                + (bias - x.zero_point * sum(w) * x.scale * w.scale) / y.scale + y.zero_point

        and adds ``(z - z.zero_point) * (z.scale / y.scale)`` for the bytes ``z`` of a residual.

        ONNX rounds before it adds the zero point, this layer after it: of two bytes that are
        equally near, it may take the other one where the zero point is odd.

        Raises:
            UnsupportedOp: float32 is too coarse for the sums.
        """
        inputs = self._shared_params(layer.inputs)
        match layer:
            case MaxPool():
                return replace(layer, padding_value=0.0)
            case Mean():
                output = self._params[layer.output]
                factor = _ratio(inputs, output)
                shift = output.zero_point - inputs.zero_point * factor
                return replace(layer, scale=factor, bias=shift)
            case Convolution():
                output = self._params[layer.output]
                scale, bias = _scale_and_bias(layer, inputs, output)
                clipped = self._clipped.get(layer.output, output.range)
                floor, ceiling = _byte_bounds(clipped, output)
                if layer.floor == 0:
                    floor = max(floor, float(output.zero_point))
                layer = replace(layer, scale=scale, floor=floor, ceiling=ceiling)
                layer = replace(layer, bias=bias, padding_value=inputs.zero_point)
                return self._with_residual(layer, output) if layer.residual else layer
            case Linear():
                scale, bias = _scale_and_bias(layer, inputs, QuantParams(1.0, 0))
                return replace(layer, scale=scale, bias=bias)

    def _with_residual(self, layer: Convolution, output: QuantParams) -> Convolution:
        """Return an int8 convolution with the scale of its residual and the limits before it."""
        residual = self._shared_params(layer.residual)
        factor = _ratio(residual, output)
        shift = output.zero_point - residual.zero_point * factor
        low, high = (end / output.scale + shift for end in self._before_add[layer.output])
        bias = layer.bias - np.float32(residual.zero_point * factor)
        return replace(layer, bias=bias, residual_scale=factor, limits=(low, high))


def _is_scale(values: Array) -> bool:
    """Return whether values are scales: positive finite float32, of one axis at most."""
    is_positive = bool(np.all((values > 0) & np.isfinite(values)))
    return values.dtype == np.float32 and values.ndim <= 1 and is_positive


def _ratio(inputs: QuantParams, output: QuantParams) -> float:
    """Return the ratio of two scales.

    Raises:
        UnsupportedOp: it is so large that float32 rounds whole bytes away.
    """
    ratio = inputs.scale / output.scale
    if not LARGEST_BYTE * ratio < _PRECISE:
        raise UnsupportedOp
    return ratio


def _byte_bounds(bounds: tuple[float, float], output: QuantParams) -> tuple[float, float]:
    """Return the smallest and the largest byte for values within bounds."""
    low, high = (round(bound / output.scale) + output.zero_point for bound in bounds)
    return float(max(low, 0)), float(min(high, LARGEST_BYTE))


def _scale_and_bias(
    layer: Convolution | Linear, inputs: QuantParams, output: QuantParams
) -> tuple[Floats, Floats]:
    """Return the factors of a layer's sums of bytes and the biases in output bytes, ``(out,)``.

    Raises:
        UnsupportedOp: float32 is too coarse for the sums.
    """
    weight = np.asarray(layer.weight, np.float64).reshape(len(layer.weight), -1)
    if LARGEST_BYTE * np.abs(weight).sum(1).max() >= _MOST_SUM:
        raise UnsupportedOp
    factor = inputs.scale * np.asarray(layer.scale, np.float64)
    bias = layer.bias - inputs.zero_point * weight.sum(1) * factor
    bias = bias / output.scale + output.zero_point
    largest = LARGEST_BYTE * np.abs(weight).sum(1) * np.abs(factor) / output.scale + np.abs(bias)
    if not (np.abs(bias).max() < _PRECISE and largest.max() < _INT32):
        raise UnsupportedOp
    return (factor / output.scale).astype(np.float32), bias.astype(np.float32)
