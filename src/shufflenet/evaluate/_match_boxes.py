"""Which boxes of images were found, which were missed, and which were found where none is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from shufflenet.boxes import iou
from shufflenet.data.boxes import BoxSet
from shufflenet.spec import Detection

__all__ = ["BoxMatch", "MatchKind", "match_boxes"]

MatchKind = Literal["found", "missed", "wrong"]
_MIN_IOU = 0.5  # of a box and the one that finds it


@dataclass(frozen=True, slots=True)
class BoxMatch:
    """A box to find, a box found, or both.

    Attributes:
        place: The image's place in its set.
        label: The class: of the box to find, or of what was found where none is.
        box: The box to find: left, top, width and height, px. None if what was found is none.
        found: What was found; None if the box was missed.
        iou: The overlap of both, 0 to 1. Of a box missed, the largest with one found of its class;
            of a wrong one, with a box to find of any class.
        label_there: Of a wrong box that overlaps one of another class by half, that class.
    """

    place: int
    label: int
    box: tuple[float, float, float, float] | None
    found: Detection | None
    iou: float
    label_there: int | None = None

    @property
    def kind(self) -> MatchKind:
        """``found``, ``missed``, or ``wrong``: found where no such box is."""
        return "missed" if self.found is None else "found" if self.box is not None else "wrong"


def match_boxes(
    found: Sequence[Sequence[Detection]], images: BoxSet, *, min_score: float
) -> list[BoxMatch]:
    """Return each box to find and each box found of at least a score, as matched at an IoU of 0.5.

    As COCO's program does, a box found, best first, takes the box of its class that it overlaps
    most among those not taken yet; of several that it overlaps alike, the last. One that lies by
    half in an ignored box counts neither for nor against, and neither does the ignored box: both
    are left out.

    Args:
        found: Of each image, in order, its boxes; ``Detection.index`` is a class of ``images``.
        images: The boxes to find.
        min_score: The least score of a box that counts as found, 0 to 1.

    Returns:
        Image by image: the boxes to find in their order, then the wrong ones, best first.

    Source: ``COCOeval.evaluateImg`` of https://github.com/cocodataset/cocoapi
    """
    matches: list[BoxMatch] = []
    for place, boxes in enumerate(found):
        kept = [each for each in boxes if each.score >= min_score]
        kept.sort(key=lambda each: -each.score)
        matches += _of_image(place, kept, images)
    return matches


def _of_image(place: int, found: Sequence[Detection], images: BoxSet) -> list[BoxMatch]:
    truth, labels, ignored = images.boxes[place], images.labels[place], images.ignored[place]
    corners = _corners(truth)
    rows = _corners(np.array([each.box for each in found], np.float64).reshape(-1, 4))
    overlaps = iou(rows, corners)  # (found, boxes to find)
    classes = np.array([each.index for each in found], np.intp)
    same = overlaps * (classes[:, None] == labels[None])
    free, taken, wrong = ~ignored, dict[int, int](), list[BoxMatch]()
    for number, each in enumerate(found):
        shares = np.where(free, same[number], 0)
        best = len(shares) - 1 - int(shares[::-1].argmax()) if len(shares) else -1  # the last
        if best >= 0 and shares[best] >= _MIN_IOU:
            free[best], taken[best] = False, number
        elif not _is_ignored(rows[number], corners[ignored & (labels == each.index)]):
            wrong.append(_wrong(place, each, overlaps[number, ~ignored], labels[~ignored]))
    boxes = []
    for box in np.flatnonzero(~ignored).tolist():
        by = taken.get(box)
        share = same[:, box].max(initial=0) if by is None else same[by, box]
        left, top, width, height = truth[box].tolist()
        finder = None if by is None else found[by]
        sides = (left, top, width, height)
        boxes.append(BoxMatch(place, int(labels[box]), sides, finder, float(share)))
    return boxes + wrong


def _wrong(
    place: int,
    found: Detection,
    overlaps: npt.NDArray[np.float64],
    labels: npt.NDArray[np.intp],
) -> BoxMatch:
    label, there, share = found.index, None, 0.0
    if len(overlaps):
        best = int(overlaps.argmax())
        share, nearest = float(overlaps[best]), int(labels[best])
        there = nearest if share >= _MIN_IOU and nearest != label else None
    return BoxMatch(place, label, None, found, share, there)


def _is_ignored(box: npt.NDArray[np.float64], ignored: npt.NDArray[np.float64]) -> bool:
    """Return whether at least half of a box, left, top, right, bottom, lies in an ignored one."""
    sides = np.minimum(box[2:], ignored[:, 2:]) - np.maximum(box[:2], ignored[:, :2])
    inside = np.maximum(sides, 0).prod(axis=1)
    area = float((box[2:] - box[:2]).prod())
    return bool((inside >= _MIN_IOU * area).any())


def _corners(boxes: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return left, top, right, bottom of boxes of left, top, width, height, ``(n, 4)``."""
    boxes = np.asarray(boxes, np.float64)
    corners: npt.NDArray[np.float64] = np.concatenate(
        [boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1
    )
    return corners
