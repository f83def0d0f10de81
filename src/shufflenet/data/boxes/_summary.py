"""What a set of images with boxes holds, counted: by class and by size."""

from dataclasses import dataclass

import numpy as np

from shufflenet.data.boxes._findings import BoxFindings
from shufflenet.data.boxes._sets import BoxSet

__all__ = ["BoxSummary", "ClassOfBoxes", "summarize"]

# COCO's classes of sizes by the area of a box, px: cocoapi, cocoeval.py, Params.areaRng.
_MEDIUM_PX, _LARGE_PX = 32**2, 96**2


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassOfBoxes:
    """How often a class is in a set.

    Attributes:
        index: Its number.
        label: Its name.
        images: How many images have a box of it.
        boxes: How many boxes there are.
        small: Those of less than 32 x 32 px.
        medium: Those of less than 96 x 96 px that are not small.
        large: The others.
    """

    index: int
    label: str
    images: int
    boxes: int
    small: int
    medium: int
    large: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxSummary:
    """What a set of images with boxes holds.

    Attributes:
        source: The name of the data.
        images: How many.
        boxes: How many.
        smallest_px: The least width and the least height of the images, px.
        largest_px: The greatest width and the greatest height.
        classes: What there is of each class.
        findings: What was understood of the data, and what of it is changed or left out.
    """

    source: str
    images: int
    boxes: int
    smallest_px: tuple[int, int]
    largest_px: tuple[int, int]
    classes: tuple[ClassOfBoxes, ...]
    findings: BoxFindings


def summarize(images: BoxSet) -> BoxSummary:
    """Count what an opened set holds."""
    boxes, labels = np.concatenate(images.boxes), np.concatenate(images.labels)
    areas = boxes[:, 2] * boxes[:, 3]
    having = np.array([np.isin(range(len(images.classes)), each) for each in images.labels])
    sizes = np.array(images.sizes)
    classes = []
    for index, label in enumerate(images.classes):
        own = areas[labels == index]
        small, large = int((own < _MEDIUM_PX).sum()), int((own >= _LARGE_PX).sum())
        counts = {"small": small, "medium": len(own) - small - large, "large": large}
        having_it = int(having[:, index].sum())
        classes.append(
            ClassOfBoxes(index=index, label=label, images=having_it, boxes=len(own), **counts)
        )
    return BoxSummary(
        source=images.source,
        images=len(images),
        boxes=len(boxes),
        smallest_px=tuple(sizes.min(axis=0).tolist()),
        largest_px=tuple(sizes.max(axis=0).tolist()),
        classes=tuple(classes),
        findings=images.findings,
    )
