"""Random parts of images."""

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Crop", "random_crop"]

_ASPECT_RATIOS = (3 / 4, 4 / 3)  # Szegedy et al. 2015, section 6, https://arxiv.org/abs/1409.4842


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of an image in pixels, without column ``right`` and row ``bottom``."""

    left: int
    top: int
    right: int
    bottom: int
    mirrored: bool

    @property
    def shorter_px(self) -> int:
        """Length of the shorter side."""
        return min(self.right - self.left, self.bottom - self.top)


def random_crop(width: int, height: int, smallest_area: float, rng: np.random.Generator) -> Crop:
    """Draw a random part of an image, mirrored half of the time.

    The part covers between ``smallest_area`` and all of the image's area; its aspect ratio is
    between 3:4 and 4:3. If ten tries find no part that fits, it is the largest centered square.

    Args:
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        smallest_area: Smallest share of the image, 0 to 1.
        rng: Draws the part and whether it is mirrored.
    """
    box = _random_box(width, height, smallest_area, rng)
    return Crop(*box, mirrored=bool(rng.random() < 0.5))


def _random_box(
    width: int, height: int, smallest_area: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    low, high = map(math.log, _ASPECT_RATIOS)
    for _ in range(10):
        area = width * height * rng.uniform(smallest_area, 1)
        ratio = math.exp(rng.uniform(low, high))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return x, y, x + w, y + h
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side
