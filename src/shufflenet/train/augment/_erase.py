"""A part of an image made unrecognisable."""

import math

import numpy as np
import numpy.typing as npt

__all__ = ["erased"]

_AREA, _ASPECT_RATIOS = (0.02, 1 / 3), (0.3, 3.3)


def erased(
    pixels: npt.NDArray[np.uint8], probability: float, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Paint a random box in the image's mean colour, with that probability.

    The box covers between a fiftieth and a third of the image; ten tries are made to fit it in.

    Args:
        pixels: RGB values 0..255, ``(h, w, 3)``; left as they are.
        probability: That a box is painted, 0 to 1.
        rng: Decides whether and where.

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
