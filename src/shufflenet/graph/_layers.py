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
    "added_to",
    "only_reader",
]

LARGEST_BYTE = 255

Floats: TypeAlias = npt.NDArray[np.float32]
Weights: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class QuantParams:
    """What the bytes of an int8 network's map stand for: ``(byte - zero) * scale``."""

    scale: float
    zero: int

    @property
    def range(self) -> tuple[float, float]:
        """The least and the most that a byte stands for."""
        return -self.zero * self.scale, (LARGEST_BYTE - self.zero) * self.scale


@dataclass(frozen=True, slots=True)
class ChannelSlice:
    """Neighbouring channels of a map that some layer made."""

    map: str
    first: int
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A convolution of odd, square kernels, padded by half of them, and what is cut off after it.

    Attributes:
        weight: ``(out, in / groups, kernel, kernel)``, float32 or, of an int8 network, int8.
        bias: ``(out,)``; of an int8 network it counts in the bytes made.
        adds: What is added to its result, channel by channel.
        floor: What smaller values become: 0 is a ReLU, minus infinity nothing; of an int8 network
            a byte, 0 for nothing.
        ceiling: What larger bytes of an int8 network become.
        scale: ``(out,)``, of an int8 network: what sums are multiplied with to count in bytes.
        added_scale: Likewise, what is added.
        limits: The least and the most, in bytes, that a result may be before others are added.
        outside: What the values beyond an edge are taken for: the byte that stands for 0.
    """

    output: str
    inputs: tuple[ChannelSlice, ...]
    weight: Weights
    bias: Floats
    stride: int
    groups: int
    adds: tuple[ChannelSlice, ...] = ()
    floor: float = -np.inf
    ceiling: float = np.inf
    scale: Floats | None = None
    added_scale: float = 1.0
    limits: tuple[float, float] = (-np.inf, np.inf)
    outside: float = 0.0

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
        outside: What the values beyond an edge are taken for: less than any other, which is 0 of
            bytes.
    """

    output: str
    inputs: tuple[ChannelSlice, ...]
    outside: float = -np.inf


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
        images: Which bytes an int8 network takes images for; or none, of a float32 network.
    """

    layers: Sequence[Layer]
    classifier: Linear
    images: QuantParams | None = None


def added_to(layer: Layer) -> tuple[ChannelSlice, ...]:
    """Say what is added to a layer's result."""
    return layer.adds if isinstance(layer, Convolution) else ()


def only_reader(layers: Iterable[Layer], output: Convolution) -> Layer | None:
    """Find the layer that alone reads another, all of it in its order, if there is one."""
    name, whole = output.output, (ChannelSlice(output.output, 0, len(output.weight)),)
    found = [
        layer for layer in layers if name in {p.map for p in (*layer.inputs, *added_to(layer))}
    ]
    if len(found) != 1 or found[0].inputs != whole:
        return None
    return None if name in {piece.map for piece in added_to(found[0])} else found[0]
