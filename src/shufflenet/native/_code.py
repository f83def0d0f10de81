"""Machine code of a network, with all that is needed to run it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from shufflenet.errors import SpecError

__all__ = ["NativeCode", "Sizes"]

_MOST = 1 << 40  # far above the memory of any arena


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What is needed of a module to run it, beside its code and its constants.

    Attributes:
        shape: Channels, height and width of images, px.
        arena_bytes: Bytes of an arena, which must begin at a cache line.
        dtype: The type of the elements of features.
        features_at: The byte of the arena at which features begin.
        features_pitch: Elements of one image's features, padded.
        classes: The number of classes.
        logits_pitch: float32 values of one image's logits, padded.
        takes_pixels: Whether there is ``features_of_pixels``.
        images: The most images whose logits are computed in one call.
        threads: How many threads may compute one image together.
    """

    shape: tuple[int, int, int]
    arena_bytes: int
    dtype: Literal["uint8", "float32"]
    features_at: int
    features_pitch: int
    classes: int
    logits_pitch: int
    takes_pixels: bool
    images: int
    threads: int = 1

    def __post_init__(self) -> None:
        numbers = (*self.shape, self.arena_bytes, self.features_pitch, self.classes, self.images)
        end = self.features_at + self.features_pitch * np.dtype(self.dtype).itemsize
        fits = 0 <= self.features_at < end <= self.arena_bytes and self.classes <= self.logits_pitch
        if not fits or not all(
            0 < number < _MOST for number in (*numbers, self.logits_pitch, self.threads)
        ):
            raise SpecError("the sizes of machine code", self, "positive, and fit each other")


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeCode:
    """Machine code of a network for images of one shape.

    Attributes:
        triple: LLVM's name of the architecture and system that it is for.
        functions: A relocatable object file, with the functions of ``codegen.Module``.
        constants: Weights and epilogues, ``(bytes,)``.
        tables: Offsets, int32 ``(n,)``.
        sizes: What else is needed to run it.
    """

    triple: str
    functions: bytes
    constants: npt.NDArray[np.uint8]
    tables: npt.NDArray[np.int32]
    sizes: Sizes
