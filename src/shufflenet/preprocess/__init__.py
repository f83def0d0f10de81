"""Turns an image file into network input, in NumPy and Pillow."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.preprocess._channels import as_rgb
from shufflenet.preprocess._crop import (
    decoded_size,
    enlarged_size,
    pad,
    resize,
    resize_and_crop,
    resized_size,
    scaled_size,
)
from shufflenet.preprocess._decode import decode, decode_as, image_as, is_upright
from shufflenet.preprocess._formats import IMAGE_FORMATS, IMAGE_SUFFIXES, ImageFormat
from shufflenet.preprocess._header import ImageHeader, read_header, upright_size
from shufflenet.preprocess._mean_image import mean_image
from shufflenet.preprocess._normalize import affine, normalize, scales_bytes
from shufflenet.preprocess._one_image import (
    LARGEST_FILE_BYTES,
    one_image,
    open_image,
    read_image_file,
)
from shufflenet.preprocess._pixels import Decoded, Pixels, draw_noise, mean_color, pixel_type
from shufflenet.preprocess._placement import placement
from shufflenet.preprocess._shown import decode_to_show
from shufflenet.spec import Preprocess

__all__ = [
    "IMAGE_FORMATS",
    "IMAGE_SUFFIXES",
    "LARGEST_FILE_BYTES",
    "Decoded",
    "ImageFormat",
    "ImageHeader",
    "Pixels",
    "affine",
    "as_rgb",
    "decode",
    "decode_as",
    "decode_to_show",
    "decoded_size",
    "draw_noise",
    "enlarged_size",
    "image_as",
    "is_upright",
    "mean_color",
    "mean_image",
    "normalize",
    "one_image",
    "open_image",
    "pad",
    "pixel_type",
    "placement",
    "prepare",
    "read_header",
    "read_image_file",
    "resize",
    "resize_and_crop",
    "resized_size",
    "scaled_size",
    "scales_bytes",
    "upright_size",
]


def prepare(source: str | Path | bytes, how: Preprocess) -> npt.NDArray[np.float32]:
    """Read an image and return it as network input, ``(c, h, w)``, without a batch.

    Args:
        source: A path, or the bytes of an image file.
        how: How the network's images are resized, cropped and normalized.

    Raises:
        ImageError: the file cannot be read as an image.
    """
    return normalize(resize_and_crop(decode_as(source, how), how), how)
