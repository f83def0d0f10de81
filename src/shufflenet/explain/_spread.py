"""A map of few cells as one of many pixels, without edges between the cells."""

import numpy as np
import numpy.typing as npt

__all__ = ["spread"]

_Floats = npt.NDArray[np.float32]


def spread(
    heat: _Floats, rows: npt.NDArray[np.float64], columns: npt.NDArray[np.float64]
) -> _Floats:
    """Interpolate a map ``(h', w')`` at places between its cells: ``(rows, columns)``.

    A place is counted in cells: 0 is the center of the first. Beyond the outermost cells their
    values go on. Values are interpolated between the four nearest cells along either side, by
    cubic convolution.

    Source: Keys 1981, Cubic convolution interpolation for digital image processing, equation 15.

    >>> cells = np.array([[0, 1]], np.float32)
    >>> spread(cells, np.zeros(1), np.array([-3, 0, 0.5, 1, 9])).tolist()
    [[0.0, 0.0, 0.5, 1.0, 1.0]]
    """
    down, across = (_weights(p, n) for p, n in zip((rows, columns), heat.shape, strict=True))
    return (down @ heat @ across.T).astype(np.float32)


def _weights(places: npt.NDArray[np.float64], cells: int) -> npt.NDArray[np.float64]:
    """Return how much of each cell is in the value at each place, ``(places, cells)``."""
    weights = np.zeros((len(places), cells))
    before = np.floor(places).astype(np.int64)
    at = np.arange(len(places))
    for offset in (-1, 0, 1, 2):
        near = before + offset
        np.add.at(weights, (at, np.clip(near, 0, cells - 1)), _cubic(np.abs(places - near)))
    return weights


def _cubic(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the weight of a cell at a distance of 0 to 2 cells."""
    inner = (1.5 * distance - 2.5) * distance**2 + 1
    outer = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance <= 1, inner, outer)
