"""The operations of random augmentation, each with an amount."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageOps

__all__ = ["OPERATIONS", "apply_operation"]

_MOVING = ("identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate")


def _affine(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    """Read pixel ``(x, y)`` from ``(a x + b y + c, d x + e y + f)``; outside the image is black."""
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)


def _enhance(
    kind: Callable[[Image.Image], ImageEnhance._Enhance],
) -> Callable[[Image.Image, float], Image.Image]:
    return lambda image, amount: kind(image).enhance(1 + amount)


# Each takes an amount: of shear_*, pixels per row or column; of translate_*, pixels; of rotate,
# degrees; from brightness to sharpness, what is added to a factor of 1; of posterize, bits removed;
# of solarize, the number of gray levels inverted, from the brightest on. Below 0 it is the other
# direction, except for the last two.
OPERATIONS: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "identity": lambda image, _: image,
    "shear_x": lambda image, slope: _affine(image, (1, slope, 0, 0, 1, 0)),
    "shear_y": lambda image, slope: _affine(image, (1, 0, 0, slope, 1, 0)),
    "translate_x": lambda image, px: _affine(image, (1, 0, int(px), 0, 1, 0)),
    "translate_y": lambda image, px: _affine(image, (1, 0, 0, 0, 1, int(px))),
    "rotate": lambda image, degrees: image.rotate(degrees),
    "brightness": _enhance(ImageEnhance.Brightness),
    "color": _enhance(ImageEnhance.Color),
    "contrast": _enhance(ImageEnhance.Contrast),
    "sharpness": _enhance(ImageEnhance.Sharpness),
    "posterize": lambda image, bits: ImageOps.posterize(image, 8 - round(abs(bits))),
    "solarize": lambda image, levels: ImageOps.solarize(image, 256 - round(abs(levels))),
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
}


def apply_operation(
    name: str, pixels: npt.NDArray[np.uint8], amount: float
) -> npt.NDArray[np.uint8]:
    """Apply an operation to an image of any number of channels.

    Three channels are RGB. One or two are gray images by themselves, whose color does not change.
    Of more, the first three are RGB, and the others, such as opacity, take part in what moves
    pixels and in nothing else.

    Args:
        name: Of an operation in ``OPERATIONS``.
        pixels: Values 0..255, ``(h, w, channels)``; not changed.
        amount: See ``OPERATIONS``.

    Returns:
        The same shape.
    """
    operation, channels = OPERATIONS[name], pixels.shape[2]
    if channels == 3:
        return np.asarray(operation(Image.fromarray(pixels), amount))
    if channels > 3:
        colors, others = pixels[..., :3], pixels[..., 3:]
        if name in _MOVING:
            others = _by_channel(operation, others, amount)
        colors = np.asarray(operation(Image.fromarray(np.ascontiguousarray(colors)), amount))
        return np.concatenate([colors, others], axis=2)
    return _by_channel(operation, pixels, amount)


def _by_channel(
    operation: Callable[[Image.Image, float], Image.Image],
    pixels: npt.NDArray[np.uint8],
    amount: float,
) -> npt.NDArray[np.uint8]:
    """Apply an operation to each of the channels of ``(h, w, channels)`` as a gray image."""
    planes = (Image.fromarray(np.ascontiguousarray(each)) for each in np.moveaxis(pixels, 2, 0))
    return np.stack([np.asarray(operation(each, amount)) for each in planes], axis=2)
