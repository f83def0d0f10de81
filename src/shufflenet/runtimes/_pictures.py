"""Images as Python programs hold them: paths, bytes, Pillow's images and arrays."""

import io
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from shufflenet.data import Photo, Sample, load
from shufflenet.errors import ImageError, SpecError
from shufflenet.preprocess import (
    Decoded,
    Pixels,
    decode_as,
    decoded_size,
    image_as,
    pixel_type,
    resize_and_crop,
)
from shufflenet.spec import Preprocess

__all__ = ["Picture", "list_pictures", "load_picture"]

# A path, the bytes of an image file, an image of Pillow, or the pixels of one, (h, w, c), of a
# model's channels and bits.
Picture: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | Image.Image | Pixels
OnSize: TypeAlias = Callable[[int, int], None]  # called with a width and a height, px
_ONE = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image)
_PICTURE = "a path, the bytes of an image file, an image of Pillow or an array of pixels"


def ignore_size(width: int, height: int) -> None:
    """Do nothing."""


def list_pictures(pictures: Picture | Iterable[Picture]) -> list[Picture]:
    """Return pictures as a list; a single one, an array ``(h, w, c)`` too, becomes a list of one.

    Raises:
        SpecError: it is neither a picture nor several.

    >>> list_pictures("cat.jpg")
    ['cat.jpg']
    >>> len(list_pictures(np.zeros((5, 40, 60, 3), np.uint8)))  # a batch
    5
    """
    if isinstance(pictures, np.ndarray):
        return list(pictures) if pictures.ndim == 4 else [pictures]
    if isinstance(pictures, _ONE):
        return [pictures]
    if not isinstance(pictures, Iterable) or isinstance(pictures, io.IOBase | Mapping):
        raise SpecError("images", f"of type {type(pictures).__name__}", f"{_PICTURE}, or several")
    return list(pictures)


def load_picture(
    picture: Picture | Sample | Photo,
    how: Preprocess,
    *,
    most_pixels: int | None = None,
    on_size: OnSize = ignore_size,
) -> Pixels | ImageError:
    """Return a picture resized and cropped, ``(h, w, c)``, or why it cannot be read.

    Args:
        picture: A picture, or a sample or a photo of a data set.
        how: How it is resized and cropped.
        most_pixels: The most that bytes of an image file may hold, if fewer than
            ``PIL.Image.MAX_IMAGE_PIXELS``.
        on_size: Called with the width and the height of the upright image, px, once it is decoded.

    Raises:
        SpecError: it is an array of other channels or bits, or nothing that could be one.
    """
    if isinstance(picture, Photo):
        pixels = picture.load(how)
        on_size(picture.width, picture.height)
        return pixels
    if isinstance(picture, str | os.PathLike | Sample):
        source = picture if isinstance(picture, Sample) else Path(picture)
        return load(source, how, on_size=on_size)
    try:
        if isinstance(picture, bytes | bytearray | memoryview):
            return _resize(decode_as(bytes(picture), how, most_pixels=most_pixels), how, on_size)
        if isinstance(picture, Image.Image):
            return _resize(image_as(picture, how), how, on_size)
    except ImageError as error:
        return error
    if not isinstance(picture, np.ndarray):
        raise SpecError("an image", f"of type {type(picture).__name__}", _PICTURE)
    return _resize(_checked(picture, how), how, on_size)


def _resize(image: Decoded, how: Preprocess, on_size: OnSize) -> Pixels:
    height, width = decoded_size(image)
    on_size(width, height)
    return resize_and_crop(image, how)


def _checked(picture: Pixels, how: Preprocess) -> Decoded:
    """Return an array of the channels and bits of a preprocessing as what is resized.

    Raises:
        SpecError: it is of others, or too large.
    """
    planes = picture[..., None] if picture.ndim == 2 else picture  # one channel
    fits = planes.ndim == 3 and planes.shape[2] == how.in_channels and planes.size
    if planes.dtype != pixel_type(how) or not fits:
        actual = f"{picture.dtype} {picture.shape}"
        expected = f"uint{how.bits} of shape (height, width, {how.in_channels})"
        expected += f", {_ORDERS[how.channels]}"
        raise SpecError("the image", actual, expected)
    limit = Image.MAX_IMAGE_PIXELS  # a view may show far more pixels than are in memory
    if limit is not None and planes.shape[0] * planes.shape[1] > limit:
        raise SpecError("the image", picture.shape[:2], f"of at most {limit:,} pixels")
    if how.channels in ("rgb", "bgr") and how.bits == 8:
        return Image.fromarray(np.ascontiguousarray(planes))
    return planes


_ORDERS = {
    "rgb": "RGB",
    "bgr": "RGB",  # which normalizing reverses
    "gray": "gray",
    "rgba": "RGBA",
    "stored": "in the order of the files that it was trained on",
}
