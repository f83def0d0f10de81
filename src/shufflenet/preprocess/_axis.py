"""One side of an image while it is resized and cropped."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Axis"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One side of an image: its length, its length after resizing, and the part that is kept."""

    source_px: int
    resized_px: int
    first: int
    kept_px: int

    @property
    def kept(self) -> npt.NDArray[np.int64]:
        """The positions after resizing that are kept, ``(kept_px,)``."""
        return np.arange(self.first, self.first + self.kept_px)
