"""The layers that machine code is written for, and which channels each of them reads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "LARGEST_BYTE",
    "ChannelSlice",
    "Convolution",
    "Floats",
    "Layer",
    "Linear",
    "MaxPool",
    "Mean",
    "Network",
    "QuantParams",
    "Weights",
    "only_reader",
    "residual_of",
]

LARGEST_BYTE = 255

Floats: TypeAlias = npt.NDArray[np.float32]
Weights: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class QuantParams:
    """What the bytes of an int8 network's map stand for: ``(byte - zero) * scale``."""

    scale: float
    zero_point: int

    @property
    def range(self) -> tuple[float, float]:
        """The least and the most that a byte stands for."""
        return -self.zero_point * self.scale, (LARGEST_BYTE - self.zero_point) * self.scale


@dataclass(frozen=True, slots=True)
class ChannelSlice:
    """Neighbouring channels of a map that some layer made."""

    tensor: str
    first: int
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A convolution of odd, square kernels, padded by half of them, and what is cut off after it.

    Attributes:
        weight: ``(out, in / groups, kernel, kernel)``, float32 or, of an int8 network, int8.
        bias: ``(out,)``; of an int8 network it counts in the bytes made.
        residual: What is added to its result, channel by channel.
        floor: What smaller values become: 0 is a ReLU, minus infinity nothing; of an int8 network
            a byte, 0 for nothing.
        ceiling: What larger bytes of an int8 network become.
        scale: ``(out,)``, of an int8 network: what sums are multiplied with to count in bytes.
        residual_scale: Likewise, what is added.
        limits: The least and the most, in bytes, that a result may be before others are added.
        padding_value: What the values beyond an edge are taken for: the byte that stands for 0.
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
        """Its side."""
        return int(self.weight.shape[2])

    @property
    def depthwise(self) -> bool:
        """Whether every channel has a kernel of its own."""
        return self.weight.shape[1] == 1 and self.groups == len(self.weight) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool:
    """The maximum of 3x3 pixels, padded by one, at a stride of two.

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
    """The classifier; its weight is ``(out, in)``, and the rest as of a convolution."""

    output: str
    inputs: tuple[ChannelSlice, ...]
    weight: Weights
    bias: Floats
    scale: Floats | None = None


Layer: TypeAlias = Convolution | MaxPool | Mean | Linear


@dataclass(frozen=True, slots=True)
class Network:
    """What a file computes: layers in order, from the images to a mean, and a classifier of it.

    Attributes:
        input_params: Which bytes an int8 network takes images for; or none, of a float32 network.
    """

    layers: Sequence[Layer]
    classifier: Linear
    input_params: QuantParams | None = None


def residual_of(layer: Layer) -> tuple[ChannelSlice, ...]:
    """Say what is added to a layer's result."""
    return layer.residual if isinstance(layer, Convolution) else ()


def only_reader(layers: Iterable[Layer], output: Convolution) -> Layer | None:
    """Find the layer that alone reads another, all of it in its order, if there is one."""
    name, whole = output.output, (ChannelSlice(output.output, 0, len(output.weight)),)
    found = [
        layer
        for layer in layers
        if name in {p.tensor for p in (*layer.inputs, *residual_of(layer))}
    ]
    if len(found) != 1 or found[0].inputs != whole:
        return None
    return None if name in {piece.tensor for piece in residual_of(found[0])} else found[0]
