"""Accuracy by class."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from shufflenet.analyze._answers import Answers
from shufflenet.analyze._confusion import Confusion
from shufflenet.analyze._interval import Share, share_of

__all__ = ["ClassRow", "class_rows"]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """How the images of one class are answered.

    Attributes:
        index: The class, as an index of the card's labels.
        id: Its identifier.
        name: Its name.
        accuracy: The share of its images that are answered correctly; of a class without images its
            total is 0. Images that could not be read count as wrong.
        unread: How many of its images could not be read.
        named: How many images, of any class, are taken for it.
        precision: The share of those that are of it.
        confused_with: The class that most of its images are taken for wrongly, or None.
        confused: How many those are.
    """

    index: int
    id: str
    name: str
    accuracy: Share
    unread: int
    named: int
    precision: Share
    confused_with: int | None
    confused: int


def class_rows(answers: Answers, confusion: Confusion) -> tuple[ClassRow, ...]:
    """Return how the images of each class are answered, in the order of the card's labels."""
    unread = Counter(each.sample.label for each in answers.unread)
    named = confusion.counts.sum(axis=0)
    wrong = confusion.counts.copy()
    np.fill_diagonal(wrong, 0)
    rows = []
    for index, label in enumerate(answers.card.labels):
        counts = confusion.counts[index]
        correct, other = int(counts[index]), int(wrong[index].argmax())
        confused = int(wrong[index, other])
        rows.append(
            ClassRow(
                index=index,
                id=label.id,
                name=label.name,
                accuracy=share_of(correct, int(counts.sum()) + unread[index]),
                unread=unread[index],
                named=int(named[index]),
                precision=share_of(correct, int(named[index])),
                confused_with=other if confused else None,
                confused=confused,
            )
        )
    return tuple(rows)
