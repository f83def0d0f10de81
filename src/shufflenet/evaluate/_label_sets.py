"""Accuracy of multi-label models: average precision of each class, and answers at one half."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.data import ImageSet, Sample, check_image_set
from shufflenet.errors import ImageError
from shufflenet.runtimes import Classifier, check_classifier, guarded, run_batches
from shufflenet.spec import Card, MultiLabelAccuracy

__all__ = [
    "ClassPrecision",
    "LabelMistake",
    "average_precision",
    "compute_logits",
    "measure_label_sets",
    "precision_of_classes",
    "right_classes",
]

_log = logging.getLogger(__name__)

_Logits = npt.NDArray[np.float32]
_Right = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LabelMistake:
    """An image whose answers are not its right classes.

    Attributes:
        sample: The image and its labels.
        logits: What the model computes of it, ``(classes,)``; None if the image cannot be read.
        error: Why it cannot be read.
    """

    sample: Sample
    logits: _Logits | None = None
    error: ImageError | None = None


@dataclass(frozen=True, slots=True)
class ClassPrecision:
    """How well a class is found.

    Attributes:
        index: Its number.
        label: Its name.
        average_precision: From 0 to 1; None if it is right for no image.
        right: The number of images that it is right for.
    """

    index: int
    label: str
    average_precision: float | None
    right: int


def right_classes(images: ImageSet) -> _Right:
    """Return which classes of each image are right, ``(images, classes)``."""
    right = np.zeros((len(images), len(images.classes)), bool)
    for row, labels in enumerate(images.right):
        right[row, list(labels)] = True
    return right


def compute_logits(
    classifier: Classifier,
    images: ImageSet,
    *,
    batch: int = 50,
    on_progress: Callable[[int], None] = lambda done: None,
    on_mistake: Callable[[LabelMistake], None] = lambda mistake: None,
) -> _Logits:
    """Compute the logits of the images of a set, ``(images, classes)``, in order.

    An image that cannot be read, which a warning names, has the logit minus infinity of every
    class: it comes last in each, and no class is its answer.

    Args:
        classifier: Any runtime.
        images: The set, labeled by the model's class indices.
        batch: The number of images in a call of the classifier.
        on_progress: Called with the number of images computed since the last call.
        on_mistake: Called with each image whose answers are not its right classes, in order.

    Raises:
        FindsBoxes: it is a detector.
        SpecError: the network takes no images, or these are no set of images.
        CheckpointError: the network cannot be computed, or not to a finite logit for each class.
    """
    check_classifier(classifier.card, "answer images of classes")
    check_image_set(images)
    network, card = guarded(classifier), classifier.card
    logits = np.full((len(images), len(card.labels)), -np.inf, np.float32)
    rows = run_batches(network, card, images.samples, batch=batch)
    for number, ((sample, row), right) in enumerate(zip(rows, images.right, strict=True)):
        if isinstance(row, ImageError):
            _log.warning("%s It counts as wrong.", row)
            on_mistake(LabelMistake(sample, error=row))
        else:
            logits[number] = row
            if tuple(np.flatnonzero(row >= 0).tolist()) != right:
                on_mistake(LabelMistake(sample, row))
        on_progress(1)
    return logits


def average_precision(logits: _Logits, right: _Right) -> float:
    """Return the average precision of a class, 0 to 1: the mean of precision where recall rises.

    Sorted by logit, the highest first, let the images down to the k-th distinct logit be ``n(k)``,
    of which the class is right for ``t(k)``. Then it is the sum over k of
    ``(t(k) - t(k - 1)) / T * t(k) / n(k)``, where ``T`` is the number of images that the class is
    right for. Nothing is interpolated, and images of equal logits are taken together.

    Source: Manning, Raghavan and Schuetze 2008, "Introduction to Information Retrieval", section
    8.4; scikit-learn's ``average_precision_score`` computes the same.

    Args:
        logits: Of the class, ``(images,)``.
        right: Whether it is right, ``(images,)``; for one image at least.

    >>> average_precision(np.array([3, 2, 1, 0], np.float32), np.array([True, False, True, False]))
    0.8333333333333333
    """
    order = np.argsort(-logits, kind="stable")
    ordered = logits[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    found = np.cumsum(right[order])[ends]
    gained = np.diff(found, prepend=0)
    return float((gained * (found / (ends + 1))).sum() / found[-1])


def precision_of_classes(logits: _Logits, right: _Right, card: Card) -> list[ClassPrecision]:
    """Return how well each class is found.

    Args:
        logits: ``(images, classes)``.
        right: Which classes are right, ``(images, classes)``.
        card: The model's, which names the classes.
    """
    each = zip(card.labels, _precisions(logits, right), right.sum(axis=0).tolist(), strict=True)
    return [ClassPrecision(i, label.name, *rest) for i, (label, *rest) in enumerate(each)]


def _precisions(logits: _Logits, right: _Right) -> list[float | None]:
    return [
        average_precision(logits[:, label], right[:, label]) if right[:, label].any() else None
        for label in range(right.shape[1])
    ]


def measure_label_sets(logits: _Logits, right: _Right) -> MultiLabelAccuracy:
    """Return how well the right classes of images are found.

    Args:
        logits: ``(images, classes)``; those of an image that cannot be read are minus infinity, and
            it counts as not exact.
        right: Which classes are right, ``(images, classes)``.
    """
    answers = logits >= 0  # a probability of 1/2 or more
    precisions = [each for each in _precisions(logits, right) if each is not None]
    is_read = np.isfinite(logits).all(axis=1)
    return MultiLabelAccuracy(
        images=len(logits),
        map=sum(precisions) / len(precisions) if precisions else 0.0,
        classes=len(precisions),
        exact=int(((answers == right).all(axis=1) & is_read).sum()),
        found=int((answers & right).sum()),
        answers=int(answers.sum()),
        right=int(right.sum()),
    )
