"""Resize and crop as the sources' libraries do, but only what the crop keeps."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from shufflenet.spec import Preprocess

__all__ = ["cropped", "resized"]


def resized(
    width: int,
    height: int,
    shorter_px: int,
    longer_side: Literal["floor", "round", "half-up"] = "floor",
) -> tuple[int, int]:
    """Scale width and height so that the shorter side is ``shorter_px``.

    >>> resized(500, 375, shorter_px=256)  # 341.33
    (341, 256)
    >>> resized(427, 640, shorter_px=256), resized(427, 640, 256, "round")  # 383.70
    ((256, 383), (256, 384))

    The longer side is, for ``floor``, ``int(shorter_px * longer / shorter)``, as in torchvision
    0.28 (transforms/functional.py, _compute_resized_output_size) and mmpretrain at ee7f2e8
    (datasets/transforms/processing.py, ResizeEdge); for ``round``, ``round(longer * (shorter_px /
    shorter))``, a half to the even number, as in PaddleClas at d178931 (ppcls/data/preprocess/ops/
    operators.py, ResizeImage); for ``half-up``, ``int(shorter_px / shorter * longer + 0.5)``, as
    in Megvii's ShuffleNet-Series at aa91feb (ShuffleNetV2/train.py, OpencvResize).
    """
    shorter, longer = sorted((width, height))
    if longer_side == "floor":
        scaled = int(shorter_px * longer / shorter)
    elif longer_side == "round":
        scaled = round(longer * (shorter_px / shorter))  # in this order: it rounds as they do
    else:
        scaled = int(shorter_px / shorter * longer + 0.5)  # likewise
    return (shorter_px, scaled) if width <= height else (scaled, shorter_px)


@dataclass(frozen=True, slots=True)
class _Axis:
    """One side of an image: its length, its length when resized, and which part of that is kept."""

    source_px: int
    resized_px: int
    first: int
    kept_px: int

    @property
    def kept(self) -> npt.NDArray[np.int64]:
        return np.arange(self.first, self.first + self.kept_px)


def cropped(image: Image.Image, how: Preprocess) -> npt.NDArray[np.uint8]:
    """Resize and keep the centre: RGB values 0..255, ``(crop_px, crop_px, 3)``.

    The result is that of resizing all of the image and cropping then, to the last grey level;
    but only what is kept is resized, so that the thinnest image costs no more than a square one.

    Args:
        image: An RGB image.
        how: Which sizes, which resizer, and how it rounds.
    """
    width, height = resized(image.width, image.height, how.resize_px, how.longer_side)
    left, top = (_offset(side, how.crop_px, how.crop_offset) for side in (width, height))
    across = _Axis(image.width, width, left, how.crop_px)
    down = _Axis(image.height, height, top, how.crop_px)
    return (_as_pillow if how.resizer == "pillow" else _as_opencv)(image, across, down)


def _offset(resized_px: int, crop_px: int, rounding: Literal["round", "floor"]) -> int:
    """Give how many pixels lie before the crop.

    >>> [_offset(side, 224, "round") for side in (256, 341, 383)]  # 16, 58.5, 79.5
    [16, 58, 80]
    >>> [_offset(side, 224, "floor") for side in (256, 341, 383)]
    [16, 58, 79]

    Sources: ``round``: torchvision 0.28 (transforms/functional.py, center_crop), which Megvii uses
    too, and mmpretrain at ee7f2e8 (datasets/transforms/processing.py, CenterCrop); ``floor``:
    PaddleClas at d178931 (ppcls/data/preprocess/ops/operators.py, CropImage).
    """
    spare = resized_px - crop_px
    return round(spare / 2) if rounding == "round" else spare // 2


# --- Pillow: every pixel that falls together counts, weights of 22 bits ---

_PILLOW_BITS = 22


def _as_pillow(image: Image.Image, across: _Axis, down: _Axis) -> npt.NDArray[np.uint8]:
    """Resize as ``Image.resize`` with BILINEAR does: along rows, rounded to bytes, then columns.

    Pillow up to 12.3 always has this order; 13.0 turns it round for many images more than twice as
    high as wide, which moves one value in ten by a grey level. A source's own code does as the
    Pillow beside it does, and so does this, but for images so thin that most of what
    ``Image.resize`` makes would be cut off: they are resized along rows first with any Pillow.

    ``Image.resize(box=...)`` of the crop alone would be a third faster, but it rounds the box to
    float32, and moves a value in six hundred by a grey level or two.
    """
    if max(image.size) <= _THIN * min(image.size):
        whole = np.asarray(image.resize((across.resized_px, down.resized_px), _BILINEAR))
        return whole[
            down.first : down.first + down.kept_px, across.first : across.first + across.kept_px
        ]
    rows, row_weights = _pillow_taps(down)
    top, bottom = int(rows[0, 0]), int(rows.max()) + 1
    if across.resized_px > 3 * across.kept_px:  # Pillow's pass over whole rows would cost more
        columns, column_weights = _pillow_taps(across)
        left, right = int(columns[0, 0]), int(columns.max()) + 1
        part = np.asarray(image.crop((left, top, right, bottom))).swapaxes(0, 1)
        strip = _weighted(np.ascontiguousarray(part), columns - left, column_weights)
        strip = strip.swapaxes(0, 1)
    else:
        whole_rows = image.crop((0, top, image.width, bottom))
        resized_rows = whole_rows.resize((across.resized_px, bottom - top), _BILINEAR)
        strip = np.asarray(resized_rows)[:, across.first : across.first + across.kept_px]
    return _weighted(strip, rows - top, row_weights)


_BILINEAR = Image.Resampling.BILINEAR
_THIN = 16  # times as long as wide


def _pillow_taps(axis: _Axis) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Give the source pixels of each kept one, and their weights; both ``(kept_px, taps)``.

    A pixel is a triangle about its centre, as wide as two source pixels, or as two resized ones
    where those are larger. The sum of the weights is 2**22, more or less; those past the last
    source pixel of a triangle are 0.

    >>> _pillow_taps(_Axis(4, 2, first=0, kept_px=2))[1] / 2**22
    array([[0.42857146, 0.42857146, 0.14285707],
           [0.14285707, 0.42857146, 0.42857146]])

    Source: Pillow 10.4 to 13.0, libImaging/Resample.c, precompute_coeffs and
    normalize_coeffs_8bpc; the order of operations is theirs, for they round.
    """
    scale = axis.source_px / axis.resized_px
    reach = max(scale, 1.0)
    centre = (axis.kept + 0.5) * scale
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    end = np.minimum((centre + reach + 0.5).astype(np.int64), axis.source_px)
    at = first[:, None] + np.arange((end - first).max())
    weights = np.maximum(1 - np.abs((at - centre[:, None] + 0.5) * (1 / reach)), 0)
    weights[at >= end[:, None]] = 0
    weights /= np.add.accumulate(weights, axis=1)[:, -1:]  # one after the other, as a loop does
    whole = (0.5 + weights * (1 << _PILLOW_BITS)).astype(np.int32)
    return np.minimum(at, axis.source_px - 1), whole


def _weighted(
    values: npt.NDArray[np.uint8], at: npt.NDArray[np.int64], weights: npt.NDArray[np.int32]
) -> npt.NDArray[np.uint8]:
    """Sum the rows ``at`` of ``values``, ``(rows, columns, 3)``, into ``(kept_px, columns, 3)``.

    Sums stay below 2**31, for weights sum to 2**22 and values to 255.
    """
    half = 1 << (_PILLOW_BITS - 1)
    total: npt.NDArray[np.int32] = np.full((len(at), *values.shape[1:]), half, np.int32)
    for tap in range(at.shape[1]):
        total += values[at[:, tap]] * weights[:, tap, None, None]
    total >>= _PILLOW_BITS
    return total.astype(np.uint8)


# --- OpenCV: the four nearest pixels count, weights of 11 bits ---

_OPENCV_ONE = 1 << 11


def _as_opencv(image: Image.Image, across: _Axis, down: _Axis) -> npt.NDArray[np.uint8]:
    """Resize as ``cv2.resize`` with INTER_LINEAR does for bytes: along rows, then columns.

    Past the border its pixels go on. The first pass gives ``t = a * near + b * far``, of 19 bits,
    for the upper row and ``u`` for the lower; the second pass
    ``((t >> 4) * near >> 16) + ((u >> 4) * far >> 16)``, of which two bits are rounded off.

    Source: OpenCV 4, modules/imgproc/src/resize.cpp, HResizeLinear and VResizeLinear for uchar.
    Found identical to 3.4.18, 4.5.5, 4.12.0 and 5.0.0, on x86-64.
    """
    column, column_share = _opencv_place(across)
    row, row_share = _opencv_place(down)
    last_column, last_row = across.source_px - 1, down.source_px - 1
    # The first pass stays on the border pixel; the second mixes it with itself, and so rounds.
    column_share[(column < 0) | (column >= last_column)] = 0
    columns = np.clip((column, column + 1), 0, last_column)
    needed, rows = np.unique(np.clip((row, row + 1), 0, last_row), return_inverse=True)
    upper, lower = rows.reshape(2, -1)

    left, top, right = int(columns[0, 0]), int(needed[0]), int(columns[1, -1]) + 1
    part = np.asarray(image.crop((left, top, right, int(needed[-1]) + 1)))[needed - top]
    strip = _mixed_columns(part, columns - left, *_opencv_weights(column_share))
    return _mixed_rows(strip, upper, lower, *_opencv_weights(row_share))


def _mixed_columns(
    values: npt.NDArray[np.uint8],
    columns: npt.NDArray[np.int64],
    near: npt.NDArray[np.int32],
    far: npt.NDArray[np.int32],
) -> npt.NDArray[np.int32]:
    """Mix two columns of ``(rows, columns, 3)`` into each kept one, ``(rows, kept_px, 3)``.

    A row is taken as one list of numbers, red, green, blue, red ...: as pixels of three, which
    NumPy would loop over one by one, it takes three times as long.

    Returns:
        Values of 15 bits: 19, of which four are cut off.
    """
    at = (3 * columns[..., None] + np.arange(3)).reshape(2, -1)
    flat = values.reshape(len(values), -1)
    mixed = flat[:, at[0]] * near.repeat(3)
    mixed += flat[:, at[1]] * far.repeat(3)
    mixed >>= 4
    return mixed.reshape(len(values), -1, 3)


def _mixed_rows(
    values: npt.NDArray[np.int32],
    upper: npt.NDArray[np.int64],
    lower: npt.NDArray[np.int64],
    near: npt.NDArray[np.int32],
    far: npt.NDArray[np.int32],
) -> npt.NDArray[np.uint8]:
    """Mix two rows of what :func:`_mixed_columns` gives into each kept one."""
    quarters = values[upper]
    quarters *= near[:, None, None]
    quarters >>= 16
    below = values[lower]
    below *= far[:, None, None]
    below >>= 16
    quarters += below
    return (quarters + 2 >> 2).astype(np.uint8)


def _opencv_place(axis: _Axis) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Give the last source pixel before each kept one's centre, and how far past its own that is.

    >>> _opencv_place(_Axis(4, 2, first=0, kept_px=2))
    (array([0, 2]), array([0.5, 0.5], dtype=float32))

    Source: OpenCV 4, modules/imgproc/src/resize.cpp, resize: doubles, then floats.
    """
    scale = 1 / (axis.resized_px / axis.source_px)
    place = ((axis.kept + 0.5) * scale - 0.5).astype(np.float32)
    whole = np.floor(place)
    return whole.astype(np.int64), place - whole


def _opencv_weights(
    share: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Turn the share of the farther pixel into the weights of both, which sum to 2048.

    >>> _opencv_weights(np.array([0, 0.25, 1 / 3], np.float32))
    (array([2048, 1536, 1365], dtype=int32), array([  0, 512, 683], dtype=int32))
    """
    one = np.float32(_OPENCV_ONE)
    near, far = np.rint((1 - share) * one), np.rint(share * one)
    return near.astype(np.int32), far.astype(np.int32)
