"""An image of a set, and what decoding it for a network showed of it besides."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from shufflenet.data._sets import Sample, load
from shufflenet.errors import ImageError
from shufflenet.preprocess import Pixels
from shufflenet.spec import Preprocess

__all__ = ["Photo"]

_SMALL = 8  # pixels of a side of what two photos are compared by


@dataclass(slots=True)
class Photo:
    """An image of a set; loading it fills in the other fields, so that it is decoded once.

    Attributes:
        sample: The image and its label.
        measured: Whether its brightness and its small pixels are computed.
        width: Of the upright image, px; 0 if it was not read.
        height: The same.
        brightness: The mean of the cropped pixels over positions and channels, 0 to 255.
        small: The cropped pixels averaged to ``(8, 8, channels)``, 0 to 255.
    """

    sample: Sample
    measured: bool = True
    width: int = 0
    height: int = 0
    brightness: float = 0.0
    small: npt.NDArray[np.uint8] = field(
        default_factory=lambda: np.zeros((_SMALL, _SMALL, 3), "u1")
    )

    def load(self, how: Preprocess) -> Pixels | ImageError:
        """Return the cropped pixels ``(h, w, c)``, or why the image cannot be read."""
        pixels = load(self.sample, how, on_size=self._set_size)
        if self.measured and not isinstance(pixels, ImageError):
            scale = 255 / np.iinfo(pixels.dtype).max
            self.small = (shrink(pixels, _SMALL) * scale).round().astype(np.uint8)
            self.brightness = float(pixels.mean()) * scale
        return pixels

    def _set_size(self, width: int, height: int) -> None:
        self.width, self.height = width, height


def shrink(pixels: Pixels, side: int) -> npt.NDArray[np.float64]:
    """Return means of an image ``(h, w, c)`` over ``side`` x ``side`` blocks, ``(side, side, c)``.

    Block ``i`` of ``n`` pixels is those from ``floor(i n / side)`` to before ``floor((i + 1) n /
    side)``, and at least one.

    >>> shrink(np.arange(6, dtype=np.uint8).reshape(2, 3, 1), 2)[:, :, 0].tolist()
    [[0.0, 1.5], [3.0, 4.5]]
    """
    result: npt.NDArray[np.float64] = pixels.astype(np.uint32)
    for axis in (0, 1):
        count = pixels.shape[axis]
        starts = np.arange(side) * count // side
        sizes = np.maximum(np.diff(starts, append=count), 1)
        shape = (side, 1, 1) if axis == 0 else (1, side, 1)
        result = np.add.reduceat(result, starts, axis=axis) / sizes.reshape(shape)
    return result
