"""Pillow's bilinear resize: antialiased, with 22-bit integer weights."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from shufflenet.preprocess._axis import Axis

__all__ = ["find_taps", "resize_like_pillow"]

_BITS = 22
_BILINEAR = Image.Resampling.BILINEAR
_THIN = 16  # times as long, for its width, as what is kept


def resize_like_pillow(image: Image.Image, across: Axis, down: Axis) -> npt.NDArray[np.uint8]:
    """Resize as ``Image.resize`` with BILINEAR does and crop, ``(h, w)`` and bands.

    Pillow up to 12.3 always resizes along rows first, rounds to bytes, then resizes along columns.
    Pillow 13.0 reverses this order for many images more than twice as high as wide, which changes
    one value in ten by a gray level. A source's own code follows the installed Pillow, and so does
    this function, except for images so thin that most of the output of ``Image.resize`` would be
    cut off: they are resized along rows first with any Pillow.

    ``Image.resize(box=...)`` of the crop alone would be a third faster, but it rounds the box to
    float32, and changes a value in six hundred by a gray level or two.
    """
    sides = image.width * down.kept_px, image.height * across.kept_px
    if max(sides) <= _THIN * min(sides):
        whole = np.asarray(image.resize((across.resized_px, down.resized_px), _BILINEAR))
        return whole[
            down.first : down.first + down.kept_px, across.first : across.first + across.kept_px
        ]
    rows, row_weights = _taps(down)
    top, bottom = int(rows[0, 0]), int(rows.max()) + 1
    if across.resized_px > 3 * across.kept_px:  # Pillow's pass over whole rows would cost more
        columns, column_weights = _taps(across)
        left, right = int(columns[0, 0]), int(columns.max()) + 1
        part = np.asarray(image.crop((left, top, right, bottom))).swapaxes(0, 1)
        strip = _weighted_sum(np.ascontiguousarray(part), columns - left, column_weights)
        strip = strip.swapaxes(0, 1)
    else:
        whole_rows = image.crop((0, top, image.width, bottom))
        resized_rows = whole_rows.resize((across.resized_px, bottom - top), _BILINEAR)
        strip = np.asarray(resized_rows)[:, across.first : across.first + across.kept_px]
    return _weighted_sum(strip, rows - top, row_weights)


def _taps(axis: Axis) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return what :func:`find_taps` does, with weights that sum to about 2**22.

    >>> _taps(Axis(4, 2, first=0, kept_px=2))[1] / 2**22
    array([[0.42857146, 0.42857146, 0.14285707],
           [0.14285707, 0.42857146, 0.42857146]])
    """
    taps, weights = find_taps(axis)
    return taps, (0.5 + weights * (1 << _BITS)).astype(np.int32)


def find_taps(axis: Axis) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the source pixels of each kept pixel and their weights, both ``(kept_px, taps)``.

    The weights are a triangle around the kept pixel's center, two source pixels wide, or two
    resized pixels where those are larger. They sum to 1; those past the last source pixel of a
    triangle are 0.

    >>> find_taps(Axis(4, 2, first=0, kept_px=2))[1] * 7
    array([[3., 3., 1.],
           [1., 3., 3.]])

    Source: Pillow 10.4 to 13.0, libImaging/Resample.c, precompute_coeffs and
    normalize_coeffs_8bpc; the order of operations is kept, for each operation rounds.
    """
    scale = axis.source_px / axis.resized_px
    reach = max(scale, 1.0)
    center = (axis.kept + 0.5) * scale
    first = np.maximum((center - reach + 0.5).astype(np.int64), 0)
    end = np.minimum((center + reach + 0.5).astype(np.int64), axis.source_px)
    taps = first[:, None] + np.arange((end - first).max())
    weights = np.maximum(1 - np.abs((taps - center[:, None] + 0.5) * (1 / reach)), 0)
    weights[taps >= end[:, None]] = 0
    weights /= np.add.accumulate(weights, axis=1)[:, -1:]  # summed one by one, as a loop does
    return np.minimum(taps, axis.source_px - 1), weights


def _weighted_sum(
    values: npt.NDArray[np.uint8], taps: npt.NDArray[np.int64], weights: npt.NDArray[np.int32]
) -> npt.NDArray[np.uint8]:
    """Sum the rows ``taps`` of ``values``, ``(h, w)`` and bands, into ``(kept_px, w)`` and bands.

    Sums stay below 2**31, for weights sum to 2**22 and values are at most 255.
    """
    half = 1 << (_BITS - 1)
    total: npt.NDArray[np.int32] = np.full((len(taps), *values.shape[1:]), half, np.int32)
    for tap in range(taps.shape[1]):
        total += values[taps[:, tap]] * weights[:, tap].reshape(-1, *(1,) * (values.ndim - 1))
    total >>= _BITS
    return total.astype(np.uint8)
