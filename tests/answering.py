"""Answers that a test writes down, and a network that gives those a test chooses."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from shufflenet.analyze import Answers, Unread
from shufflenet.data import Sample
from shufflenet.spec import Card, Label
from test_runtimes_model import CARD


def card_of(classes: int) -> Card:
    """A card of classes called ``a``, ``b``, ... with the identifiers ``id0``, ``id1``, ..."""
    labels = tuple(Label(f"id{i}", chr(ord("a") + i % 26) * (1 + i // 26)) for i in range(classes))
    return replace(CARD, network=replace(CARD.network, classes=classes), labels=labels)


def answers_of(
    labels: Sequence[int],
    probabilities: npt.ArrayLike,
    *,
    unread: Sequence[Unread] = (),
    embeddings: npt.NDArray[np.float32] | None = None,
    small: npt.NDArray[np.uint8] | None = None,
    **columns: npt.ArrayLike,
) -> Answers:
    """Answers of these probabilities ``(n, classes)`` to images of these labels."""
    table = np.asarray(probabilities, np.float64)
    count = len(labels)
    zeros = np.zeros((count, 8, 8, 3), np.uint8)
    return Answers(
        card=card_of(table.shape[1]),
        source="data",
        samples=tuple(Sample(f"{i}.jpg", label, f"{i}.jpg") for i, label in enumerate(labels)),
        labels=np.array(labels, np.int64),
        logits=np.log(np.maximum(table, 1e-30)).astype(np.float32),
        embeddings=embeddings,
        widths=np.asarray(columns.get("widths", np.full(count, 64)), np.int32),
        heights=np.asarray(columns.get("heights", np.full(count, 64)), np.int32),
        brightness=np.asarray(columns.get("brightness", np.full(count, 128)), np.float32),
        small=zeros if small is None else small,
        unread=tuple(unread),
    )
