"""Accuracy by the size and by the brightness of images."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.analyze._answers import Answers
from shufflenet.analyze._interval import Share, share_of

__all__ = ["Group", "by_brightness", "by_size"]

_GROUPS = 5


@dataclass(frozen=True, slots=True)
class Group:
    """Images of like size or brightness.

    Attributes:
        low: The least value of them: px of the shorter side, or brightness from 0 to 255.
        high: The greatest.
        accuracy: The share of them that is answered correctly.
    """

    low: float
    high: float
    accuracy: Share


def by_size(answers: Answers) -> tuple[Group, ...]:
    """Return accuracy by the length of the photos' shorter side, px, in at most five groups."""
    return _groups(np.minimum(answers.widths, answers.heights), answers.correct)


def by_brightness(answers: Answers) -> tuple[Group, ...]:
    """Return accuracy by the mean of the cropped pixels, 0 to 255, in at most five groups."""
    return _groups(answers.brightness, answers.correct)


def _groups(
    values: npt.NDArray[np.int32] | npt.NDArray[np.float32], correct: npt.NDArray[np.bool_]
) -> tuple[Group, ...]:
    """Return groups of about as many images each; images of one value are in one group.

    A group ends with the value of the image at each fifth of the images sorted by value.
    """
    if not len(values):
        return ()
    ordered = np.sort(values)
    ends = np.unique(ordered[[len(values) * (i + 1) // _GROUPS - 1 for i in range(_GROUPS)]])
    of = np.searchsorted(ends, values)
    groups = []
    for number in range(len(ends)):
        inside = of == number
        low, high = float(values[inside].min()), float(values[inside].max())
        groups.append(Group(low, high, share_of(int(correct[inside].sum()), int(inside.sum()))))
    return tuple(groups)
