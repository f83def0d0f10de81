"""The interface of every runtime, and predictions from logits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shufflenet.errors import SpecError
from shufflenet.spec import Card, Label, Runtime

__all__ = ["Classifier", "Prediction", "check_k", "missing_package", "top_k"]


class Classifier(Protocol):
    """The interface of every runtime to evaluation, prediction and service.

    Both methods may be called by several threads at once.
    """

    card: Card

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of prepared images ``(n, channels, h, w)``."""

    def logits_from_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped RGB images ``(n, h, w, 3)``, 0 to 255.

        A runtime normalizes them only if the file that it computes needs floats.
        """


def missing_package(runtime: Runtime, error: ModuleNotFoundError) -> tuple[str, str, str]:
    """Return the arguments of ``MissingDependency`` for a runtime that is not installed."""
    return f"The {runtime.title} runtime", error.name or runtime.package, runtime.extra


@dataclass(frozen=True, slots=True)
class Prediction:
    """One class that a model sees in an image; probabilities of all classes sum to 1."""

    index: int
    label: str
    probability: float


def top_k(
    logits: npt.NDArray[np.float32], labels: Sequence[Label], k: int
) -> tuple[Prediction, ...]:
    """Return the ``k`` most probable classes of one image's finite logits, ``(classes,)``.

    Raises:
        SpecError: k is no whole number of at least 1.

    >>> top_k(np.array([0, 1], np.float32), [Label("a", "ant"), Label("b", "bee")], k=1)
    (Prediction(index=1, label='bee', probability=0.7310585975646973),)
    """
    check_k(k)
    with np.errstate(all="ignore"):  # the exponential of a large negative number is 0
        exponentials = np.exp(logits - logits.max())
    probabilities = exponentials / exponentials.sum()
    order = np.argsort(-logits, kind="stable")[:k]  # not by probabilities, of which many may be 0
    return tuple(Prediction(int(i), labels[i].name, float(probabilities[i])) for i in order)


def check_k(k: int) -> None:
    """Check a number of classes to return.

    Raises:
        SpecError: k is no whole number of at least 1.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise SpecError("k", k, "a whole number of at least 1")
