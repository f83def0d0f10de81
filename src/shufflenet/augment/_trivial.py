"""TrivialAugment: one operation an image, of any strength."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageOps

__all__ = ["OPERATIONS", "trivially_changed"]

_STRENGTHS = 31  # steps from nothing to the most


def trivially_changed(
    pixels: npt.NDArray[np.uint8], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Do one operation, drawn evenly, at a strength drawn evenly: the paper's "wide" space.

    Args:
        pixels: RGB values 0..255, ``(h, w, 3)``; left as they are.
        rng: Decides which, how strongly, and in which direction.

    Source: Mueller and Hutter 2021, Table 1, https://arxiv.org/abs/2103.10158
    """
    names = list(OPERATIONS)
    operation = OPERATIONS[names[rng.integers(len(names))]]
    strength = rng.integers(_STRENGTHS) / (_STRENGTHS - 1)
    signed = float(strength * rng.choice((-1, 1)))
    return np.asarray(operation(Image.fromarray(pixels), signed))


def _moved(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    """Take pixels from ``(a x + b y + c, d x + e y + f)``; what lies outside is black."""
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)


def _enhanced(
    kind: Callable[[Image.Image], ImageEnhance._Enhance],
) -> Callable[[Image.Image, float], Image.Image]:
    return lambda image, strength: kind(image).enhance(1 + 0.99 * strength)


# Each takes a strength from -1 to 1, of which those that know no direction take the size.
OPERATIONS: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "identity": lambda image, strength: image,
    "shear_x": lambda image, strength: _moved(image, (1, 0.99 * strength, 0, 0, 1, 0)),
    "shear_y": lambda image, strength: _moved(image, (1, 0, 0, 0.99 * strength, 1, 0)),
    "translate_x": lambda image, strength: _moved(image, (1, 0, int(32 * strength), 0, 1, 0)),
    "translate_y": lambda image, strength: _moved(image, (1, 0, 0, 0, 1, int(32 * strength))),
    "rotate": lambda image, strength: image.rotate(135 * strength),
    "brightness": _enhanced(ImageEnhance.Brightness),
    "colour": _enhanced(ImageEnhance.Color),
    "contrast": _enhanced(ImageEnhance.Contrast),
    "sharpness": _enhanced(ImageEnhance.Sharpness),
    "posterize": lambda image, strength: ImageOps.posterize(image, 8 - round(6 * abs(strength))),
    "solarize": lambda image, strength: ImageOps.solarize(image, round(256 * (1 - abs(strength)))),
    "autocontrast": lambda image, strength: ImageOps.autocontrast(image),
    "equalize": lambda image, strength: ImageOps.equalize(image),
}
