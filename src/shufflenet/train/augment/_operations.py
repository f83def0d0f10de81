"""What random augmentation does to an image, each operation by as much as it is told."""

from collections.abc import Callable

from PIL import Image, ImageEnhance, ImageOps

__all__ = ["OPERATIONS"]


def _moved(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    """Take pixels from ``(a x + b y + c, d x + e y + f)``; what lies outside is black."""
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)


def _enhanced(
    kind: Callable[[Image.Image], ImageEnhance._Enhance],
) -> Callable[[Image.Image, float], Image.Image]:
    return lambda image, more: kind(image).enhance(1 + more)


# Each takes how much, below 0 for the other way: pixels a row or a column, pixels, degrees, what
# is added to a factor of 1; bits lost and grey levels from the brightest on, which know one way.
OPERATIONS: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "identity": lambda image, _: image,
    "shear_x": lambda image, slope: _moved(image, (1, slope, 0, 0, 1, 0)),
    "shear_y": lambda image, slope: _moved(image, (1, 0, 0, slope, 1, 0)),
    "translate_x": lambda image, px: _moved(image, (1, 0, int(px), 0, 1, 0)),
    "translate_y": lambda image, px: _moved(image, (1, 0, 0, 0, 1, int(px))),
    "rotate": lambda image, degrees: image.rotate(degrees),
    "brightness": _enhanced(ImageEnhance.Brightness),
    "colour": _enhanced(ImageEnhance.Color),
    "contrast": _enhanced(ImageEnhance.Contrast),
    "sharpness": _enhanced(ImageEnhance.Sharpness),
    "posterize": lambda image, bits: ImageOps.posterize(image, 8 - round(abs(bits))),
    "solarize": lambda image, levels: ImageOps.solarize(image, 256 - round(abs(levels))),
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
}
