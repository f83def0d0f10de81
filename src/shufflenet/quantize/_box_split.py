"""Images with boxes drawn at random, some to calibrate on, others to compare detectors on."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shufflenet.boxes import Placement, find_detections
from shufflenet.data.boxes import BoxSet, label_boxes_as
from shufflenet.errors import DataError
from shufflenet.preprocess import placement
from shufflenet.quantize._box_hold_out import ANSWERED, BoxHoldOut
from shufflenet.quantize._draw import draw
from shufflenet.quantize._options import QuantizeOptions
from shufflenet.quantize._session import Logits, Pixels, Progress
from shufflenet.spec import Card

__all__ = ["BoxSplit", "draw_box_split"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BoxSplit:
    """Images with boxes drawn at random, pixels ``(n, h, w, c)``.

    Attributes:
        calibration: The images that ranges and roundings are fitted to.
        held_out: Other images, on which boxes are looked for.
        places: Where in the pixels each of these lies.
        boxes: Their boxes.
        is_labeled: Whether these are numbered as the model's classes, and not boxes of others.
    """

    calibration: Pixels
    held_out: Pixels
    places: Sequence[Placement]
    boxes: BoxSet
    is_labeled: bool

    def hold_out(self, reference: Logits) -> BoxHoldOut:
        """Return the images held out; if boxes are of other classes, those of float count as right.

        Args:
            reference: What the float detector computes of them, ``(n, cells, 4 + classes)``.
        """
        boxes = self.boxes if self.is_labeled else self._found(reference)
        return BoxHoldOut(self.held_out, boxes, self.places, reference)

    def _found(self, reference: Logits) -> BoxSet:
        found = [
            find_detections(rows, self.boxes.classes, place, ANSWERED)
            for rows, place in zip(reference, self.places, strict=True)
        ]
        return replace(
            self.boxes,
            boxes=[np.array([x.box for x in some], np.float32).reshape(-1, 4) for some in found],
            labels=[np.array([x.index for x in some], np.intp) for some in found],
            ignored=[np.zeros(len(some), np.bool_) for some in found],
        )


def draw_box_split(
    images: BoxSet, card: Card, options: QuantizeOptions, on_progress: Progress
) -> BoxSplit:
    """Draw images and load them, ``(n, h, w, c)``; at most half of them are calibrated on.

    Args:
        images: The images to draw from.
        card: The preprocessing of images, and the classes of the detector.
        options: How many images to calibrate on, and the seed.
        on_progress: Called with 1 after each image.

    Raises:
        BlankImages: every image has a single color.
        TooFewImages: fewer than two images can be read.
    """
    known = _with_labels_of(images, card)
    drawn = draw(images.samples, images.source, card.preprocess, options, on_progress)
    held = drawn.numbers[drawn.count :]
    sizes = drawn.sizes[drawn.count :]
    named = known or replace(images, classes=tuple(label.name for label in card.labels))
    return BoxSplit(
        calibration=drawn.pixels[: drawn.count],
        held_out=drawn.pixels[drawn.count :],
        places=[placement(*size, card.preprocess) for size in sizes],
        boxes=replace(
            named,
            samples=tuple(named.samples[number] for number in held),
            boxes=[named.boxes[number] for number in held],
            labels=[named.labels[number] for number in held],
            ignored=[named.ignored[number] for number in held],
            sizes=sizes,
        ),
        is_labeled=known is not None,
    )


def _with_labels_of(images: BoxSet, card: Card) -> BoxSet | None:
    """Return the boxes with the class numbers of a model; None if they are of other classes."""
    try:
        return label_boxes_as(images, card.labels)
    except DataError as error:
        _log.warning("%s The boxes that the float network finds count as correct.", error)
        return None
