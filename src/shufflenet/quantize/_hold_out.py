"""Images held out from calibration, on which int8 is compared with float."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.quantize._session import Logits, Pixels
from shufflenet.spec import Accuracy

__all__ = ["HoldOut"]

_SILENCE = 1e-30  # the least power of a signal or of noise, so that both have a logarithm


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Images that a network was not calibrated on.

    Attributes:
        images: ``(n, h, w, 3)``, 0 to 255.
        labels: The correct classes, ``(n,)``.
        reference: The logits of the float network, ``(n, classes)``.
    """

    images: Pixels
    labels: npt.NDArray[np.int64]
    reference: Logits

    def first(self, count: int) -> "HoldOut":
        """Return the first ``count`` images, their labels and their logits."""
        return HoldOut(self.images[:count], self.labels[:count], self.reference[:count])

    def accuracy(self, logits: Logits) -> Accuracy:
        """Count correct predictions as :func:`shufflenet.evaluate.evaluate` does.

        A class that ties with the correct one, or whose logit is not a number, counts as a
        prediction before it.

        Args:
            logits: ``(n, classes)``, of the images held out.
        """
        correct = logits[np.arange(len(logits)), self.labels][:, None]
        rank = (~(logits < correct)).sum(1) - 1
        return Accuracy(images=len(logits), top1=int((rank < 1).sum()), top5=int((rank < 5).sum()))

    def agreement(self, logits: Logits) -> int:
        """Return for how many images the prediction is that of float; logits ``(n, classes)``."""
        return int((logits.argmax(1) == self.reference.argmax(1)).sum())

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
