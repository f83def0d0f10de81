"""The accuracy of a detector over images with boxes: what it finds in them, and how well."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from shufflenet.boxes import Search
from shufflenet.data.boxes import BoxSet, check_box_set, label_boxes_as
from shufflenet.errors import ImageError
from shufflenet.evaluate._boxes import check_measures, measure_boxes
from shufflenet.runtimes import Classifier, detect
from shufflenet.spec import Card, Detection, DetectionAccuracy

__all__ = ["FoundBoxes", "evaluate_detector", "find_boxes", "fit_boxes"]

# As COCO measures: nearly every box, of an image at most 100.
_SEARCH = Search(min_score=0.001, k=100)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FoundBoxes:
    """What a detector found in the images of a set.

    Attributes:
        found: Of each image, in order, its boxes, best first; none where it cannot be read.
        unread: The images that cannot be read, by their place in the set, and why.
    """

    found: tuple[tuple[Detection, ...], ...]
    unread: Mapping[int, ImageError]


def fit_boxes(images: BoxSet, card: Card) -> BoxSet:
    """Return images with boxes whose classes are numbered and named as a detector does.

    Boxes of classes that it lacks are left out, and counted in ``findings.other_classes``.

    Raises:
        AmbiguousClass: a class of the set fits several of the detector.
        UnknownBoxClasses: the detector knows none of the classes.
    """
    names = tuple(label.name for label in card.labels)
    return replace(label_boxes_as(images, card.labels, partial=True), classes=names)


def evaluate_detector(
    detector: Classifier,
    images: BoxSet,
    *,
    on_progress: Callable[[int], None] = lambda done: None,
) -> DetectionAccuracy:
    """Return COCO's measures of the boxes that a detector finds in images.

    Args:
        detector: Any runtime that computes detectors.
        images: Images with boxes, labeled by the detector's classes; see ``fit_boxes``.
        on_progress: Called with the number of images searched since the last call.

    Raises:
        FindsNoBoxes: it is a classifier.
        CheckpointError: the network cannot be computed.
        MissingDependency: faster-coco-eval is not installed.
    """
    check_measures()
    check_box_set(images)
    return measure_boxes(find_boxes(detector, images, on_progress=on_progress).found, images)


def find_boxes(
    detector: Classifier,
    images: BoxSet,
    *,
    batch: int = 8,
    on_progress: Callable[[int], None] = lambda done: None,
) -> FoundBoxes:
    """Return what a detector finds in each image, down to a score of 0.001.

    In an image that cannot be read nothing is found, so that its boxes are missed; a warning names
    it.

    Args:
        detector: Any runtime that computes detectors.
        images: The images.
        batch: The number of images that are computed at once.
        on_progress: Called with the number of images searched since the last call.

    Raises:
        FindsNoBoxes: it is a classifier.
        CheckpointError: the network cannot be computed.
    """
    check_box_set(images)
    found, unread = list[tuple[Detection, ...]](), dict[int, ImageError]()
    for _, boxes in detect(detector, images.samples, _SEARCH, batch=batch):
        if isinstance(boxes, ImageError):
            _log.warning("%s Its boxes count as missed.", boxes)
            unread[len(found)], boxes = boxes, ()
        found.append(tuple(boxes))
        on_progress(1)
    return FoundBoxes(tuple(found), unread)
