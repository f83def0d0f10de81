"""What a file holds to prove that it computes as its network did: logits of an image, a hash."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.errors import DamagedCheck
from shufflenet.outside import read_json, typed
from shufflenet.preprocess import Pixels, pixel_type
from shufflenet.spec import DETECTOR_TOLERANCE, Card, Preprocess

__all__ = [
    "CHECK_KEY",
    "FLOAT_CHECK_KEY",
    "HASH_KEY",
    "IMAGE_KEY",
    "PRECISION_KEY",
    "SQUARES",
    "check_image",
    "comparable",
    "proof_of",
    "rounded_logits",
    "stated_image",
    "tolerance_for",
]

# Entries of a file's metadata.
FLOAT_CHECK_KEY = "shufflenet.check"  # the logits of ``stated_image``, as a JSON list
CHECK_KEY = "shufflenet.int8_check"  # likewise of ONNX files in int8
HASH_KEY = "shufflenet.int8_sha256"  # of ONNX files in int8, what ``files.SEAL_KEY`` is of others
IMAGE_KEY = "shufflenet.image_px"  # that image's height and width, if the card states a square
PRECISION_KEY = "shufflenet.precision"  # the numbers in which it computes: float16 is wider off

SQUARES = "squares of 8"  # what compiled files call the image of ``check_image``
_DIGITS = 6  # of each logit that a file holds
_CELLS = 64  # of a detector's, whose rows a file holds


def rounded_logits(logits: npt.NDArray[np.float32]) -> list[float]:
    """Return an image's logits, ``(classes,)``, as files hold them: rounded to six digits."""
    return [float(f"{value:.{_DIGITS}g}") for value in logits]


def comparable(rows: npt.NDArray[np.float32], card: Card) -> npt.NDArray[np.float32]:
    """Return what a network computed as numbers of which a difference says the same.

    Those of a detector, ``(n, cells, 4 + classes)``, are pixels and scores: pixels become shares of
    the input's longer side. Logits are returned as they are.
    """
    if card.detector is None:
        return rows
    sides = rows[..., :4] / np.float32(max(card.preprocess.size_px))
    return np.concatenate([sides, rows[..., 4:]], axis=-1)


def tolerance_for(relative: float, card: Card) -> float:
    """Return how far two computations of a network may differ, in what ``comparable`` returns.

    Args:
        relative: How far the logits of a classifier may, relative to the largest logit.
        card: The network's card.
    """
    return relative if card.detector is None else max(relative, DETECTOR_TOLERANCE)


def proof_of(rows: npt.NDArray[np.float32], card: Card) -> npt.NDArray[np.float32]:
    """Return the numbers ``(k,)`` that a file holds of what its network made of one image.

    They are all its logits, ``(1, classes)``; or of the cells of a detector, ``(1, cells, 4 +
    classes)``, 64 that lie evenly in their order, as ``comparable`` returns them.
    """
    if card.detector is None:
        return np.ravel(rows[:1])
    cells = np.linspace(0, rows.shape[1] - 1, _CELLS).astype(np.intp)
    return np.ravel(comparable(rows[:1, cells], card))


def check_image(how: Preprocess) -> Pixels:
    """Return the image whose logits a file holds: pixels ``(1, h, w, c)``.

    It shows eight by eight fields, each of a color that is drawn with seed 0: these excite layers
    more strongly than noise does.
    """
    return _fields(how, how.size_px)


def _fields(how: Preprocess, size: tuple[int, int]) -> Pixels:
    drawn = (8, 8, how.in_channels)
    colors = np.random.default_rng(0).integers(
        0, how.max_value, drawn, pixel_type(how), endpoint=True
    )
    rows, columns = (np.arange(side) * 8 // side for side in size)
    image: Pixels = colors[rows][:, columns][None]
    return image


def stated_image(metadata: Mapping[str, str], how: Preprocess, path: str | Path) -> Pixels:
    """Return the image whose logits a file holds, ``(1, h, w, c)``.

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
    if not (0 < height <= max(how.size_px) and 0 < width <= max(how.size_px)):
        raise DamagedCheck(path)
    return _fields(how, (height, width))
