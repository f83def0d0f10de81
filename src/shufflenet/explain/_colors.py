"""The colors of heat maps: equal steps of a number look equal, to the color-blind as well."""

from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["color"]

# A curve in OKLab, of lightness, green to red, blue to yellow: from a dark blue by way of reds to a
# light yellow. The second point draws the curve towards it.
_POINTS = np.array([[0.32, 0.0, -0.15], [0.60, 0.25, -0.02], [0.92, -0.03, 0.15]])
_STEPS = 256

# Source: Ottosson 2020, A perceptual color space for image processing
# (https://bottosson.github.io/posts/oklab), the two matrices from OKLab to linear sRGB.
_TO_CONES = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_TO_LINEAR = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def color(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return a color for each number from 0 to 1, ``(..., 3)`` in sRGB from 0 to 1.

    The numbers are spread evenly along the curve ``(1 - t)^2 p0 + 2 t (1 - t) p1 + t^2 p2`` of
    OKLab, where equal lengths look equal. Lightness grows with them, so that they can be told apart
    without seeing colors.

    >>> (255 * color(np.array([0, 0.5, 1], np.float32))).round().astype(int).tolist()
    [[25, 35, 125], [192, 104, 134], [250, 231, 98]]
    """
    return _table()[np.rint(np.clip(values, 0, 1) * (_STEPS - 1)).astype(np.int64)]


@cache
def _table() -> npt.NDArray[np.float32]:
    """Compute the colors, ``(steps, 3)``."""
    t = np.linspace(0, 1, 16 * _STEPS)[:, None]
    curve = np.hstack([(1 - t) ** 2, 2 * t * (1 - t), t**2]) @ _POINTS
    lengths = np.linalg.norm(np.diff(curve, axis=0), axis=1).cumsum()
    even = np.searchsorted(lengths, np.linspace(0, lengths[-1], _STEPS) * (1 - 1e-9))
    linear = (curve[even] @ _TO_CONES.T) ** 3 @ _TO_LINEAR.T
    return _gamma(np.clip(linear, 0, 1)).astype(np.float32)


def _gamma(linear: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return sRGB values of linear ones, both from 0 to 1, as IEC 61966-2-1 defines them."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
