"""Turns an image file into network input, in NumPy and Pillow."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.preprocess._crop import resize_and_crop, resized_size
from shufflenet.preprocess._decode import decode, is_upright, to_rgb
from shufflenet.preprocess._formats import IMAGE_FORMATS, IMAGE_SUFFIXES, ImageFormat
from shufflenet.preprocess._mean_image import mean_image
from shufflenet.preprocess._normalize import affine, normalize
from shufflenet.preprocess._one_image import (
    LARGEST_FILE_BYTES,
    one_image,
    open_image,
    read_image_file,
)
from shufflenet.spec import Preprocess

__all__ = [
    "IMAGE_FORMATS",
    "IMAGE_SUFFIXES",
    "LARGEST_FILE_BYTES",
    "ImageFormat",
    "affine",
    "decode",
    "is_upright",
    "mean_image",
    "normalize",
    "one_image",
    "open_image",
    "prepare",
    "read_image_file",
    "resize_and_crop",
    "resized_size",
    "to_rgb",
]


def prepare(source: str | Path | bytes, how: Preprocess) -> npt.NDArray[np.float32]:
    """Read an image and return it as network input, ``(3, crop_px, crop_px)``, without a batch.

    Args:
        source: A path, or the bytes of an image file.
        how: How the network's images are resized, cropped and normalized.

    Raises:
        ImageError: the file cannot be read as an image.
    """
    return normalize(resize_and_crop(decode(source, exif=how.exif), how), how)
