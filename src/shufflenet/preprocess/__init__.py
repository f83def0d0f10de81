"""From a file to the network's input: the one preprocessing, in NumPy and Pillow."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.preprocess._decode import decode, is_upright
from shufflenet.preprocess._normalise import normalised
from shufflenet.preprocess._resize import cropped, resized
from shufflenet.spec import Preprocess

__all__ = ["cropped", "decode", "is_upright", "normalised", "prepare", "resized"]


def prepare(source: str | Path | bytes, how: Preprocess) -> npt.NDArray[np.float32]:
    """Read an image and make of it one network input, ``(3, crop_px, crop_px)``.

    Raises:
        ImageError: the file cannot be read as an image.
    """
    return normalised(cropped(decode(source, exif=how.exif), how), how)
