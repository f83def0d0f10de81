"""The images and boxes of a detector's run: opened, split, and numbered alike."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shufflenet.data import ImageSet, Part, split
from shufflenet.data.boxes import BoxSet, label_boxes_as, open_boxes
from shufflenet.errors import TooFewToSplit
from shufflenet.spec import Label
from shufflenet.train.detection._load_view import Boxed

__all__ = ["BoxSets", "boxed", "hold_out", "images_of", "open_box_set", "open_validation"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BoxSets:
    """The boxes that a detector is trained on and validated on, with classes numbered alike."""

    training: BoxSet
    validation: BoxSet


def open_box_set(source: str | Path, part: Part) -> BoxSet:
    """Open images and boxes, and log what was understood of them and what is not used."""
    found = open_boxes(source, part)
    for sentence in found.findings.sentences(found.source):
        _log.info("%s", sentence)
    return found


def open_validation(source: str | Path, classes: Sequence[str]) -> BoxSet:
    """Open what a detector of these classes is validated on.

    Raises:
        DataError: the data cannot be read, or have boxes of other classes.
    """
    return label_boxes_as(open_box_set(source, "val"), [Label(name, name) for name in classes])


def images_of(boxes: BoxSet) -> ImageSet:
    """Return the images of a set of boxes; ``labels`` of a sample are the classes in the image.

    Those of ignored boxes are none: nothing is learned of them or measured by them.
    """
    samples = tuple(
        replace(sample, label=-1, labels=tuple(np.unique(labels[~ignored]).tolist()))
        for sample, labels, ignored in zip(boxes.samples, boxes.labels, boxes.ignored, strict=True)
    )
    return ImageSet(boxes.source, boxes.classes, samples, "detection", spool=boxes.spool)


def hold_out(boxes: BoxSet, fraction: float, seed: int) -> BoxSets:
    """Hold out a share of the images of every class; see ``data.split``.

    Raises:
        TooFewToSplit: every class has a single image.
    """
    images = images_of(boxes)
    held = split(images, fraction, seed)[1]
    if not any(held.right):
        raise TooFewToSplit(images.source, images.classes[min(filter(None, images.right))[0]])
    held_out = set(held.samples)
    drawn = [sample in held_out for sample in images.samples]
    return BoxSets(_part(boxes, [not each for each in drawn]), _part(boxes, drawn))


def _part(boxes: BoxSet, chosen: Sequence[bool]) -> BoxSet:
    numbers = np.flatnonzero(chosen).tolist()
    return replace(
        boxes,
        samples=tuple(boxes.samples[i] for i in numbers),
        boxes=tuple(boxes.boxes[i] for i in numbers),
        labels=tuple(boxes.labels[i] for i in numbers),
        ignored=tuple(boxes.ignored[i] for i in numbers),
        sizes=tuple(boxes.sizes[i] for i in numbers) if boxes.sizes else (),
    )


def boxed(boxes: BoxSet) -> Boxed:
    """Return images with the boxes to learn, which are all but those that are to be ignored."""
    learned = []
    for each, labels, ignored in zip(boxes.boxes, boxes.labels, boxes.ignored, strict=True):
        corners = np.concatenate([labels[:, None], each[:, :2], each[:, :2] + each[:, 2:]], axis=1)
        learned.append(corners[~ignored].astype(np.float32))
    return Boxed(tuple(boxes.samples), tuple(learned))
