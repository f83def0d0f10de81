"""Pixel values to network input values."""

import numpy as np
import numpy.typing as npt

from shufflenet.preprocess._mean_image import mean_image
from shufflenet.spec import Preprocess

__all__ = ["affine", "normalize"]


def affine(how: Preprocess) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the normalization as ``(scale, offset)``, two float64 arrays of shape ``(3,)``.

    For pixel values 0..255, input channel ``i`` is
    ``(value - mean_image) * scale[i] + offset[i]``, where the mean image is what
    :func:`mean_image` returns, or 0. Both arrays are in the order of the network's channels, so
    for ``how.channels == "bgr"`` blue comes first.

    >>> scale, offset = affine(Preprocess(resize_px=256, crop_px=224))
    >>> (255 * scale + offset).round(3)  # white
    array([2.249, 2.429, 2.64 ])
    """
    std = np.array(how.std)
    return how.value_range / (255 * std), -np.array(how.mean) / std


def normalize(pixels: npt.NDArray[np.uint8], how: Preprocess) -> npt.NDArray[np.float32]:
    """Convert RGB pixels 0..255, ``(..., h, w, 3)``, to network input, ``(..., 3, h, w)``.

    Channels come in the order of ``how.channels``, and values become
    ``((value - mean_image) * value_range / 255 - mean) / std``, computed in float32 with the
    values of :func:`affine`: where mean is 0 and scale is 1, nothing is rounded.
    """
    step = 1 if how.channels == "rgb" else -1
    planes = np.moveaxis(pixels[..., ::step], -1, -3)  # NumPy's inner loop runs over a row, not 3
    scale, offset = (each.astype(np.float32)[:, None, None] for each in affine(how))
    image = mean_image(how)
    if image is None:
        values = np.multiply(planes, scale, order="C")
    else:
        values = np.subtract(planes, image, order="C")
        values *= scale
    values += offset
    return values
