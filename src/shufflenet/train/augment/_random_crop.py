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
    def width(self) -> int:
        """The width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """The height in pixels."""
        return self.bottom - self.top


def random_crop(
    width: int,
    height: int,
    smallest_area: float,
    rng: np.random.Generator,
    like: tuple[int, int] = (1, 1),
) -> Crop:
    """Draw a random part of an image, mirrored half of the time.

    The part covers between ``smallest_area`` and all of the image's area; its width by its height
    is between 3/4 and 4/3 of that of ``like``. If ten tries find no part that fits, it is the
    largest centered one that is shaped like ``like``.

    Args:
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        smallest_area: Smallest share of the image, 0 to 1.
        rng: Draws the part and whether it is mirrored.
        like: Width and height of what the part is shaped like; by default a square.
    """
    box = _random_box(width, height, smallest_area, rng, like)
    return Crop(*box, mirrored=bool(rng.random() < 0.5))


def _random_box(
    width: int,
    height: int,
    smallest_area: float,
    rng: np.random.Generator,
    like: tuple[int, int],
) -> tuple[int, int, int, int]:
    low, high = map(math.log, _ASPECT_RATIOS)
    usual = like[0] / like[1]
    for _ in range(10):
        area = width * height * rng.uniform(smallest_area, 1)
        ratio = usual * math.exp(rng.uniform(low, high))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return x, y, x + w, y + h
    w, h = _largest_inside(width, height, like)
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def _largest_inside(width: int, height: int, like: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of the largest part of an image that is shaped like ``like``.

    >>> _largest_inside(40, 30, (1, 1)), _largest_inside(40, 30, (3, 1))
    ((30, 30), (40, 13))
    """
    if width * like[1] < height * like[0]:
        return width, max(1, round(width * like[1] / like[0]))
    return max(1, round(height * like[0] / like[1])), height
