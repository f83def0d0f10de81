"""What explains a model, whether by activations or by gradients."""

from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from shufflenet.errors import SpecError
from shufflenet.preprocess import Pixels
from shufflenet.spec import Card

__all__ = ["Evidence", "Explainer", "check_classes"]

Evidence = Literal["activation", "gradients"]


class Explainer(Protocol):
    """A model that shows where in images it found classes.

    Attributes:
        card: The model's card.
        evidence: ``activation``: class activation maps, whose mean is the logit less the bias;
            ``gradients``: Grad-CAM, whose mean is the logit's first-order change with the features.
    """

    card: Card
    evidence: Evidence

    def maps(self, pixels: Pixels, classes: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Compute heat maps ``(n, k, h', w')`` of cropped images ``(n, h, w, c)``.

        Positive numbers speak for the class, negative ones against it.

        Args:
            pixels: Images as the card's preprocessing crops them.
            classes: The indices of the classes, ``(n, k)``: k for each image.
        """


def check_classes(classes: npt.NDArray[np.int64], images: int, card: Card) -> None:
    """Check the classes that images are explained for.

    Raises:
        SpecError: they are no array ``(images, k)`` of indices of the card's classes.
    """
    if classes.ndim != 2 or len(classes) != images or classes.dtype.kind not in "iu":
        actual = f"{classes.dtype} {classes.shape}"
        raise SpecError("the classes", actual, f"integers of shape ({images}, any)")
    last = card.network.classes - 1
    if classes.size and not 0 <= classes.min() <= classes.max() <= last:
        extremes = int(classes.min()), int(classes.max())
        raise SpecError("the classes", extremes, f"indices from 0 to {last}")
