"""Reading a file as an upright RGB image."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from shufflenet.errors import ImageError

__all__ = ["decode", "is_upright", "to_rgb"]

# What Pillow's decoders raise on damaged files, found by decoding such files.
_DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


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
        ImageError: the file is missing, empty, truncated, not an image, of a pixel format
            without defined colors, or has more pixels than ``PIL.Image.MAX_IMAGE_PIXELS``
            (89 million).
    """
    name = name or ("image" if isinstance(source, bytes) else str(source))
    if not isinstance(source, bytes) and Path(source).is_fifo():
        raise ImageError(name, "it is a pipe, which might never end")
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            _refuse_huge(image, name)
            if shrink > 1:
                image.draft(None, (image.width // shrink, image.height // shrink))
            return _upright_rgb(image, name, exif=exif)
    except Image.DecompressionBombError as error:
        raise ImageError(name, _too_large()) from error
    except _DECODING_ERRORS as error:
        raise ImageError(name, _why(error)) from error


def to_rgb(image: Image.Image, name: str = "image", *, exif: bool = True) -> Image.Image:
    """Return an image as RGB, as ``decode`` does a file; the given one is left as it is.

    Args:
        image: An image of Pillow, of any mode that ``decode`` reads.
        name: The image's name in errors.
        exif: Whether it is rotated upright by its EXIF tag, see ``decode``.

    Raises:
        ImageError: its file is truncated, its pixel format has no defined colors, or it has more
            pixels than ``PIL.Image.MAX_IMAGE_PIXELS``.
    """
    _refuse_huge(image, name)
    try:
        image.load()
        copy = image.copy()
        copy.format = image.format  # copy() drops it, and it identifies 16 bits
        return _upright_rgb(copy, name, exif=exif)
    except _DECODING_ERRORS as error:
        raise ImageError(name, _why(error)) from error


def _upright_rgb(image: Image.Image, name: str, *, exif: bool) -> Image.Image:
    image.load()
    if exif:
        ImageOps.exif_transpose(image, in_place=True)
    return _to_rgb(image, name)


def is_upright(source: bytes) -> bool:
    """Return whether EXIF leaves an image as it is stored; false if it cannot be read."""
    try:
        with Image.open(io.BytesIO(source)) as image:
            rotated = range(2, 9)  # EXIF 2.3, table 4, tag 0x0112: 1 is upright, 2 to 8 are not
            return image.getexif().get(ExifTags.Base.Orientation) not in rotated
    except _DECODING_ERRORS:
        return False


def _refuse_huge(image: Image.Image, name: str) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise ImageError(name, _too_large())


def _too_large() -> str:
    millions = (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
    return f"it has more than {millions} million pixels; scale it down first"


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a folder without images"
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, UnidentifiedImageError):
        return "it is empty or not an image"
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "F":
        raise ImageError(name, "its pixels are floating-point numbers of unknown range")
    if image.mode.startswith("I"):
        if image.mode == "I" and image.format not in ("PNG", "PPM"):  # these two hold 16 bits
            raise ImageError(name, "its pixels are 32-bit numbers of unknown range")
        values = np.asarray(image).astype(np.int64) >> 8  # 0..65535 to 0..255
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")
