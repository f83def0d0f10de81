"""A classifier small enough to reason about."""

import numpy as np
import numpy.typing as npt

from shufflenet.spec import Card


class Reddest:
    """Its logit for class 0, 1, 2 is the mean of the red, green, blue channel."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        means: npt.NDArray[np.float32] = batch.mean(axis=(2, 3), dtype=np.float32)
        return means
