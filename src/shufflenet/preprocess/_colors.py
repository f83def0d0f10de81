"""Images of Pillow as RGB of 8 bits."""

import numpy as np
from PIL import Image

from shufflenet.errors import ImageError

__all__ = ["check_range", "to_plain_rgb"]


def to_plain_rgb(image: Image.Image, name: str) -> Image.Image:
    """Convert a decoded image to RGB; see ``decode``.

    Raises:
        ImageError: its pixel format has no defined colors.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    check_range(image, name)
    if image.mode.startswith("I"):
        values = (np.asarray(image) >> 8).astype(np.uint8)  # 0..65535 to 0..255
        return Image.fromarray(values).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def check_range(image: Image.Image, name: str) -> None:
    """Check that it is known which value of a pixel is white.

    Raises:
        ImageError: it is not.
    """
    if image.mode == "F":
        raise ImageError(name, "its pixels are floating-point numbers of unknown range")
    if image.mode == "I" and image.format not in ("PNG", "PPM"):  # these two hold 16 bits
        raise ImageError(name, "its pixels are 32-bit numbers of unknown range")
