"""How many images a classifier answers rightly."""

import logging
from collections.abc import Callable

from shufflenet.data import ImageSet
from shufflenet.errors import ImageError
from shufflenet.runtimes import Classifier, answered
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
    """Count right answers over all images of a set whose labels are the model's class indices.

    An image whose right class ties with another, or whose logits are no numbers, counts against
    the model; so does one that cannot be read, and a warning names it.

    Args:
        classifier: Any runtime.
        images: The set; see ``data.relabel``.
        batch: How many images go through the network at once.
        on_progress: Called with the number of images counted since the last call.
    """
    total = Accuracy(images=0, top1=0, top5=0)
    for sample, logits in answered(classifier, images.samples, batch=batch):
        if isinstance(logits, ImageError):
            _log.warning("%s It counts as answered wrongly.", logits)
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
