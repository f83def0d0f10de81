"""The images that are answered wrongly with most confidence."""

from dataclasses import dataclass

import numpy as np

from shufflenet.analyze._answers import Answers

__all__ = ["ConfidentMistake", "confident_mistakes"]


@dataclass(frozen=True, slots=True)
class ConfidentMistake:
    """An image that is answered wrongly.

    Attributes:
        place: Its place in ``Answers.samples``.
        label: Its class, as an index of the card's labels.
        predicted: The class predicted.
        probability: The probability of that, 0 to 1.
        own_probability: The probability of its own class.
        rank: The rank of its own class, 2 for the second most probable.
    """

    place: int
    label: int
    predicted: int
    probability: float
    own_probability: float
    rank: int


def confident_mistakes(answers: Answers, limit: int) -> tuple[ConfidentMistake, ...]:
    """Return the images that are answered wrongly, the most probable answers first, at most limit.

    Of answers that are as probable, the one whose own class is less probable comes first.
    """
    wrong = np.flatnonzero(~answers.correct)
    keys = answers.own_probability[wrong], -answers.confidence[wrong]
    return tuple(
        ConfidentMistake(
            place=int(place),
            label=int(answers.labels[place]),
            predicted=int(answers.predicted[place]),
            probability=float(answers.confidence[place]),
            own_probability=float(answers.own_probability[place]),
            rank=int(answers.rank[place]),
        )
        for place in wrong[np.lexsort(keys)][:limit]
    )
