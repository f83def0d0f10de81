"""Whether the layers of an ncnn network fit each other and their numbers.

ncnn computes what it is told: a layer that reads another number of channels than its weights are
for reads memory of others. So every layer is one that ``shufflenet export`` writes, and the shapes
of all tensors are followed here for images of any size. Windows have an odd side and are padded by
half of it, so that a side of ``n`` pixels becomes ``(n - 1) // stride + 1``, and two maps are of
one size if the products of their strides are equal.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shufflenet.files import NCNN_FLOAT16, NCNN_FLOAT32, NCNN_INT8, NcnnLayer

__all__ = ["NcnnNetwork", "check_network"]

_MOST_CHANNELS, _MOST_STRIDE, _MOST_KERNEL = 1 << 20, 8, 31
_INT8, _INT8_TO_BYTES = 1, 101
_OF_TWO_NUMBERS = (3, 6)  # activations with parameters: a clip, a hard swish
_SUBTRACT_FROM = 7


@dataclass(frozen=True, slots=True)
class NcnnNetwork:
    """What a network computes.

    Attributes:
        channels: The channels of images.
        classes: The number of logits.
        takes_pixels: Whether it reads RGB pixels, 0 to 255, instead of normalized images.
    """

    channels: int
    classes: int
    takes_pixels: bool


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor: its channels, the product of strides up to it, 0 for a vector, and its type."""

    channels: int
    stride: int
    is_bytes: bool = False


def check_network(layers: Sequence[NcnnLayer], numbers: bytes) -> NcnnNetwork:
    """Check layers and their numbers.

    Args:
        layers: The layers, whose tensors are each written before one layer reads them.
        numbers: The content of the ``.bin`` file.

    Raises:
        ValueError: they do not fit; the message is a predicate.
    """
    tensors: dict[str, _Tensor] = {}
    at = 0
    for layer in layers:
        rule = _RULES.get(layer.kind)
        if rule is None:
            raise ValueError(f"has a layer of the kind {layer.kind!r}")
        reads = [tensors[name] for name in layer.inputs]
        try:
            writes = rule(_Fields(layer), reads)
        except (_Unfit, KeyError) as error:
            raise ValueError(f"has the layer {layer.name!r}, which fits no other") from error
        if len(writes) != len(layer.outputs):
            raise ValueError(f"has the layer {layer.name!r}, which fits no other")
        tensors.update(zip(layer.outputs, writes, strict=True))
        at = _check_numbers(layer, numbers, at)
    if at != len(numbers):
        raise ValueError("has more numbers than its layers need")
    inputs = [layer.outputs[0] for layer in layers if layer.kind == "Input"]
    if len(inputs) != 1 or inputs[0] not in ("images", "pixels"):
        raise ValueError("has no input of images")
    logits = tensors.get("logits")
    if logits is None or logits.stride or logits.is_bytes:
        raise ValueError("has no logits")
    return NcnnNetwork(tensors[inputs[0]].channels, logits.channels, inputs[0] == "pixels")


class _Unfit(Exception):
    """A layer does not fit."""


def _require(holds: object) -> None:
    """Check a condition.

    Raises:
        _Unfit: it does not hold.
    """
    if not holds:
        raise _Unfit


class _Fields:
    """The parameters of a layer, each taken once."""

    def __init__(self, layer: NcnnLayer) -> None:
        self._left = dict(layer.parameters)
        self.outputs = len(layer.outputs)

    def whole(self, number: int, least: int, most: int, default: int | None = None) -> int:
        """Return a whole number.

        Raises:
            _Unfit: it is none, outside its range, or missing.
        """
        value = self._left.pop(number, default)
        if not isinstance(value, int) or not least <= value <= most:
            raise _Unfit
        return value

    def real(self, number: int, default: float | None = None) -> float:
        """Return a number that is not written as a whole one.

        Raises:
            _Unfit: it is none, or missing.
        """
        value = self._left.pop(number, default)
        if not isinstance(value, float):
            raise _Unfit
        return value

    def several(self, number: int, kind: type) -> tuple[float, ...]:
        """Return an array of numbers of a type.

        Raises:
            _Unfit: it is none, or missing.
        """
        values = self._left.pop(number, None)
        if not isinstance(values, tuple) or not all(type(value) is kind for value in values):
            raise _Unfit
        return values

    def finish(self) -> None:
        """Check that none is left."""
        _require(not self._left)


_Rule = Callable[[_Fields, list[_Tensor]], list[_Tensor]]


def _input(fields: _Fields, reads: list[_Tensor]) -> list[_Tensor]:
    channels = fields.whole(2, 1, _MOST_CHANNELS)
    fields.finish()
    _require(not reads)
    return [_Tensor(channels, 1)]


def _split(fields: _Fields, reads: list[_Tensor]) -> list[_Tensor]:
    fields.finish()
    (tensor,) = _one(reads, may_be_bytes=True)
    return [tensor] * fields.outputs


def _slice(fields: _Fields, reads: list[_Tensor]) -> list[_Tensor]:
    sizes = fields.several(0, int)
    fields.finish()
    (tensor,) = _one(reads)
    _require(tensor.stride and min(sizes) > 0 and sum(sizes) == tensor.channels)
    return [_Tensor(int(size), tensor.stride) for size in sizes]


def _concat(fields: _Fields, reads: list[_Tensor]) -> list[_Tensor]:
    fields.finish()
    stride = max((tensor.stride for tensor in reads), default=0)
    _require(all(tensor.stride == stride and not tensor.is_bytes for tensor in reads) and stride)
    return [_Tensor(sum(tensor.channels for tensor in reads), stride)]


def _shuffle(fields: _Fields, reads: list[_Tensor]) -> list[_Tensor]:
    (tensor,) = _one(reads)
    groups = fields.whole(0, 1, tensor.channels)
    fields.finish()
    _require(tensor.stride and tensor.channels % groups == 0)
    return [tensor]


def _binary(fields: _Fields, reads: list[_Tensor]) -> list[_Tensor]:
    operation = fields.whole(0, 0, _SUBTRACT_FROM)
    with_number = fields.whole(1, 0, 1, 0)
    if with_number:
        fields.real(2)
    fields.finish()
    _require(operation in (0, 2, _SUBTRACT_FROM) and len(reads) == 2 - with_number)
    channels, stride = reads[0].channels, max(tensor.stride for tensor in reads)
    for tensor in reads:  # a vector has one number for each channel of a map
        _require(tensor.channels == channels and tensor.stride in (0, stride))
        _require(not tensor.is_bytes)
    return [_Tensor(channels, stride)]


def _elementwise(*numbers: int) -> _Rule:
    """Return the rule of a layer that computes each number alone, by parameters of some numbers."""

    def rule(fields: _Fields, reads: list[_Tensor]) -> list[_Tensor]:
        for number in numbers:
            fields.real(number)
        fields.finish()
        return _one(reads)

    return rule


def _pooling(fields: _Fields, reads: list[_Tensor]) -> list[_Tensor]:
    (tensor,) = _one(reads)
    averages = fields.whole(0, 0, 1)
    _require(tensor.stride)
    if fields.whole(4, 0, 1, 0):
        fields.finish()
        _require(averages)
        return [_Tensor(tensor.channels, 0)]
    kernel = fields.whole(1, 1, _MOST_KERNEL)
    stride = fields.whole(2, 1, _MOST_STRIDE)
    _require(kernel % 2 and fields.whole(3, 0, kernel, 0) == kernel // 2)
    _require(fields.whole(5, 1, 1) and fields.whole(6, 0, averages, 0) <= 1)
    fields.finish()
    return [replace(tensor, stride=tensor.stride * stride)]


def _convolution(fields: _Fields, reads: list[_Tensor]) -> list[_Tensor]:
    return _convolved(fields, reads, 1)


def _depthwise(fields: _Fields, reads: list[_Tensor]) -> list[_Tensor]:
    return _convolved(fields, reads, fields.whole(7, 1, _MOST_CHANNELS))


def _convolved(fields: _Fields, reads: list[_Tensor], groups: int) -> list[_Tensor]:
    (tensor,) = _one(reads, may_be_bytes=True)
    out, kernel = fields.whole(0, 1, _MOST_CHANNELS), fields.whole(1, 1, _MOST_KERNEL)
    stride = fields.whole(3, 1, _MOST_STRIDE, 1)
    _require(kernel % 2 and fields.whole(4, 0, kernel, 0) == kernel // 2)
    mark = _mark_and_activation(fields, tensor)
    _require(0 <= fields.real(18, 0.0) <= (127 if mark else 0))
    products = tensor.channels // groups * out * kernel**2
    _require(fields.whole(5, 1, 1) and fields.whole(6, products, products))
    fields.finish()
    _require(tensor.stride and tensor.channels % groups == 0 == out % groups)
    _require(groups == 1 or groups == tensor.channels == out or not mark)
    return [_Tensor(out, tensor.stride * stride, mark == _INT8_TO_BYTES)]


def _inner_product(fields: _Fields, reads: list[_Tensor]) -> list[_Tensor]:
    (tensor,) = _one(reads)
    out = fields.whole(0, 1, _MOST_CHANNELS)
    _require(_mark_and_activation(fields, tensor) in (0, _INT8))
    products = tensor.channels * out
    _require(fields.whole(1, 1, 1) and fields.whole(2, products, products))
    fields.finish()
    _require(not tensor.stride)
    return [_Tensor(out, 0)]


def _mark_and_activation(fields: _Fields, tensor: _Tensor) -> int:
    """Return whether a layer computes in int8, by its mark; that it reads bytes only then."""
    mark = fields.whole(8, 0, _INT8_TO_BYTES, 0)
    activation = fields.whole(9, 0, 6, 0)
    if activation in _OF_TWO_NUMBERS:
        _require(len(fields.several(10, float)) == 2)
    _require(activation in (0, 1, 4, *_OF_TWO_NUMBERS) and mark in (0, _INT8, _INT8_TO_BYTES))
    _require(mark or not tensor.is_bytes)
    return mark


def _one(reads: list[_Tensor], *, may_be_bytes: bool = False) -> list[_Tensor]:
    _require(len(reads) == 1 and (may_be_bytes or not reads[0].is_bytes))
    return reads


_RULES: dict[str, _Rule] = {
    "BinaryOp": _binary,
    "Clip": _elementwise(0, 1),
    "Concat": _concat,
    "Convolution": _convolution,
    "ConvolutionDepthWise": _depthwise,
    "HardSigmoid": _elementwise(0, 1),
    "HardSwish": _elementwise(0, 1),
    "InnerProduct": _inner_product,
    "Input": _input,
    "Pooling": _pooling,
    "ReLU": _elementwise(),
    "ShuffleChannel": _shuffle,
    "Sigmoid": _elementwise(),
    "Slice": _slice,
    "Split": _split,
    "Swish": _elementwise(),
}


# --- the numbers ---


def _check_numbers(layer: NcnnLayer, numbers: bytes, at: int) -> int:
    """Check that the numbers of a layer begin at a byte, and return the byte behind them.

    Raises:
        ValueError: they are damaged, or end before they should.
    """
    if layer.kind not in ("Convolution", "ConvolutionDepthWise", "InnerProduct"):
        return at
    given = {number: int(value) for number, value in layer.parameters.items() if type(value) is int}
    out, mark = given[0], given.get(8, 0)
    count = given[2 if layer.kind == "InnerProduct" else 6]
    tag = struct.unpack_from("<I", numbers, at)[0] if at + 4 <= len(numbers) else -1
    sizes = {NCNN_INT8: 1} if mark else {NCNN_FLOAT32: 4, NCNN_FLOAT16: 2}
    if tag not in sizes:
        raise ValueError(f"has weights of the layer {layer.name!r} that are cut short or damaged")
    at += 4 + -(-count * sizes[tag] // 4) * 4
    scales = out + 1 + (mark == _INT8_TO_BYTES) if mark else 0
    end = at + 4 * (out + scales)
    if end > len(numbers):
        raise ValueError(f"has weights of the layer {layer.name!r} that are cut short or damaged")
    floats = np.frombuffer(numbers[at:end], "<f4")
    if not np.isfinite(floats).all() or not (floats[out:] > 0).all():
        raise ValueError(f"has scales of the layer {layer.name!r} that are no scales")
    return end
