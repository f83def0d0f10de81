"""Images held out from calibration, on which int8 is compared with float."""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet.evaluate import measure_label_sets
from shufflenet.quantize._session import Logits, Pixels
from shufflenet.spec import Accuracy, MultiLabelAccuracy

__all__ = ["HoldOut", "Labels"]

Labels: TypeAlias = npt.NDArray[np.int64] | npt.NDArray[np.bool_]

_SILENCE = 1e-30  # the least power of a signal or of noise, so that both have a logarithm


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Images that a network was not calibrated on.

    Attributes:
        images: Pixels, ``(n, h, w, c)``.
        labels: The correct classes, ``(n,)``; or which are right, bool ``(n, classes)``.
        reference: The logits of the float network, ``(n, classes)``.
    """

    images: Pixels
    labels: Labels
    reference: Logits

    def first(self, count: int) -> "HoldOut":
        """Return the first ``count`` images, their labels and their logits."""
        return HoldOut(self.images[:count], self.labels[:count], self.reference[:count])

    @property
    def is_multi_label(self) -> bool:
        """Whether any number of classes may be right."""
        return self.labels.ndim == 2

    def accuracy(self, logits: Logits) -> Accuracy | MultiLabelAccuracy:
        """Count correct predictions as :func:`shufflenet.evaluate.evaluate` does.

        If any number of classes may be right, measure them as ``evaluate.measure_label_sets`` does.

        A class that ties with the correct one, or whose logit is not a number, counts as a
        prediction before it.

        Args:
            logits: ``(n, classes)``, of the images held out.
        """
        if self.is_multi_label:
            return self.measured(logits)
        correct = logits[np.arange(len(logits)), self.labels][:, None]
        rank = (~(logits < correct)).sum(1) - 1
        return Accuracy(images=len(logits), top1=int((rank < 1).sum()), top5=int((rank < 5).sum()))

    def measured(self, logits: Logits) -> MultiLabelAccuracy:
        """Measure answers where any number of classes may be right; what is no number comes last.

        Args:
            logits: ``(n, classes)``, of the images held out.
        """
        numbers = np.nan_to_num(logits, nan=-np.inf, posinf=-np.inf, neginf=-np.inf)
        return measure_label_sets(numbers, self.labels.astype(bool))

    def agreement(self, logits: Logits) -> int:
        """Return for how many images the prediction is that of float; logits ``(n, classes)``.

        If any number of classes may be right, for how many all answers are.
        """
        if self.is_multi_label:
            return int(((logits >= 0) == (self.reference >= 0)).all(axis=1).sum())
        return int((logits.argmax(1) == self.reference.argmax(1)).sum())

    def changed_answers(self, logits: Logits) -> int:
        """Return how many classes of images float answers and these logits do not, or conversely.

        Args:
            logits: ``(n, classes)``, of the images held out.
        """
        return int(((logits >= 0) != (self.reference >= 0)).sum())

    def signal_to_noise_db(self, logits: Logits) -> float:
        """Return the signal-to-noise ratio of logits against those of float, in dB.

        A ratio 10 dB higher means an error a third as large. The mean logit of each image is
        subtracted first, since no prediction depends on it. With several hundred images the ratio
        distinguishes two quantized networks whose counts of correct predictions differ by chance.

        Args:
            logits: ``(k, classes)``, of the first k images held out.
        """
        reference = self.reference[: len(logits)].astype(np.float64)
        signal, noise = (
            float(((x - x.mean(1, keepdims=True)) ** 2).sum())
            for x in (reference, logits - reference)
        )
        return 10 * (math.log10(max(signal, _SILENCE)) - math.log10(max(noise, _SILENCE)))
