"""Images as Python programs hold them: paths, bytes, Pillow's images and arrays."""

import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from shufflenet.data import Sample, load
from shufflenet.errors import ImageError, SpecError
from shufflenet.preprocess import decode, resize_and_crop, to_rgb
from shufflenet.spec import Preprocess

__all__ = ["Picture", "list_pictures", "load_picture"]

# A path, the bytes of an image file, an image of Pillow, or RGB values 0 to 255, uint8 (h, w, 3).
Picture: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | Image.Image | npt.NDArray[np.uint8]
)
_ONE = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image)
_PICTURE = "a path, the bytes of an image file, an image of Pillow or an RGB array"


def list_pictures(pictures: Picture | Iterable[Picture]) -> list[Picture]:
    """Return pictures as a list; a single one, an array ``(h, w, 3)`` too, becomes a list of one.

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


def load_picture(picture: Picture | Sample, how: Preprocess) -> npt.NDArray[np.uint8] | ImageError:
    """Return a picture resized and cropped, ``(crop_px, crop_px, 3)``, or why it cannot be read.

    Raises:
        SpecError: it is an array that holds no RGB image, or nothing that could be one.
    """
    if isinstance(picture, str | os.PathLike | Sample):
        return load(picture if isinstance(picture, Sample) else Path(picture), how)
    try:
        if isinstance(picture, bytes | bytearray | memoryview):
            return resize_and_crop(decode(bytes(picture), exif=how.exif), how)
        if isinstance(picture, Image.Image):
            return resize_and_crop(to_rgb(picture, exif=how.exif), how)
    except ImageError as error:
        return error
    if not isinstance(picture, np.ndarray):
        raise SpecError("an image", f"of type {type(picture).__name__}", _PICTURE)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        actual = f"{picture.dtype} {picture.shape}"
        raise SpecError("the image", actual, "uint8 of shape (height, width, 3), RGB")
    limit = Image.MAX_IMAGE_PIXELS  # a view may show far more pixels than are in memory
    if limit is not None and picture.shape[0] * picture.shape[1] > limit:
        raise SpecError("the image", picture.shape[:2], f"of at most {limit:,} pixels")
    return resize_and_crop(Image.fromarray(np.ascontiguousarray(picture)), how)
