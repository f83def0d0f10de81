"""What every runtime looks like, and what becomes of its logits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shufflenet.errors import SpecError
from shufflenet.spec import Card, Label

__all__ = ["Classifier", "Prediction", "check_batch", "top_k"]


class Classifier(Protocol):
    """What every runtime looks like to evaluation, prediction and service."""

    card: Card

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map images ``(n, 3, h, w)`` to logits ``(n, classes)``."""


def check_batch(batch: npt.NDArray[np.float32], channels: int) -> None:
    """Refuse what is no batch of prepared images of so many channels.

    Raises:
        SpecError: it has another shape or type.
    """
    right = batch.ndim == 4 and batch.shape[1] == channels and 0 not in batch.shape[2:]
    if not right or batch.dtype != np.float32:
        given = f"{batch.dtype} {batch.shape}"
        raise SpecError("the batch", given, f"float32 of shape (n, {channels}, height, width)")


@dataclass(frozen=True, slots=True)
class Prediction:
    """One class a model sees in an image; probabilities of all classes sum to 1."""

    index: int
    label: str
    probability: float


def top_k(
    logits: npt.NDArray[np.float32], labels: Sequence[Label], k: int
) -> tuple[Prediction, ...]:
    """Turn the logits of one image, ``(classes,)``, into its ``k`` most probable classes.

    >>> top_k(np.array([0, 1], np.float32), [Label("a", "ant"), Label("b", "bee")], k=1)
    (Prediction(index=1, label='bee', probability=0.7310585975646973),)
    """
    exponentials = np.exp(logits - logits.max())
    probabilities = exponentials / exponentials.sum()
    order = np.argsort(-probabilities, kind="stable")[:k]
    return tuple(Prediction(int(i), labels[i].name, float(probabilities[i])) for i in order)
