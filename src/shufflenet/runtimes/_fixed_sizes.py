"""Files that compute so many images at once and no more, or images of one size."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet.errors import SpecError
from shufflenet.preprocess import Pixels

__all__ = ["FixedSizes"]

_Images: TypeAlias = npt.NDArray[np.float32] | Pixels


@dataclass(frozen=True, slots=True)
class FixedSizes:
    """The sizes of a file's input; None for those that may vary.

    Attributes:
        batch: The number of images.
        height: Their height, px.
        width: Their width, px.
    """

    batch: int | None = None
    height: int | None = None
    width: int | None = None

    @classmethod
    def of(cls, shape: Sequence[object]) -> "FixedSizes":
        """Return those of a shape ``(n, c, h, w)``; what is no number may vary."""
        if len(shape) != 4:
            return cls()
        batch, _, *size = (each if isinstance(each, int) and each > 0 else None for each in shape)
        return cls(batch, *size)

    def check(self, size: Sequence[int], *, what: str = "file") -> None:
        """Check the height and the width of images.

        Args:
            size: Both.
            what: What takes them: "file" or "model".

        Raises:
            SpecError: it takes images of another size.
        """
        height, width = self.height or size[0], self.width or size[1]
        if (height, width) != tuple(size):
            expected = f"{width}x{height} px, the only size that the {what} takes"
            raise SpecError("the size of images", f"{size[1]}x{size[0]} px", expected)

    def compute(
        self, compute: Callable[[_Images], npt.NDArray[np.float32]], images: _Images
    ) -> npt.NDArray[np.float32]:
        """Compute images ``(n, c, h, w)``, as many at once as the file takes; n is at least 1."""
        if self.batch is None:
            return compute(images)
        missing = -len(images) % self.batch  # to fill the last batch
        if missing:
            zeros = np.zeros((missing, *images.shape[1:]), images.dtype)
            images = np.concatenate((images, zeros))
        starts = range(0, len(images), self.batch)
        rows = np.concatenate([compute(images[at : at + self.batch]) for at in starts])
        return rows[: len(rows) - missing]
