"""Images drawn at random, some to calibrate on and others to compare int8 with float on."""

import logging
from dataclasses import dataclass, replace

import numpy as np

from shufflenet.data import ImageSet, check_one_label, label_as, multi_label
from shufflenet.errors import DataError
from shufflenet.evaluate import right_classes
from shufflenet.quantize._draw import draw
from shufflenet.quantize._hold_out import HoldOut, Labels
from shufflenet.quantize._options import QuantizeOptions
from shufflenet.quantize._session import Logits, Pixels, Progress
from shufflenet.spec import Card

__all__ = ["CalibrationSplit", "draw_split"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CalibrationSplit:
    """Images drawn at random, pixels ``(n, h, w, c)``.

    Attributes:
        calibration: The images that ranges and roundings are fitted to.
        held_out: Other images, on which correct predictions are counted.
        labels: The classes of the images held out, ``(n,)``, or which are right for a multi-label
            model, bool ``(n, classes)``; None where the class folders are not
            the model's classes.
        is_multi_label: Whether the model is; float's answers then are all that it finds probable.
    """

    calibration: Pixels
    held_out: Pixels
    labels: Labels | None
    is_multi_label: bool = False

    @property
    def is_labeled(self) -> bool:
        """Whether the right answers are known."""
        return self.labels is not None

    def hold_out(self, reference: Logits) -> HoldOut:
        """Return the images held out; without labels, float's predictions count as correct.

        Args:
            reference: Float's logits of them, ``(n, classes)``.
        """
        labels = self.labels
        if labels is None:
            labels = reference >= 0 if self.is_multi_label else reference.argmax(1)
        return HoldOut(self.held_out, labels, reference)


def draw_split(
    images: ImageSet, card: Card, options: QuantizeOptions, on_progress: Progress
) -> CalibrationSplit:
    """Draw images and load them, ``(n, h, w, c)``; at most half of them are calibrated on.

    Args:
        images: The images to draw from.
        card: The preprocessing of images, and the classes of the model.
        options: How many images to calibrate on, and the seed.
        on_progress: Called with 1 after each image.

    Raises:
        BlankImages: every image has a single color.
        TooFewImages: fewer than two images can be read.
    """
    known = _with_labels_of(images, card)
    images = known or images
    drawn = draw(images.samples, images.source, card.preprocess, options, on_progress)
    held = [images.samples[number] for number in drawn.numbers[drawn.count :]]
    labels = _labels(replace(known, samples=tuple(held))) if known else None
    return CalibrationSplit(
        drawn.pixels[: drawn.count],
        drawn.pixels[drawn.count :],
        labels,
        card.task == "multi-label",
    )


def _with_labels_of(images: ImageSet, card: Card) -> ImageSet | None:
    """Return the images with the class numbers of a model; None if they have other classes."""
    try:
        if card.task == "multi-label":
            images = multi_label(images)
        else:
            check_one_label(images, card)
        return label_as(images, card.labels)
    except DataError as error:
        _log.warning("%s The predictions of the float network count as correct.", error)
        return None


def _labels(images: ImageSet) -> Labels:
    if images.task == "multi-label":
        return right_classes(images)
    return np.array([sample.label for sample in images.samples])
