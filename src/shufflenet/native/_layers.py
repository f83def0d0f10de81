"""The layers that machine code is written for, and which channels each of them reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Convolution", "Floats", "Layer", "Linear", "MaxPool", "Mean", "Network", "Piece"]

Floats: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring channels of a map that some layer made."""

    map: str
    first: int
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A convolution of odd, square kernels, padded by half of them, and what is cut off after it.

    Attributes:
        weight: ``(out, in / groups, kernel, kernel)``.
        adds: What is added to its result, channel by channel.
        floor: What smaller values become: 0 is a ReLU, minus infinity nothing.
    """

    made: str
    reads: tuple[Piece, ...]
    weight: Floats
    bias: Floats
    stride: int
    groups: int
    adds: tuple[Piece, ...] = ()
    floor: float = -np.inf

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
    """The maximum of 3x3 pixels, padded by one, at a stride of two."""

    made: str
    reads: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """The mean of all pixels."""

    made: str
    reads: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """The classifier; its weight is ``(out, in)``."""

    made: str
    reads: tuple[Piece, ...]
    weight: Floats
    bias: Floats


Layer: TypeAlias = Convolution | MaxPool | Mean | Linear


@dataclass(frozen=True, slots=True)
class Network:
    """What a file computes: layers in order, from the images to a mean, and a classifier of it."""

    layers: Sequence[Layer]
    classifier: Linear
