"""Which classes are taken for which."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.analyze._answers import Answers

__all__ = ["ConfusedPair", "Confusion", "confused_pairs", "count_confusion"]


@dataclass(frozen=True, eq=False, slots=True)
class Confusion:
    """How many images of each class are taken for each class.

    Attributes:
        counts: int64 ``(classes, classes)``: a row for each class of an image, a column for each
            class predicted. Images that could not be read are not counted.
    """

    counts: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Two classes of which one is taken for the other.

    Attributes:
        label: The class of the images, as an index of the card's labels.
        predicted: The class that they are taken for.
        images: How many of them.
        of: How many images of the class ``label`` could be read.
    """

    label: int
    predicted: int
    images: int
    of: int


def count_confusion(answers: Answers) -> Confusion:
    """Count how many images of each class are taken for each class."""
    classes = answers.card.network.classes
    cells = answers.labels * classes + answers.predicted
    counts = np.bincount(cells, minlength=classes * classes)
    return Confusion(counts.reshape(classes, classes))


def confused_pairs(confusion: Confusion, limit: int) -> tuple[ConfusedPair, ...]:
    """Return the pairs of classes that are confused for most images, at most ``limit``.

    Of pairs with as many images, the one whose class has fewer images comes first.
    """
    counts = confusion.counts.copy()
    np.fill_diagonal(counts, 0)
    totals = confusion.counts.sum(axis=1)
    labels, predicted = np.nonzero(counts)
    images = counts[labels, predicted]
    order = np.lexsort((predicted, labels, totals[labels], -images))[:limit]
    return tuple(
        ConfusedPair(
            int(labels[i]),
            int(predicted[i]),
            int(images[i]),
            int(totals[labels[i]]),
        )
        for i in order
    )
