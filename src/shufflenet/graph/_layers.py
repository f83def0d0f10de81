"""The layers of an exported network, and the channels that each of them reads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "LARGEST_BYTE",
    "ChannelSlice",
    "Computation",
    "Convolution",
    "Dequantize",
    "Floats",
    "Layer",
    "Linear",
    "MaxPool",
    "Mean",
    "Network",
    "QuantParams",
    "Quantize",
    "Weights",
    "dtype_of",
    "only_reader",
    "residual_of",
]

LARGEST_BYTE = 255

Floats: TypeAlias = npt.NDArray[np.float32]
Weights: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class QuantParams:
    """The quantization parameters of a tensor: a byte means ``(byte - zero_point) * scale``."""

    scale: float
    zero_point: int

    @property
    def range(self) -> tuple[float, float]:
        """The values of the bytes 0 and 255."""
        return -self.zero_point * self.scale, (LARGEST_BYTE - self.zero_point) * self.scale


@dataclass(frozen=True, slots=True)
class ChannelSlice:
    """Neighboring channels of the input or of a layer's output.

    Attributes:
        tensor: The name of the input or of the output.
        first: The first of the channels.
        channels: How many there are.
    """

    tensor: str
    first: int
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A convolution with an odd, square kernel, padded by half of it, and the steps after it.

    Those steps are, in this order: multiply by ``scale``, add ``bias``, clip to ``limits``, add the
    residual, clip to ``floor`` and ``ceiling``.

    Attributes:
        weight: ``(out, in / groups, kernel, kernel)``, float32, or int8 where maps are bytes.
        bias: ``(out,)``, in int8 in units of the output's bytes.
        residual: The channels that are added to the output.
        floor: The smallest output: 0 for a ReLU, minus infinity for none; in int8 a byte, 0
            for none.
        ceiling: The largest output, in int8 a byte.
        scale: ``(out,)``, the factors from sums of products to bytes of the output; None in
            float32.
        residual_scale: The factor from bytes of the residual to bytes of the output.
        limits: The smallest and the largest value, in bytes, before the residual is added.
        padding_value: The value of pixels beyond an edge; in int8 the byte for 0.
    """

    output: str
    inputs: tuple[ChannelSlice, ...]
    weight: Weights
    bias: Floats
    stride: int
    groups: int
    residual: tuple[ChannelSlice, ...] = ()
    floor: float = -np.inf
    ceiling: float = np.inf
    scale: Floats | None = None
    residual_scale: float = 1.0
    limits: tuple[float, float] = (-np.inf, np.inf)
    padding_value: float = 0.0

    @property
    def kernel(self) -> int:
        """The side of the kernel."""
        return int(self.weight.shape[2])

    @property
    def depthwise(self) -> bool:
        """Whether each output channel is computed from one input channel alone."""
        return self.weight.shape[1] == 1 and self.groups == len(self.weight) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool:
    """The maximum of 3x3 pixels, padded by one, with a stride of two.

    Attributes:
        padding_value: The value of pixels beyond an edge: smaller than any other; 0 for bytes.
    """

    output: str
    inputs: tuple[ChannelSlice, ...]
    padding_value: float = -np.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """The mean of all pixels, times ``scale``, plus ``bias``."""

    output: str
    inputs: tuple[ChannelSlice, ...]
    scale: float = 1.0
    bias: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """The classifier.

    Attributes:
        weight: ``(out, in)``, float32 or int8.
        bias: ``(out,)``, in the units of the logits.
        scale: ``(out,)``, the factors from sums of products to logits; None in float32.
    """

    output: str
    inputs: tuple[ChannelSlice, ...]
    weight: Weights
    bias: Floats
    scale: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantize:
    """Float32 converted to bytes: ``round(value / scale) + zero_point``, a half to the even one.

    Attributes:
        params: The scale and the zero point of the output.
        floor: The smallest byte.
        ceiling: The largest byte.
    """

    output: str
    inputs: tuple[ChannelSlice, ...]
    params: QuantParams
    floor: float = 0.0
    ceiling: float = float(LARGEST_BYTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dequantize:
    """Bytes converted to the float32 that they mean, by the parameters ``params``."""

    output: str
    inputs: tuple[ChannelSlice, ...]
    params: QuantParams


Computation: TypeAlias = Convolution | MaxPool | Mean | Linear
Layer: TypeAlias = Computation | Quantize | Dequantize


@dataclass(frozen=True, slots=True)
class Network:
    """The layers of a network in order, from the images to the mean, and its classifier.

    Layers read and write bytes if their weights are int8, else float32. Where layers of both kinds
    meet, a ``Quantize`` or ``Dequantize`` stands between them, also between mean and classifier.

    Attributes:
        input_params: The quantization parameters of the images; None if they are read in float32.
    """

    layers: Sequence[Layer]
    classifier: Linear
    input_params: QuantParams | None = None

    @property
    def dtypes(self) -> frozenset[type[np.generic]]:
        """The types of the elements of maps: float32, uint8, or both."""
        weighted = (
            x for x in (*self.layers, self.classifier) if isinstance(x, Convolution | Linear)
        )
        return frozenset(map(dtype_of, weighted))


def dtype_of(layer: Convolution | Linear) -> type[np.generic]:
    """Return the type of the elements that a layer reads: uint8 if its weights are int8."""
    return np.uint8 if layer.weight.dtype == np.int8 else np.float32


def residual_of(layer: Layer) -> tuple[ChannelSlice, ...]:
    """Return the channels that are added to a layer's output."""
    return layer.residual if isinstance(layer, Convolution) else ()


def only_reader(layers: Iterable[Layer], output: Convolution) -> Layer | None:
    """Return the layer that reads all of an output in order, if no other layer reads the output."""
    name, whole = output.output, (ChannelSlice(output.output, 0, len(output.weight)),)
    found = [
        layer
        for layer in layers
        if name in {p.tensor for p in (*layer.inputs, *residual_of(layer))}
    ]
    if len(found) != 1 or found[0].inputs != whole:
        return None
    return None if name in {piece.tensor for piece in residual_of(found[0])} else found[0]
