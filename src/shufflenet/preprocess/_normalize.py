"""Pixel values to network input values."""

import numpy as np
import numpy.typing as npt

from shufflenet.preprocess._mean_image import mean_image
from shufflenet.preprocess._pixels import Pixels
from shufflenet.spec import Preprocess

__all__ = ["affine", "normalize", "scales_bytes"]


def affine(how: Preprocess) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the normalization as ``(scale, offset)``, two float64 arrays of shape ``(c,)``.

    For pixel values 0..``max_value``, input channel ``i`` is
    ``(value - mean_image) * scale[i] + offset[i]``, where the mean image is what
    :func:`mean_image` returns, or 0. Both arrays are in the order of the network's channels, so
    for ``how.channels == "bgr"`` blue comes first.

    >>> scale, offset = affine(Preprocess(resize_px=256, crop_px=224))
    >>> (255 * scale + offset).round(3)  # white
    array([2.249, 2.429, 2.64 ])
    """
    std = np.array(how.std)
    return how.value_range / (how.max_value * std), -np.array(how.mean) / std


def scales_bytes(how: Preprocess, channels: int) -> bool:
    """Return whether a network of some channels is given bytes, scaled and shifted by channel.

    >>> scales_bytes(Preprocess(resize_px=256, crop_px=224), 3)
    True
    >>> scales_bytes(Preprocess(resize_px=256, crop_px=224, bits=16), 3)
    False
    """
    return how.bits == 8 and not how.mean_image and how.in_channels == channels


def normalize(pixels: Pixels, how: Preprocess) -> npt.NDArray[np.float32]:
    """Convert pixels 0..``max_value``, ``(..., h, w, c)``, to network input, ``(..., c, h, w)``.

    Channels come in the order of ``how.channels``, and values become
    ``((value - mean_image) * value_range / max_value - mean) / std``, computed in float32 with the
    values of :func:`affine`: where mean is 0 and scale is 1, nothing is rounded.
    """
    step = -1 if how.channels == "bgr" else 1
    planes = np.moveaxis(pixels[..., ::step], -1, -3)  # NumPy's inner loop runs over a row, not c
    scale, offset = (each.astype(np.float32)[:, None, None] for each in affine(how))
    image = mean_image(how)
    if image is None:
        values = np.multiply(planes, scale, order="C")
    else:
        values = np.subtract(planes, image, order="C")
        values *= scale
    values += offset
    return values
