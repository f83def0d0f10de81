"""Random transforms for training; whoever calls owns the randomness."""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["random_crop_and_flip"]

_ASPECT_RATIOS = (3 / 4, 4 / 3)  # Szegedy et al. 2015, section 6, https://arxiv.org/abs/1409.4842


def random_crop_and_flip(
    image: Image.Image, size_px: int, smallest_area: float, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Cut out a random part, resize it to a square, and mirror it half of the time.

    The part covers between ``smallest_area`` and all of the image's area, its aspect ratio lies
    between 3:4 and 4:3; where ten tries find no part that fits, the largest centred square is
    taken.

    Returns:
        RGB values 0..255, ``(size_px, size_px, 3)``.
    """
    box = _random_box(image.width, image.height, smallest_area, rng)
    part = image.resize((size_px, size_px), Image.Resampling.BILINEAR, box=box)
    if rng.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(part)


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
