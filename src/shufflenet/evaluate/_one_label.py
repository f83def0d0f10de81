"""Accuracy: how many images of a labeled set a classifier predicts correctly, and which not."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.data import ImageSet, Photo, Sample, check_one_label
from shufflenet.errors import ImageError
from shufflenet.runtimes import (
    Classifier,
    Prediction,
    check_classifier,
    guarded,
    probabilities,
    run_batches,
    top_k,
)
from shufflenet.spec import Accuracy, Card

__all__ = ["Detail", "Mistake", "evaluate"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mistake:
    """An image that counts as wrong.

    Attributes:
        sample: The image and its label.
        predicted: The most probable class, or the other one where two are equally probable; None
            if the image cannot be read.
        error: Why it cannot be read.
    """

    sample: Sample
    predicted: Prediction | None = None
    error: ImageError | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """How an image is answered.

    Attributes:
        photo: The image, its label, its size and its brightness.
        predicted: The most probable class, as of a ``Mistake``; None if it cannot be read.
        rank: The rank of its own class, 1 for the most probable; classes that are as probable are
            before it. 0 if it cannot be read.
        own_probability: The probability of its own class, 0 to 1.
        error: Why it cannot be read.
    """

    photo: Photo
    predicted: Prediction | None = None
    rank: int = 0
    own_probability: float = 0.0
    error: ImageError | None = None


def evaluate(
    classifier: Classifier,
    images: ImageSet,
    *,
    batch: int = 50,
    on_progress: Callable[[int], None] = lambda done: None,
    on_mistake: Callable[[Mistake], None] = lambda mistake: None,
    on_detail: Callable[[Detail], None] | None = None,
) -> Accuracy:
    """Count correct predictions over all images of a set labeled by the model's class indices.

    An image whose class ties with another counts as wrong, and so does one that cannot be read,
    however few the classes; a warning names the latter.

    Args:
        classifier: Any runtime.
        images: The set; see ``data.relabel``.
        batch: The number of images in a call of the classifier.
        on_progress: Called with the number of images counted since the last call.
        on_mistake: Called with each image whose most probable class is not its own, in order.
        on_detail: Called with every image, in order.

    Raises:
        FindsBoxes: it is a detector.
        SeveralRightClasses: the set is multi-label.
        SpecError: the model is a multi-label one, or takes no images.
        CheckpointError: the network cannot be computed, or not to a finite logit for each class.
    """
    network, card = guarded(classifier), classifier.card
    check_classifier(card, "answer images of classes")
    check_one_label(images, card)
    total = Accuracy(images=0, top1=0, top5=0)
    photos = (Photo(sample, measured=on_detail is not None) for sample in images.samples)
    for photo, logits in run_batches(network, card, photos, batch=batch):
        sample, rank = photo.sample, 0
        if isinstance(logits, ImageError):
            _log.warning("%s It counts as wrong.", logits)
            on_mistake(Mistake(sample, error=logits))
        else:
            rank = int((logits >= logits[sample.label]).sum())
            if rank > 1:
                on_mistake(Mistake(sample, _rival(logits, sample.label, card)))
        if on_detail:
            on_detail(_detail(photo, logits, rank, card))
        total = Accuracy(
            images=total.images + 1,
            top1=total.top1 + (rank == 1),
            top5=total.top5 + (1 <= rank <= 5),
        )
        on_progress(1)
    return total


def _detail(
    photo: Photo, logits: npt.NDArray[np.float32] | ImageError, rank: int, card: Card
) -> Detail:
    if isinstance(logits, ImageError):
        return Detail(photo, error=logits)
    label = photo.sample.label
    predicted = _rival(logits, label, card) if rank > 1 else top_k(logits, card, k=1)[0]
    own = float(probabilities(logits, card.task)[label])
    return Detail(photo, predicted, rank, own)


def _rival(logits: npt.NDArray[np.float32], label: int, card: Card) -> Prediction:
    """Return the most probable class; if the image's own is equally probable, the other."""
    first, second = top_k(logits, card, k=2)
    return second if first.index == label else first
