"""The antialiased bilinear resize of values of 16 bits, in floating point."""

import numpy as np
import numpy.typing as npt

from shufflenet.preprocess._axis import Axis
from shufflenet.preprocess._pillow_resize import find_taps

__all__ = ["resize_in_floats"]


def resize_in_floats(
    pixels: npt.NDArray[np.uint8 | np.uint16], across: Axis, down: Axis
) -> npt.NDArray[np.uint16]:
    """Resize ``(h, w, c)`` with the weights of Pillow's BILINEAR and crop, ``(h', w', c)``.

    Pixel ``(y, x)`` is the sum of ``pixels[i, j] * rows[y, i] * columns[x, j]``, rounded once, to
    the nearest, halves to even: Pillow resizes several channels of 16 bits only one by one, and
    rounds them twice.
    """
    kept = np.ascontiguousarray(pixels[_part(down), _part(across)])
    rows, columns = find_taps(down), find_taps(across)
    if down.kept_px * kept.shape[1] <= kept.shape[0] * across.kept_px:
        values = _mix(_mix(kept, rows).swapaxes(0, 1), columns).swapaxes(0, 1)
    else:
        values = _mix(_mix(kept.swapaxes(0, 1), columns).swapaxes(0, 1), rows)
    return np.rint(values).astype(np.uint16)


def _part(axis: Axis) -> slice:
    """Return the source pixels that are read."""
    taps, _ = find_taps(axis)
    return slice(int(taps[0, 0]), int(taps.max()) + 1)


def _mix(
    values: npt.NDArray[np.uint8 | np.uint16 | np.float64],
    taps: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]],
) -> npt.NDArray[np.float64]:
    """Sum the rows of ``values``, ``(rows, columns, c)``, into ``(kept_px, columns, c)``."""
    rows, weights = taps
    total = np.zeros((len(rows), *values.shape[1:]))
    for tap in range(rows.shape[1]):
        total += values[rows[:, tap] - rows[0, 0]] * weights[:, tap, None, None]
    return total
