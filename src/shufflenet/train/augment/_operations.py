"""The operations of random augmentation, each with an amount."""

from collections.abc import Callable

from PIL import Image, ImageEnhance, ImageOps

__all__ = ["OPERATIONS"]


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
