"""OpenCV's bilinear resize: the four nearest pixels, with 11-bit integer weights."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from shufflenet.preprocess._axis import Axis

__all__ = ["resize_like_opencv"]

_ONE = 1 << 11


def resize_like_opencv(image: Image.Image, across: Axis, down: Axis) -> npt.NDArray[np.uint8]:
    """Resize bytes as ``cv2.resize`` with INTER_LINEAR does and crop, ``(h, w)`` and bands.

    Border pixels are repeated. The first pass, along rows, computes ``t = a * near + b * far``, of
    19 bits, for the upper row and ``u`` for the lower; the second pass computes
    ``((t >> 4) * near >> 16) + ((u >> 4) * far >> 16)``, of which two bits are rounded off.

    Source: OpenCV 4, modules/imgproc/src/resize.cpp, HResizeLinear and VResizeLinear for uchar.
    Found identical to 3.4.18, 4.5.5, 4.12.0 and 5.0.0, on x86-64.
    """
    column, column_share = _positions(across)
    row, row_share = _positions(down)
    last_column, last_row = across.source_px - 1, down.source_px - 1
    # The first pass uses the border pixel alone; the second mixes it with itself, which rounds.
    column_share[(column < 0) | (column >= last_column)] = 0
    columns = np.clip((column, column + 1), 0, last_column)
    source_rows, rows = np.unique(np.clip((row, row + 1), 0, last_row), return_inverse=True)
    upper, lower = rows.reshape(2, -1)
    bands = len(image.getbands())

    left, top, right = int(columns[0, 0]), int(source_rows[0]), int(columns[1, -1]) + 1
    part = np.asarray(image.crop((left, top, right, int(source_rows[-1]) + 1)))[source_rows - top]
    part = part.reshape(*part.shape[:2], bands)
    strip = _mix_columns(part, columns - left, *_weights(column_share))
    pixels = _mix_rows(strip, upper, lower, *_weights(row_share))
    return pixels if bands > 1 else pixels[..., 0]


def _mix_columns(
    values: npt.NDArray[np.uint8],
    columns: npt.NDArray[np.int64],
    near: npt.NDArray[np.int32],
    far: npt.NDArray[np.int32],
) -> npt.NDArray[np.int32]:
    """Mix two columns of ``(rows, columns, c)`` into each kept one, ``(rows, kept_px, c)``.

    A row is indexed as a flat list of numbers, red, green, blue, red ...: NumPy would loop over
    pixels of three one by one, which takes three times as long.

    Returns:
        Values of 15 bits: 19, of which four are cut off.
    """
    bands = values.shape[2]
    flat_columns = (bands * columns[..., None] + np.arange(bands)).reshape(2, -1)
    flat = values.reshape(len(values), -1)
    mixed = flat[:, flat_columns[0]] * near.repeat(bands)
    mixed += flat[:, flat_columns[1]] * far.repeat(bands)
    mixed >>= 4
    return mixed.reshape(len(values), -1, bands)


def _mix_rows(
    values: npt.NDArray[np.int32],
    upper: npt.NDArray[np.int64],
    lower: npt.NDArray[np.int64],
    near: npt.NDArray[np.int32],
    far: npt.NDArray[np.int32],
) -> npt.NDArray[np.uint8]:
    """Mix two rows of the output of :func:`_mix_columns` into each kept row."""
    quarters = values[upper]
    quarters *= near[:, None, None]
    quarters >>= 16
    below = values[lower]
    below *= far[:, None, None]
    below >>= 16
    quarters += below
    return (quarters + 2 >> 2).astype(np.uint8)


def _positions(axis: Axis) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the last source pixel before each kept pixel's center, and the distance past it.

    >>> _positions(Axis(4, 2, first=0, kept_px=2))
    (array([0, 2]), array([0.5, 0.5], dtype=float32))

    Source: OpenCV 4, modules/imgproc/src/resize.cpp, resize: doubles, then floats.
    """
    scale = 1 / (axis.resized_px / axis.source_px)
    position = ((axis.kept + 0.5) * scale - 0.5).astype(np.float32)
    whole = np.floor(position)
    return whole.astype(np.int64), position - whole


def _weights(
    share: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Convert the share of the farther pixel into the weights of both, which sum to 2048.

    >>> _weights(np.array([0, 0.25, 1 / 3], np.float32))
    (array([2048, 1536, 1365], dtype=int32), array([  0, 512, 683], dtype=int32))
    """
    one = np.float32(_ONE)
    near, far = np.rint((1 - share) * one), np.rint(share * one)
    return near.astype(np.int32), far.astype(np.int32)
