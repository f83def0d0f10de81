"""How many images a classifier answers rightly."""

from collections.abc import Callable

import numpy as np

from shufflenet.data import ImageSet, decoded
from shufflenet.engine import Classifier, in_batches
from shufflenet.errors import ImageError
from shufflenet.preprocess import normalised
from shufflenet.spec import Accuracy

__all__ = ["evaluate"]


def evaluate(
    classifier: Classifier,
    images: ImageSet,
    *,
    batch: int = 50,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Accuracy:
    """Count right answers over all images of a set whose labels are the model's class indices.

    An image whose right class ties with another counts against the model, so that a network
    that answers the same for every class scores nothing.

    Args:
        classifier: Any runtime.
        images: The set; see ``data.relabelled``.
        batch: How many images go through the network at once.
        on_progress: Called after every batch with the number of images in it.

    Raises:
        ImageError: an image cannot be read; a count over the others would be of another set.
    """
    how = classifier.card.preprocess
    total = Accuracy(images=0, top1=0, top5=0)
    for group in in_batches(decoded(images.samples, how), batch):
        for _, pixels in group:
            if isinstance(pixels, ImageError):
                raise pixels
        logits = classifier.logits(normalised(np.stack([pixels for _, pixels in group]), how))
        labels = np.array([sample.label for sample, _ in group])
        right = logits[np.arange(len(labels)), labels][:, None]
        better = (logits >= right).sum(axis=1) - 1  # classes at least as probable as the right one
        total = Accuracy(
            images=total.images + len(labels),
            top1=total.top1 + int((better < 1).sum()),
            top5=total.top5 + int((better < 5).sum()),
        )
        on_progress(len(group))
    return total
