"""Reading a file as an upright RGB image."""

import contextlib
from pathlib import Path
from typing import Final

import numpy as np
from PIL import ExifTags, Image

from shufflenet.errors import ImageError
from shufflenet.preprocess._one_image import one_image, open_image, refuse_huge

__all__ = ["decode", "is_upright", "to_rgb"]

# EXIF 2.3, table 4, tag 0x0112: how an image is turned to stand upright; 1 is upright.
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(
    source: str | Path | bytes, name: str | None = None, *, exif: bool = True, shrink: int = 1
) -> Image.Image:
    """Read an image as RGB, as a viewer would show it.

    Of an animation, the first frame is read. Gray and palette images are converted to RGB, 16 bits
    a channel are scaled to 8, CMYK is converted, and transparent parts are blended with white.

    Args:
        source: A path, or the bytes of an image file.
        name: The image's name in errors; by default the path.
        exif: Whether the image is rotated upright by its EXIF tag, see ``Preprocess.exif``.
            ``cv2.imdecode(bytes, cv2.IMREAD_COLOR)`` does so, and with it PaddleClas and
            mmpretrain; ``PIL.Image.open`` does not, nor do torchvision and Megvii.
        shrink: With 2, 4 or 8 a JPEG is decoded that many times smaller, which costs a fraction
            of the time; other formats are decoded in full.

    Raises:
        ImageError: the file is missing, empty, truncated, not an image, of a format that is not
            read or a pixel format without defined colors, has more pixels than
            ``PIL.Image.MAX_IMAGE_PIXELS`` (89 million) or a side of more than 65,535, or decoding
            it fails in any other way.
    """
    name = name or ("image" if isinstance(source, bytes) else str(source))
    with open_image(source, name) as image:
        if shrink > 1:
            image.draft(None, (image.width // shrink, image.height // shrink))
        return _upright_rgb(image, name, exif=exif)


def to_rgb(image: Image.Image, name: str = "image", *, exif: bool = True) -> Image.Image:
    """Return an image as RGB, as ``decode`` does a file; the given one is left as it is.

    Args:
        image: An image of Pillow, of any mode that ``decode`` reads.
        name: The image's name in errors.
        exif: Whether it is rotated upright by its EXIF tag, see ``decode``.

    Raises:
        ImageError: its file is truncated, its pixel format has no defined colors, or it has no
            pixels or more than ``PIL.Image.MAX_IMAGE_PIXELS``.
    """
    refuse_huge(image, name)
    with one_image(name):
        image.load()
        copy = image.copy()
        copy.format = image.format  # copy() drops it, and it identifies 16 bits
        return _upright_rgb(copy, name, exif=exif)


def _upright_rgb(image: Image.Image, name: str, *, exif: bool) -> Image.Image:
    image.load()
    turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1)) if exif else None
    if turn is not None:
        turned = image.transpose(turn)
        turned.format = image.format  # likewise
        image = turned
    return _to_rgb(image, name)


def is_upright(source: bytes) -> bool:
    """Return whether EXIF leaves an image as it is stored; false if it cannot be read."""
    with contextlib.suppress(ImageError), open_image(source, "image") as image:
        return image.getexif().get(ExifTags.Base.Orientation) not in _TURNS
    return False


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "F":
        raise ImageError(name, "its pixels are floating-point numbers of unknown range")
    if image.mode.startswith("I"):
        if image.mode == "I" and image.format not in ("PNG", "PPM"):  # these two hold 16 bits
            raise ImageError(name, "its pixels are 32-bit numbers of unknown range")
        values = (np.asarray(image) >> 8).astype(np.uint8)  # 0..65535 to 0..255
        return Image.fromarray(values).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")
