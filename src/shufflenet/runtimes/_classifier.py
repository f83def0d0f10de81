"""The interface of every runtime, and predictions from logits."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shufflenet.errors import FindsBoxes, FindsNoBoxes, SpecError
from shufflenet.preprocess import Pixels
from shufflenet.spec import Card, Runtime, Task

__all__ = [
    "Classifier",
    "Prediction",
    "check_classifier",
    "check_detector",
    "check_k",
    "missing_package",
    "probabilities",
    "top_k",
]


class Classifier(Protocol):
    """The interface of every runtime to evaluation, prediction and service.

    Of a detector, what is called logits are its rows, ``(n, cells, 4 + classes)``: of each cell
    left, top, right and bottom of a box in pixels of the input, then a score from 0 to 1 for each
    class. Its images have the size that the card names.

    Both methods may be called by several threads at once.
    """

    card: Card

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of prepared images ``(n, channels, h, w)``."""

    def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped images, pixels ``(n, h, w, c)``.

        A runtime normalizes them only if the file that it computes needs floats.
        """


def missing_package(runtime: Runtime, error: ModuleNotFoundError) -> tuple[str, str, str]:
    """Return the arguments of ``MissingDependency`` for a runtime that is not installed."""
    return f"The {runtime.title} runtime", error.name or runtime.package, runtime.extra


@dataclass(frozen=True, slots=True)
class Prediction:
    """One class that a model sees in an image.

    Probabilities of all classes sum to 1, but not those of a multi-label model: each is that of its
    class to be in the image, whatever the others are.
    """

    index: int
    label: str
    probability: float


def probabilities(logits: npt.NDArray[np.float32], task: Task) -> npt.NDArray[np.float32]:
    """Return the probabilities of finite logits, both ``(classes,)`` or ``(n, classes)``.

    By a softmax over the classes, or for a multi-label network by a sigmoid of each.

    >>> logits = np.array([0, 1], np.float32)
    >>> [round(float(p), 4) for p in probabilities(logits, "classification")]
    [0.2689, 0.7311]
    >>> [round(float(p), 4) for p in probabilities(logits, "multi-label")]
    [0.5, 0.7311]
    """
    with np.errstate(all="ignore"):  # the exponential of a large negative number is 0
        if task == "multi-label":
            powers = np.exp(-np.abs(logits))
            each: npt.NDArray[np.float32] = np.where(logits < 0, powers, 1) / (1 + powers)
            return each
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: npt.NDArray[np.float32] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def top_k(logits: npt.NDArray[np.float32], card: Card, k: int) -> tuple[Prediction, ...]:
    """Return the ``k`` most probable classes of one image's finite logits, ``(classes,)``.

    Args:
        logits: Of one image.
        card: The model's, which names the classes and says how logits become probabilities.
        k: How many classes; all of them, if there are fewer.

    Raises:
        SpecError: k is no whole number of at least 1.
    """
    check_k(k)
    shares = probabilities(logits, card.task)
    order = np.argsort(-logits, kind="stable")[:k]  # not by probabilities, of which many may be 0
    return tuple(Prediction(int(i), card.labels[i].name, float(shares[i])) for i in order)


def check_classifier(card: Card, task: str) -> None:
    """Check that a model is a classifier.

    Args:
        card: The model's card.
        task: What only classifiers do, such as "classify images".

    Raises:
        FindsBoxes: it is a detector.
    """
    if card.detector is not None:
        raise FindsBoxes(card.name, task)


def check_detector(card: Card) -> None:
    """Check that a model is a detector.

    Raises:
        FindsNoBoxes: it is a classifier.
    """
    if card.detector is None:
        raise FindsNoBoxes(card.name)


def check_k(k: int) -> None:
    """Check a number of classes to return.

    Raises:
        SpecError: k is no whole number of at least 1.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise SpecError("k", k, "a whole number of at least 1")
