"""From a file to the network's input: the one preprocessing, in NumPy and Pillow."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from shufflenet.errors import ImageError
from shufflenet.spec import Preprocess

__all__ = ["cropped", "decode", "normalised", "prepare", "resized"]

# What Pillow's decoders raise on damaged files, found by feeding them such files.
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


def decode(source: str | Path | bytes, name: str | None = None) -> Image.Image:
    """Read an image, upright and RGB, as a viewer would show it.

    The first frame of an animation; EXIF orientation applied; grey and palettes widened;
    16 bits a channel scaled to 8; CMYK converted; transparent parts laid over white.

    Args:
        source: A path, or the bytes of an image file.
        name: What errors call the image; the path, if it is not given.

    Raises:
        ImageError: the file is missing, empty, cut short, no image, of a kind that has no
            defined colours, or has more pixels than ``PIL.Image.MAX_IMAGE_PIXELS`` (89 million).
    """
    name = name or ("image" if isinstance(source, bytes) else str(source))
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            _refuse_huge(image, name)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _to_rgb(image, name)
    except Image.DecompressionBombError as error:
        raise ImageError(name, _too_large()) from error
    except _DECODING_ERRORS as error:
        raise ImageError(name, _why(error)) from error


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


def resized(width: int, height: int, shorter_px: int) -> tuple[int, int]:
    """Scale so that the shorter side is ``shorter_px``, the longer one rounded down.

    >>> resized(500, 375, shorter_px=256)
    (341, 256)

    Source: torchvision 0.28, transforms/functional.py, _compute_resized_output_size
    """
    shorter, longer = sorted((width, height))
    scaled = int(shorter_px * longer / shorter)
    return (shorter_px, scaled) if width <= height else (scaled, shorter_px)


def cropped(image: Image.Image, how: Preprocess) -> npt.NDArray[np.uint8]:
    """Resize and keep the centre: RGB values 0..255, ``(crop_px, crop_px, 3)``.

    Only what is kept is resized, so that the thinnest image costs no more than a square one;
    values differ by at most one grey level from resizing the whole image and cropping then,
    which Pillow may do columns first.

    Source of the rounding of the offset: torchvision 0.28, transforms/functional.py, center_crop
    """
    width, height = resized(image.width, image.height, how.resize_px)
    left, top = round((width - how.crop_px) / 2), round((height - how.crop_px) / 2)
    x_scale, y_scale = image.width / width, image.height / height
    box = (
        left * x_scale,
        top * y_scale,
        min((left + how.crop_px) * x_scale, image.width),
        min((top + how.crop_px) * y_scale, image.height),
    )
    return np.asarray(image.resize((how.crop_px, how.crop_px), Image.Resampling.BILINEAR, box=box))


def normalised(pixels: npt.NDArray[np.uint8], how: Preprocess) -> npt.NDArray[np.float32]:
    """Turn RGB values 0..255, ``(..., h, w, 3)``, into network input, ``(..., 3, h, w)``."""
    scale = (1 / (255 * np.array(how.std))).astype(np.float32)
    offset = (np.array(how.mean) / np.array(how.std)).astype(np.float32)
    return np.ascontiguousarray(np.moveaxis(pixels * scale - offset, -1, -3))


def prepare(source: str | Path | bytes, how: Preprocess) -> npt.NDArray[np.float32]:
    """Read an image and make of it one network input, ``(3, crop_px, crop_px)``.

    Raises:
        ImageError: the file cannot be read as an image.
    """
    return normalised(cropped(decode(source), how), how)
