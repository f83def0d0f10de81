"""Images as Python programs hold them: paths, bytes, Pillow's images and arrays."""

from collections.abc import Iterable
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
Picture: TypeAlias = str | Path | bytes | Image.Image | npt.NDArray[np.uint8]


def list_pictures(pictures: Picture | Iterable[Picture]) -> list[Picture]:
    """Return pictures as a list; a single one, an array ``(h, w, 3)`` too, becomes a list of one.

    >>> list_pictures("cat.jpg")
    ['cat.jpg']
    >>> len(list_pictures(np.zeros((5, 40, 60, 3), np.uint8)))  # a batch
    5
    """
    if isinstance(pictures, np.ndarray):
        return list(pictures) if pictures.ndim == 4 else [pictures]
    if isinstance(pictures, str | Path | bytes | Image.Image):
        return [pictures]
    return list(pictures)


def load_picture(picture: Picture | Sample, how: Preprocess) -> npt.NDArray[np.uint8] | ImageError:
    """Return a picture resized and cropped, ``(crop_px, crop_px, 3)``, or why it cannot be read.

    Raises:
        SpecError: it is an array that holds no RGB image.
    """
    if isinstance(picture, str | Path | Sample):
        return load(Path(picture) if isinstance(picture, str) else picture, how)
    try:
        if isinstance(picture, bytes):
            return resize_and_crop(decode(picture, exif=how.exif), how)
        if isinstance(picture, Image.Image):
            return resize_and_crop(to_rgb(picture, exif=how.exif), how)
    except ImageError as error:
        return error
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        actual = f"{picture.dtype} {picture.shape}"
        raise SpecError("the image", actual, "uint8 of shape (height, width, 3), RGB")
    return resize_and_crop(Image.fromarray(picture), how)
