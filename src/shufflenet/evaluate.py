"""Accuracy: how many images of a labeled set a classifier predicts correctly."""

import logging
from collections.abc import Callable

from shufflenet.data import ImageSet
from shufflenet.errors import ImageError
from shufflenet.runtimes import Classifier, run_batches
from shufflenet.spec import Accuracy

__all__ = ["evaluate"]

_log = logging.getLogger(__name__)


def evaluate(
    classifier: Classifier,
    images: ImageSet,
    *,
    batch: int = 50,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Accuracy:
    """Count correct predictions over all images of a set labeled by the model's class indices.

    An image whose class ties with another counts as wrong, and so does one whose logits are NaN
    or one that cannot be read; a warning names the latter.

    Args:
        classifier: Any runtime.
        images: The set; see ``data.relabel``.
        batch: The number of images in a call of the classifier.
        on_progress: Called with the number of images counted since the last call.

    Raises:
        SpecError: the network does not take images of three channels.
    """
    network, card = classifier.logits_from_pixels, classifier.card
    total = Accuracy(images=0, top1=0, top5=0)
    for sample, logits in run_batches(network, card, images.samples, batch=batch):
        if isinstance(logits, ImageError):
            _log.warning("%s It counts as wrong.", logits)
            rivals = len(images.classes)
        else:
            rivals = int((~(logits < logits[sample.label])).sum()) - 1  # NaN is a rival too
        total = Accuracy(
            images=total.images + 1,
            top1=total.top1 + (rivals < 1),
            top5=total.top5 + (rivals < 5),
        )
        on_progress(1)
    return total
