"""Accuracy: how many images of a labeled set a classifier predicts correctly, and which not."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.data import ImageSet, Sample
from shufflenet.errors import ImageError
from shufflenet.runtimes import Classifier, Prediction, guarded, run_batches, top_k
from shufflenet.spec import Accuracy, Card

__all__ = ["Mistake", "evaluate"]

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


def evaluate(
    classifier: Classifier,
    images: ImageSet,
    *,
    batch: int = 50,
    on_progress: Callable[[int], None] = lambda done: None,
    on_mistake: Callable[[Mistake], None] = lambda mistake: None,
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

    Raises:
        SpecError: the network does not take images of three channels.
        CheckpointError: the network cannot be computed, or not to a finite logit for each class.
    """
    network, card = guarded(classifier), classifier.card
    total = Accuracy(images=0, top1=0, top5=0)
    for sample, logits in run_batches(network, card, images.samples, batch=batch):
        if isinstance(logits, ImageError):
            _log.warning("%s It counts as wrong.", logits)
            on_mistake(Mistake(sample, error=logits))
            total = Accuracy(images=total.images + 1, top1=total.top1, top5=total.top5)
        else:
            rivals = int((logits >= logits[sample.label]).sum()) - 1
            if rivals:
                on_mistake(Mistake(sample, _rival(logits, sample.label, card)))
            total = Accuracy(
                images=total.images + 1,
                top1=total.top1 + (rivals < 1),
                top5=total.top5 + (rivals < 5),
            )
        on_progress(1)
    return total


def _rival(logits: npt.NDArray[np.float32], label: int, card: Card) -> Prediction:
    """Return the most probable class; if the image's own is equally probable, the other."""
    first, second = top_k(logits, card.labels, k=2)
    return second if first.index == label else first
