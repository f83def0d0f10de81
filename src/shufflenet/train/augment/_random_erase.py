"""Random erasing: a box of an image filled with one color."""

import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["random_erase"]

Value = TypeVar("Value", np.uint8, np.float32)

_AREA, _ASPECT_RATIOS = (0.02, 1 / 3), (0.3, 3.3)


def random_erase(
    pixels: npt.NDArray[Value], probability: float, rng: np.random.Generator
) -> npt.NDArray[Value]:
    """Fill a random box of an image with its mean color, with a given probability.

    The box covers between 1/50 and 1/3 of the image. If ten tries find none that fits, the image
    stays as it is.

    Args:
        pixels: Values of any range, ``(h, w, channels)``; not changed.
        probability: Of a box, 0 to 1.
        rng: Draws whether there is a box, and where.

    Source: Zhong et al. 2017, section 3.2, https://arxiv.org/abs/1708.04896
    """
    if rng.random() >= probability:
        return pixels
    height, width = pixels.shape[:2]
    low, high = map(math.log, _ASPECT_RATIOS)
    for _ in range(10):
        area = height * width * rng.uniform(*_AREA)
        ratio = math.exp(rng.uniform(low, high))
        h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < h < height and 0 < w < width:
            y, x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
            pixels = pixels.copy()
            pixels[y : y + h, x : x + w] = pixels.mean(axis=(0, 1)).round()
            return pixels
    return pixels
