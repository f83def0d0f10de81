"""Boxes: their overlap, the best of those that overlap, and what a detector's rows say, in NumPy.

A box is left, top, right and bottom in pixels, unless another order is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.errors import SpecError
from shufflenet.spec import Detection

__all__ = ["Placement", "Search", "find_detections", "iou", "suppress"]

_Boxes = npt.NDArray[np.floating]

_TOGETHER = 1024  # candidates that are compared with each other at once, best first
_MOST_CANDIDATES = 10_000  # of an image, lest a score of 0 asks for minutes
_MOST_DETECTIONS = 1000


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for among the boxes of an image.

    Attributes:
        min_score: The least score of a box, 0 to 1.
        max_iou: The largest overlap of two boxes of a class, 0 to 1; of others the better stays.
        k: The most boxes of an image, best first.
    """

    min_score: float = 0.3
    max_iou: float = 0.6
    k: int = 100

    def __post_init__(self) -> None:
        for name in ("min_score", "max_iou"):
            value = getattr(self, name)
            is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not is_number or not 0 <= value <= 1:
                raise SpecError(name, value, "from 0 to 1")
        k = self.k
        is_whole = isinstance(k, int | np.integer) and not isinstance(k, bool)
        if not is_whole or not 1 <= k <= _MOST_DETECTIONS:
            raise SpecError("k", k, f"a whole number from 1 to {_MOST_DETECTIONS:,}")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where in the input of a network an image lies, and where its input lies in the image.

    Attributes:
        width: Of the image, px.
        height: The same.
        scale: Pixels of the input for one of the image, across and down.
        offset: Where the image's left and top edge lie in the input, px; negative if they are cut.
    """

    width: int
    height: int
    scale: tuple[float, float]
    offset: tuple[float, float]

    def to_input(self, boxes: _Boxes) -> npt.NDArray[np.float64]:
        """Return boxes of the image ``(n, 4)`` in pixels of the input; they may lie outside it.

        >>> place = Placement(200, 100, scale=(0.5, 0.5), offset=(0, 25))
        >>> place.to_input(np.array([[0, 0, 200, 100.0]])).tolist()
        [[0.0, 25.0, 100.0, 75.0]]
        """
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        moved: npt.NDArray[np.float64] = boxes * np.array(self.scale * 2) + np.array(
            self.offset * 2
        )
        return moved

    def to_image(self, boxes: _Boxes) -> npt.NDArray[np.float64]:
        """Return boxes of the input ``(n, 4)`` in pixels of the image, and cut at its edges.

        >>> place = Placement(200, 100, scale=(0.5, 0.5), offset=(0, 25))
        >>> place.to_image(np.array([[10, 0, 60, 50.0]])).tolist()
        [[20.0, 0.0, 120.0, 50.0]]
        """
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        boxes = (boxes - np.array(self.offset * 2)) / np.array(self.scale * 2)
        edges = np.array((self.width, self.height) * 2)
        cut: npt.NDArray[np.float64] = np.minimum(np.maximum(boxes, 0), edges)
        return cut


def iou(first: _Boxes, second: _Boxes) -> npt.NDArray[np.float64]:
    """Compute the intersections of boxes over their unions: ``(n, 4)``, ``(m, 4)`` to ``(n, m)``.

    It is 0 where both have no area.

    >>> iou(np.array([[0, 0, 2, 2.0]]), np.array([[1, 0, 3, 2.0], [5, 5, 6, 6]])).round(3).tolist()
    [[0.333, 0.0]]
    """
    one, other = (np.asarray(boxes, np.float64) for boxes in (first, second))
    return _overlaps(one[:, None], other[None])


def _overlaps(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Compute the overlaps of boxes ``(..., 4)`` whose shapes are broadcast."""
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = np.maximum(sides, 0).prod(axis=-1)
    union = _areas(one) + _areas(other) - shared
    result: npt.NDArray[np.float64] = np.zeros_like(shared)
    np.divide(shared, union, out=result, where=union > 0)
    return result


def _areas(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    areas: npt.NDArray[np.float64] = np.maximum(boxes[..., 2:] - boxes[..., :2], 0).prod(axis=-1)
    return areas


def suppress(
    boxes: _Boxes,
    scores: npt.NDArray[np.floating],
    classes: npt.NDArray[np.integer],
    *,
    max_iou: float,
    k: int,
) -> npt.NDArray[np.intp]:
    """Return the boxes that no better one of their class overlaps (non-maximum suppression).

    A box stays if its overlap with every box of its class that stays before it is at most
    ``max_iou``. Of equal scores the first box comes first.

    Args:
        boxes: ``(n, 4)``.
        scores: Of each, ``(n,)``.
        classes: Of each, ``(n,)``.
        max_iou: The largest overlap, 0 to 1.
        k: The most boxes that stay.

    Returns:
        Their indices, best first, at most ``k``.
    """
    corners = np.asarray(boxes, np.float64)
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    for start in range(0, len(order), _TOGETHER):
        left = order[start : start + _TOGETHER]
        for earlier in kept:
            left = left[_stays(earlier, left, corners, classes, max_iou)]
        while len(left) and len(kept) < k:
            best, left = int(left[0]), left[1:]
            kept.append(best)
            left = left[_stays(best, left, corners, classes, max_iou)]
        if len(kept) == k:
            break
    return np.array(kept, np.intp)


def _stays(
    best: int,
    others: npt.NDArray[np.intp],
    boxes: npt.NDArray[np.float64],
    classes: npt.NDArray[np.integer],
    max_iou: float,
) -> npt.NDArray[np.bool_]:
    """Return which of the others a better box leaves, ``(len(others),)``."""
    overlapping = _overlaps(boxes[best], boxes[others]) > max_iou
    stays: npt.NDArray[np.bool_] = ~(overlapping & (classes[others] == classes[best]))
    return stays


def find_detections(
    rows: npt.NDArray[np.float32], labels: Sequence[str], place: Placement, search: Search
) -> list[Detection]:
    """Return the boxes that a detector found in one image, best first.

    A box is cut at the edges of the image, and left out if nothing of it is inside. Then the best
    of those that overlap stays, for each class by itself. Of equal scores the earlier cell comes
    first, and in it the earlier class. Of more than 10,000 boxes with such a score, the best 10,000
    are looked at.

    Args:
        rows: What the detector computed, ``(cells, 4 + classes)``: left, top, right and bottom in
            pixels of the input, then scores.
        labels: The names of the classes.
        place: Where in the input the image lies.
        search: Which boxes are returned.
    """
    cells, classes = np.nonzero(rows[:, 4:] >= np.float32(search.min_score))
    scores = rows[cells, 4 + classes]
    if len(scores) > _MOST_CANDIDATES:
        best = np.sort(np.argsort(-scores, kind="stable")[:_MOST_CANDIDATES])
        cells, classes, scores = cells[best], classes[best], scores[best]
    boxes = place.to_image(rows[cells, :4])
    inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    boxes, scores, classes = boxes[inside], scores[inside], classes[inside]
    kept = suppress(boxes, scores, classes, max_iou=search.max_iou, k=search.k)
    return [
        Detection(_sides(boxes[i]), int(classes[i]), labels[classes[i]], float(scores[i]))
        for i in kept
    ]


def _sides(box: npt.NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Return left, top, width and height of a box."""
    left, top, right, bottom = box.tolist()
    return left, top, right - left, bottom - top
