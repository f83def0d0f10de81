"""Images whose label is probably wrong."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.analyze._answers import Answers

__all__ = ["Suspect", "suspects"]


@dataclass(frozen=True, slots=True)
class Suspect:
    """An image whose label is probably wrong.

    Attributes:
        place: Its place in ``Answers.samples``.
        label: The class that it is labeled as, as an index of the card's labels.
        suggested: The class that it probably is of: the most probable.
        label_probability: The probability of its label, 0 to 1.
        suggested_probability: The probability of the suggested class.
        confident: Whether the confident joint counts it as an image of another class than its
            label: the class that is most probable, of those whose probability is at least the mean
            of their own images, is not its label.
    """

    place: int
    label: int
    suggested: int
    label_probability: float
    suggested_probability: float
    confident: bool


def suspects(answers: Answers, limit: int) -> tuple[Suspect, ...]:
    """Return the images whose label is probably wrong, the surest first, at most ``limit``.

    By confident learning: a class's threshold ``t_j`` is the mean of its probability over images
    labeled ``j``. Named are images that are answered otherwise and whose label has a probability
    below its threshold, ranked by that probability (self-confidence). The paper prunes those off
    the diagonal of the confident joint alone (``confident``); a model of moderate accuracy is
    seldom that sure of the right class, so that here this is told and not required: of 50 of 5,000
    labels swapped, by a model of 59 % top-1 accuracy, the first 100 named hold 79 % so and 59 % as
    in the paper, the means of 100 draws (``benchmarks/report.py``).

    The model must not have been trained on these images, or it has learned their labels. Source:
    C. G. Northcutt, L. Jiang, I. L. Chuang, Confident learning: estimating uncertainty in dataset
    labels, Journal of Artificial Intelligence Research 70 (2021), section 3.
    """
    thresholds = _thresholds(answers)
    own = answers.own_probability
    doubted = np.flatnonzero(~answers.correct & (own < thresholds[answers.labels]))
    ranked = doubted[np.argsort(own[doubted], kind="stable")][:limit]
    return tuple(
        Suspect(
            place=int(place),
            label=int(answers.labels[place]),
            suggested=int(answers.predicted[place]),
            label_probability=float(own[place]),
            suggested_probability=float(answers.confidence[place]),
            confident=_is_confident(answers, place, thresholds),
        )
        for place in ranked
    )


def _thresholds(answers: Answers) -> npt.NDArray[np.float64]:
    """Return the mean probability of each class over images labeled so, ``(classes,)``.

    Of a class without images it is infinite, so that no image is counted as of it.
    """
    classes = answers.card.network.classes
    counts = np.bincount(answers.labels, minlength=classes)
    sums = np.bincount(answers.labels, weights=answers.own_probability, minlength=classes)
    return np.where(counts, sums / np.maximum(counts, 1), np.inf)


def _is_confident(answers: Answers, place: int, thresholds: npt.NDArray[np.float64]) -> bool:
    """Return whether the confident joint counts an image off its diagonal (the paper's eq. 1)."""
    probabilities = answers.probabilities(slice(place, place + 1))[0]
    sure = np.where(probabilities >= thresholds, probabilities, -1)
    return bool(sure.max() >= 0 and sure.argmax() != answers.labels[place])
