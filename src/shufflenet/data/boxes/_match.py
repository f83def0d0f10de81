"""Fitting the classes of boxes to those of a detector, whatever their order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shufflenet.data._match import fitting_numbers
from shufflenet.data.boxes._sets import BoxSet, with_a_box
from shufflenet.errors import UnknownBoxClasses
from shufflenet.spec import Label

__all__ = ["label_boxes_as"]


def label_boxes_as(images: BoxSet, labels: Sequence[Label], *, partial: bool = False) -> BoxSet:
    """Renumber the classes of boxes as a detector numbers its own.

    A class of the set is one of the detector by its identifier or, if only one class has it, by its
    name; names that look the same are equal, see ``class_name``.

    Args:
        images: The images and boxes.
        labels: The detector's classes, in its order.
        partial: Whether boxes of classes that the detector lacks are left out, and counted in
            ``findings.other_classes``; otherwise they are refused. They always are if no class
            fits.

    Raises:
        AmbiguousClass: a class of the set fits several of the detector.
        NoBoxes: all boxes of the detector's classes are ignored.
        UnknownBoxClasses: the detector lacks classes of the set.
    """
    counts = Counter(label for each in images.labels for label in each.tolist())
    used = [name for number, name in enumerate(images.classes) if counts[number]]
    numbers = fitting_numbers(images.source, images.classes, used, labels)
    lacking = {
        name: counts[i]
        for i, (name, number) in enumerate(zip(images.classes, numbers, strict=True))
        if number is None and counts[i]
    }
    if lacking and (not partial or len(lacking) == len(used)):
        raise UnknownBoxClasses(images.source, list(lacking), [label.name for label in labels])
    to = np.array([-1 if number is None else number for number in numbers], np.intp)
    renumbered = [to[each] for each in images.labels]
    kept = [each >= 0 for each in renumbered]
    renamed = replace(
        images,
        classes=tuple(label.id for label in labels),
        boxes=tuple(each[keep] for each, keep in zip(images.boxes, kept, strict=True)),
        labels=tuple(each[keep] for each, keep in zip(renumbered, kept, strict=True)),
        ignored=tuple(each[keep] for each, keep in zip(images.ignored, kept, strict=True)),
        findings=replace(images.findings, other_classes=lacking),
    )
    return with_a_box(renamed)
