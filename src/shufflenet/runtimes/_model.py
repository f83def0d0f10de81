"""A classifier with its doors."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.errors import ImageError
from shufflenet.runtimes._classifier import Classifier, Prediction, check_batch
from shufflenet.runtimes._classify import classify

__all__ = ["Model"]


class Model:
    """A classifier with its doors: what ``shufflenet.open_model`` gives."""

    def __init__(self, classifier: Classifier) -> None:
        self.card = classifier.card
        self._classifier = classifier

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map prepared images ``(n, 3, h, w)`` to logits ``(n, classes)``.

        ``shufflenet.preprocess.prepare`` makes one image of such a batch.

        Raises:
            SpecError: the batch has another shape or type.
        """
        check_batch(batch, self.card.network.in_channels)
        return self._classifier.logits(batch)

    def classify(self, images: Iterable[str | Path], k: int = 5) -> list[list[Prediction]]:
        """Give the ``k`` most probable classes of every image file, most probable first.

        Raises:
            ImageError: a file cannot be read as an image.
        """
        found = []
        for _, result in classify(self._classifier, images, k=k):
            if isinstance(result, ImageError):
                raise result
            found.append(list(result))
        return found
