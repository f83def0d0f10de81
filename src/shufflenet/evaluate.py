"""How many images a classifier answers rightly."""

from collections.abc import Callable

from shufflenet.data import ImageSet
from shufflenet.engine import Classifier, answered
from shufflenet.errors import ImageError
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
        on_progress: Called with the number of images counted since the last call.

    Raises:
        ImageError: an image cannot be read; a count over the others would be of another set.
    """
    total = Accuracy(images=0, top1=0, top5=0)
    for sample, logits in answered(classifier, images.samples, batch=batch):
        if isinstance(logits, ImageError):
            raise logits
        better = int((logits >= logits[sample.label]).sum()) - 1  # classes at least as probable
        total = Accuracy(
            images=total.images + 1,
            top1=total.top1 + (better < 1),
            top5=total.top5 + (better < 5),
        )
        on_progress(1)
    return total
