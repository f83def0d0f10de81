"""What a file holds to prove that it computes as its network did: logits of an image, a hash."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.errors import DamagedCheck
from shufflenet.outside import read_json, typed
from shufflenet.spec import Preprocess

__all__ = [
    "CHECK_KEY",
    "FLOAT_CHECK_KEY",
    "FLOAT_HASH_KEY",
    "HASH_KEY",
    "IMAGE_KEY",
    "PRECISION_KEY",
    "SQUARES",
    "check_image",
    "rounded_logits",
    "squares",
    "stated_image",
]

# Entries of a file's metadata.
FLOAT_CHECK_KEY = "shufflenet.check"  # the logits of ``stated_image``, as a JSON list
CHECK_KEY = "shufflenet.int8_check"  # likewise of ONNX files in int8
FLOAT_HASH_KEY = "shufflenet.sha256"  # the hash of an ONNX file's graph
HASH_KEY = "shufflenet.int8_sha256"  # likewise of ONNX files in int8
IMAGE_KEY = "shufflenet.image_px"  # the height and width of that image, if it is not square
PRECISION_KEY = "shufflenet.precision"  # the numbers in which it computes: float16 is wider off

SQUARES = "squares of 8"  # what compiled files call the image of ``squares``
_DIGITS = 6  # of each logit that a file holds


def rounded_logits(logits: npt.NDArray[np.float32]) -> list[float]:
    """Return an image's logits, ``(classes,)``, as files hold them: rounded to six digits."""
    return [float(f"{value:.{_DIGITS}g}") for value in logits]


def check_image(how: Preprocess) -> npt.NDArray[np.uint8]:
    """Return the image whose logits a file of square images holds: ``(1, crop_px, crop_px, 3)``.

    It shows squares of an eighth of its side in colors drawn with seed 0, which excite layers
    more strongly than noise does.
    """
    return squares(how.crop_px, how.crop_px)[None]


def squares(height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return an image, ``(height, width, 3)``, of eight by eight squares in random colors."""
    colors = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    rows, columns = (np.arange(side) * 8 // side for side in (height, width))
    image: npt.NDArray[np.uint8] = colors[rows][:, columns]
    return image


def stated_image(
    metadata: Mapping[str, str], how: Preprocess, path: str | Path
) -> npt.NDArray[np.uint8]:
    """Return the image whose logits a file holds, ``(1, h, w, 3)``.

    Args:
        metadata: The file's metadata.
        how: The preprocessing of its card.
        path: The file.

    Raises:
        DamagedCheck: the size that it states is none.
    """
    if IMAGE_KEY not in metadata:
        return check_image(how)
    try:
        height, width = typed(read_json(metadata[IMAGE_KEY]), tuple[int, int], "size")
    except ValueError as error:  # a SpecError is one
        raise DamagedCheck(path) from error
    if not (0 < height <= how.crop_px and 0 < width <= how.crop_px):
        raise DamagedCheck(path)
    return squares(height, width)[None]
