"""The arrays that images are."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from shufflenet.spec import Preprocess

__all__ = ["Decoded", "Pixels", "draw_noise", "mean_color", "pixel_type"]

# Pixels ``(h, w, c)`` or ``(n, h, w, c)`` of the channels and bits of a ``Preprocess``: uint8 for 8
# bits, uint16 for 16. Colors are in the order red, green, blue, for ``bgr`` too.
Pixels: TypeAlias = npt.NDArray[np.uint8 | np.uint16]

# A decoded image of any size: RGB of 8 bits as one of Pillow's, which resizes it without a copy,
# and others as an array, ``(h, w, c)``.
Decoded: TypeAlias = Image.Image | Pixels


def mean_color(how: Preprocess) -> Pixels:
    """Return the pixel that is nearest to the mean color, ``(c,)``.

    >>> mean_color(Preprocess(resize_px=8, crop_px=8, fit="pad"))  # 0.485, 0.456, 0.406
    array([124, 116, 104], dtype=uint8)
    """
    values = np.array(how.mean) * (how.max_value / how.value_range)
    values = values[::-1] if how.channels == "bgr" else values
    return values.round().clip(0, how.max_value).astype(pixel_type(how))


def draw_noise(rng: np.random.Generator, how: Preprocess, count: int) -> Pixels:
    """Draw the pixels of some images, ``(count, h, w, c)``, each value by itself."""
    shape = (count, *how.size_px, how.in_channels)
    return rng.integers(0, how.max_value, shape, pixel_type(how), endpoint=True)


def pixel_type(how: Preprocess) -> type[np.uint8 | np.uint16]:
    """Return the type of a value of a pixel."""
    return np.uint8 if how.bits == 8 else np.uint16
