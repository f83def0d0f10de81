"""A classifier small enough to reason about."""

import numpy as np
import numpy.typing as npt

from shufflenet.preprocess import Pixels, normalize
from shufflenet.spec import Card


class Reddest:
    """Its logit for class 0, 1, 2 is the mean of the red, green, blue channel."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        means: npt.NDArray[np.float32] = batch.mean(axis=(2, 3), dtype=np.float32)
        return means

    def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        return self.logits(normalize(pixels, self.card.preprocess))


class FakeClock:
    """A clock on which time passes only by ``advance``, and a fixed step at each reading.

    The step, a power of two so that sums are exact, ends loops that wait for an hour to come.
    """

    STEP = 2.0**-10

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += self.STEP
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
