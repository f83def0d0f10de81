"""Heat maps by gradients, for networks with layers between the mean and the classifier.

Source: Selvaraju et al. 2017, Grad-CAM, equations 1 and 2 (arXiv:1610.02391).
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from shufflenet.errors import LogitsNotNumbers
from shufflenet.explain._protocol import Evidence, check_classes
from shufflenet.files import read_checkpoint
from shufflenet.networks import ShuffleNet, build_with
from shufflenet.preprocess import Pixels, normalize
from shufflenet.runtimes import check_pixels
from shufflenet.spec import Card

__all__ = ["GradientExplainer", "open_checkpoint"]


def open_checkpoint(path: str | Path) -> "GradientExplainer":
    """Open a checkpoint to explain it by gradients.

    Raises:
        CheckpointError: the file is damaged or not one of ours.
        CheckpointMismatch: the weights do not fit the network that the card names.
    """
    checkpoint = read_checkpoint(path)
    return GradientExplainer(
        build_with(checkpoint.card.network, checkpoint.tensors), checkpoint.card
    )


class GradientExplainer:
    """Feature maps times the gradient of a class's logit with respect to their mean.

    Grad-CAM weighs a feature map by the mean gradient over its positions. As the rest of the
    network reads the means alone, each position has the same gradient, that of the mean divided by
    the number of positions. These maps are Grad-CAM's times that number and before its ReLU, so
    that those of a classifier that reads the means themselves are class activation maps.
    """

    evidence: Evidence = "gradients"

    def __init__(self, net: ShuffleNet, card: Card) -> None:
        """Use a network, which is set to evaluation mode."""
        self.card = card
        self._net = net.eval()

    def maps(self, pixels: Pixels, classes: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Compute heat maps ``(n, k, h', w')`` of cropped images ``(n, h, w, c)``.

        The mean of a map is the derivative of the logit with respect to a factor on the features.

        Raises:
            SpecError: pixels or classes have another shape or type, or a class does not exist.
            LogitsNotNumbers: the maps are not finite.
        """
        check_classes(classes, len(pixels), self.card)
        pixels = check_pixels(pixels, self.card)
        images = torch.from_numpy(normalize(pixels, self.card.preprocess))
        chosen = torch.from_numpy(classes.astype(np.int64))
        with torch.no_grad():
            features = self._net.features(images)
        means = features.mean(dim=(2, 3)).requires_grad_()
        logits = self._net.fc(self._net.neck(means)).gather(1, chosen)
        shown = torch.stack(
            [
                torch.einsum(
                    "nd,ndhw->nhw",
                    torch.autograd.grad(column.sum(), means, retain_graph=True)[0],
                    features,
                )
                for column in logits.unbind(1)
            ],
            dim=1,
        ).numpy()
        if not np.isfinite(shown).all():
            raise LogitsNotNumbers(self.card.name, what="model")
        return shown
