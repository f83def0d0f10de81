"""COCO's measures of the boxes that were found in images, computed by faster-coco-eval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shufflenet.data.boxes import BoxSet
from shufflenet.errors import MissingDependency
from shufflenet.spec import Detection, DetectionAccuracy

if TYPE_CHECKING:
    from faster_coco_eval import COCO, COCOeval_faster

__all__ = [
    "IOUS",
    "RECALLS",
    "BoxMeasures",
    "ClassOfFound",
    "check_measures",
    "judge_boxes",
    "measure_boxes",
]

IOUS = tuple(i / 100 for i in range(50, 100, 5))  # of a box and the one that finds it, at least
RECALLS = tuple(i / 100 for i in range(101))  # where COCO reads a curve of precision


@dataclass(frozen=True, slots=True)
class ClassOfFound:
    """How well the boxes of a class are found.

    Attributes:
        index: The class.
        label: Its name.
        boxes: The boxes to find.
        ap: Average precision, 0 to 1: the mean over each of ``IOUS``. None without a box to find,
            as are the others.
        ap50: At an IoU of 0.5.
        by_iou: At each of ``IOUS``.
        curve: At an IoU of 0.5, the best precision at a recall of at least each of ``RECALLS``.
    """

    index: int
    label: str
    boxes: int
    ap: float | None
    ap50: float | None
    by_iou: tuple[float, ...] | None
    curve: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class BoxMeasures:
    """How well boxes are found: of all classes, and of each."""

    accuracy: DetectionAccuracy
    classes: tuple[ClassOfFound, ...]


def measure_boxes(found: Sequence[Sequence[Detection]], images: BoxSet) -> DetectionAccuracy:
    """Return COCO's measures of the boxes found in each image, as ``judge_boxes`` does.

    Raises:
        MissingDependency: faster-coco-eval is not installed.
    """
    return judge_boxes(found, images).accuracy


def judge_boxes(found: Sequence[Sequence[Detection]], images: BoxSet) -> BoxMeasures:
    """Return COCO's measures of the boxes found in each image, in all classes and in each.

    At most the best 100 boxes of a class in an image count. An ignored box is what COCO calls a
    crowd: whatever lies in it counts neither for nor against.

    Args:
        found: Of each image, in order, its boxes; ``Detection.index`` is a class of ``images``.
        images: The boxes to find, labeled by the detector's classes; see ``label_boxes_as``.

    Raises:
        MissingDependency: faster-coco-eval is not installed.

    Source: https://cocodataset.org/#detection-eval
    """
    coco, judge_type = _load()
    truth = coco(_truth(images))
    judge = judge_type(truth, truth.loadRes(_rows(found)), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    labels = np.concatenate([np.empty(0, np.intp), *images.labels])
    counted = labels[~np.concatenate([np.empty(0, np.bool_), *images.ignored])]
    boxes = np.bincount(counted, minlength=len(images.classes)).tolist()
    names = enumerate(zip(images.classes, boxes, strict=True))
    return BoxMeasures(
        _accuracy(judge, len(images), len(counted)),
        tuple(_of_class(judge, index, name, count) for index, (name, count) in names),
    )


def check_measures() -> None:
    """Check that boxes can be measured, before hours are spent to find some.

    Raises:
        MissingDependency: faster-coco-eval is not installed.
    """
    _load()


def _load() -> "tuple[type[COCO], type[COCOeval_faster]]":
    try:
        from faster_coco_eval import COCO, COCOeval_faster  # noqa: PLC0415  # an extra installs it
    except ModuleNotFoundError as error:
        raise MissingDependency("Measuring boxes", "faster-coco-eval", "detect") from error
    return COCO, COCOeval_faster


def _truth(images: BoxSet) -> dict[str, Any]:
    """Return the boxes to find as COCO's JSON has them; images are numbered from 0."""
    annotations: list[dict[str, Any]] = []
    for number, boxes in enumerate(images.boxes):
        of_each = zip(boxes.tolist(), images.labels[number], images.ignored[number], strict=True)
        annotations += [
            {
                "image_id": number,
                "bbox": box,
                "area": box[2] * box[3],
                "category_id": int(label),
                "iscrowd": int(ignored),
            }
            for box, label, ignored in of_each
        ]
    return {
        "images": [{"id": number} for number in range(len(images))],
        "categories": [{"id": i, "name": name} for i, name in enumerate(images.classes)],
        "annotations": [{"id": i + 1, **each} for i, each in enumerate(annotations)],
    }


def _rows(found: Sequence[Sequence[Detection]]) -> list[dict[str, Any]]:
    """Return the boxes found as COCO's JSON of results has them."""
    return [
        {"image_id": i, "category_id": each.index, "bbox": list(each.box), "score": each.score}
        for i, boxes in enumerate(found)
        for each in boxes
    ]


def _accuracy(judge: "COCOeval_faster", images: int, boxes: int) -> DetectionAccuracy:
    stats = [None if value < 0 else min(1.0, float(value)) for value in judge.stats[:6]]
    return DetectionAccuracy(
        images=images,
        boxes=boxes,
        map=stats[0] or 0.0,
        map50=stats[1] or 0.0,
        map75=stats[2] or 0.0,
        map_small=stats[3],
        map_medium=stats[4],
        map_large=stats[5],
    )


def _of_class(judge: "COCOeval_faster", index: int, name: str, boxes: int) -> ClassOfFound:
    if not boxes:
        return ClassOfFound(index, name, 0, None, None, None, None)
    # Of each IoU, recall, class, range of sizes (the first is all) and number of boxes an image.
    precision: npt.NDArray[np.float64] = judge.eval["precision"]
    curves = np.clip(precision[:, :, index, 0, -1], 0, 1)
    by_iou = tuple(curves.mean(axis=1).tolist())
    curve = tuple(curves[0].tolist())
    return ClassOfFound(index, name, boxes, float(curves.mean()), by_iou[0], by_iou, curve)
