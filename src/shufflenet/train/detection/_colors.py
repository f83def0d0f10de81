"""Random brightness, contrast and saturation."""

import numpy as np

from shufflenet.preprocess import Pixels

__all__ = ["jitter_colors"]

_GRAY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, section 2.5.1


def jitter_colors(
    pixels: Pixels, strength: float, rng: np.random.Generator, most: int = 255
) -> Pixels:
    """Multiply brightness, contrast and saturation by factors between ``1 -+ strength``.

    Contrast is the distance from the mean of all values, saturation that from a pixel's gray level.
    Only images of three channels have a saturation.

    Args:
        pixels: ``(h, w, channels)``; red, green and blue, if there are three.
        strength: From 0 to 1.
        rng: Draws the factors.
        most: The largest value, 255 or 65,535.
    """
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3).astype(np.float32)
    values = pixels.astype(np.float32) * brightness
    mean = values.mean(dtype=np.float64).astype(np.float32)
    values = (values - mean) * contrast + mean
    if pixels.shape[2] == len(_GRAY):
        gray = (values * _GRAY).sum(axis=2, keepdims=True)
        values = (values - gray) * saturation + gray
    result: Pixels = values.clip(0, most).astype(pixels.dtype)
    return result
