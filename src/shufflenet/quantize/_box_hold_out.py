"""Images held out from calibration, on which a detector in int8 is compared with float."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.boxes import Placement, Search, find_detections, iou
from shufflenet.data.boxes import BoxSet
from shufflenet.evaluate import measure_boxes
from shufflenet.quantize._session import Logits, Pixels
from shufflenet.spec import Detection, DetectionAccuracy

__all__ = ["ANSWERED", "BoxHoldOut"]

_MEASURED = Search(min_score=0.001)  # as COCO's measures are made
ANSWERED = Search()  # as ``predict`` answers
_SAME_IOU = 0.5
_SILENCE = 1e-30  # as of classifiers: the least power that has a logarithm


@dataclass(frozen=True, slots=True)
class BoxHoldOut:
    """Images that a detector was not calibrated on.

    Attributes:
        images: Pixels, ``(n, h, w, c)``.
        boxes: The boxes in them, numbered as the detector's classes.
        places: Where in the pixels each image lies.
        reference: What the float detector computes, ``(n, cells, 4 + classes)``.
    """

    images: Pixels
    boxes: BoxSet
    places: Sequence[Placement]
    reference: Logits

    def accuracy(self, rows: Logits) -> DetectionAccuracy:
        """Return COCO's measures of what a detector computes.

        Args:
            rows: ``(n, cells, 4 + classes)``, of the images held out.
        """
        return measure_boxes(self._find(rows, _MEASURED), self.boxes)

    def agreement(self, rows: Logits) -> int:
        """Return in how many images the same boxes are found as by float.

        They are if each box of one has a box of its class in the other that it overlaps by an IoU
        of at least 0.5; those of scores from 0.3 on are compared.

        Args:
            rows: ``(n, cells, 4 + classes)``, of the images held out.
        """
        pairs = zip(self._find(rows, ANSWERED), self._find(self.reference, ANSWERED), strict=True)
        return sum(_finds(one, other) and _finds(other, one) for one, other in pairs)

    def signal_to_noise_db(self, rows: Logits) -> float:
        """Return the signal-to-noise ratio of boxes and scores against those of float, in dB.

        Cells count as much as their best score in float, since boxes of empty cells are never
        shown. The ratio of the sides of boxes, as parts of the input's, and that of the scores are
        computed apart; the lower is returned.

        Args:
            rows: ``(k, cells, 4 + classes)``, of the first k images held out.
        """
        reference = self.reference[: len(rows)].astype(np.float64)
        weight = reference[..., 4:].max(axis=2, keepdims=True)
        return min(
            _ratio_db(reference[..., part], rows[..., part], weight)
            for part in (slice(0, 4), slice(4, None))
        )

    def _find(self, rows: Logits, search: Search) -> list[list[Detection]]:
        numbers = np.nan_to_num(rows, nan=0, posinf=0, neginf=0)
        pairs = zip(numbers, self.places, strict=True)
        return [find_detections(each, self.boxes.classes, place, search) for each, place in pairs]


def _finds(some: Sequence[Detection], others: Sequence[Detection]) -> bool:
    """Return whether every box of ``others`` has one of its class among ``some``."""
    if not some or not others:
        return not others
    overlaps = iou(_corners(some), _corners(others))
    same = np.array([[one.index == other.index for other in others] for one in some])
    return bool((same & (overlaps >= _SAME_IOU)).any(axis=0).all())


def _corners(found: Sequence[Detection]) -> npt.NDArray[np.float64]:
    boxes = np.array([each.box for each in found])
    return np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1)


def _ratio_db(
    reference: npt.NDArray[np.float64], rows: npt.NDArray[np.floating], weight: Logits
) -> float:
    center = (weight * reference).sum(axis=(0, 1)) / max(float(weight.sum()), _SILENCE)
    signal = float((weight * (reference - center) ** 2).sum())
    noise = float((weight * (rows - reference) ** 2).sum())
    return 10 * (math.log10(max(signal, _SILENCE)) - math.log10(max(noise, _SILENCE)))
