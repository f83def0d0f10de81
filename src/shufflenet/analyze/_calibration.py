"""Whether a model is right as often as its probabilities say."""

from dataclasses import dataclass

import numpy as np

from shufflenet.analyze._answers import Answers
from shufflenet.analyze._interval import Share, share_of

__all__ = ["Calibration", "ReliabilityBin", "calibration"]

BINS = 15


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The images whose predicted class has a probability above ``low`` and up to ``high``.

    Attributes:
        low: From 0 to 1.
        high: From 0 to 1.
        accuracy: The share of them that is answered correctly; of an empty bin its total is 0.
        confidence: The mean probability of their predicted classes; None of an empty bin.
    """

    low: float
    high: float
    accuracy: Share
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether a model is right as often as its probabilities say.

    Attributes:
        bins: The bins, by ascending probability.
        expected_error: The expected calibration error, 0 to 1; None if no image could be read.
        confidence: The mean probability of the predicted classes; None likewise.
        accuracy: The share of images that is answered correctly, of those that could be read.
    """

    bins: tuple[ReliabilityBin, ...]
    expected_error: float | None
    confidence: float | None
    accuracy: Share


def calibration(answers: Answers, bins: int = BINS) -> Calibration:
    """Compute the reliability diagram and the expected calibration error in bins of equal width.

    Bin ``m`` of ``M`` holds the images whose predicted class has a probability in ``((m - 1) / M,
    m / M]``, and the error is the mean over images of the distance of accuracy and mean probability
    in an image's bin: ``sum_m (|B_m| / n) |acc(B_m) - conf(B_m)|``. Source: C. Guo, G. Pleiss,
    Y. Sun, K. Q. Weinberger, On calibration of modern neural networks, ICML 2017, section 2,
    equation 3.

    Args:
        answers: The answers.
        bins: The number of bins; 15 as in the paper.
    """
    confidence, correct = answers.confidence, answers.correct
    of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(of, minlength=bins)
    right = np.bincount(of, weights=correct, minlength=bins).astype(np.int64)
    sums = np.bincount(of, weights=confidence, minlength=bins)
    rows = tuple(
        ReliabilityBin(
            low=m / bins,
            high=(m + 1) / bins,
            accuracy=share_of(int(right[m]), int(counts[m])),
            confidence=float(sums[m] / counts[m]) if counts[m] else None,
        )
        for m in range(bins)
    )
    accuracy = share_of(int(correct.sum()), len(answers))
    if not len(answers):
        return Calibration(rows, None, None, accuracy)
    error = float(np.abs(right - sums).sum() / len(answers))
    return Calibration(rows, error, float(confidence.mean()), accuracy)
