"""The class activation map: exact where the classifier reads the mean of the last feature maps.

Source: Zhou et al. 2016, Learning Deep Features for Discriminative Localization, equation 2
(arXiv:1512.04150).
"""

from importlib import import_module
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.errors import MissingDependency, NeedsGradients, NoMaps
from shufflenet.explain._protocol import Evidence, Explainer, check_classes
from shufflenet.preprocess import Pixels
from shufflenet.runtimes import Embedder, open_embedder

__all__ = ["open_explainer"]

_Maps = npt.NDArray[np.float32]


def open_explainer(path: str | Path, *, threads: int | None = None) -> Explainer:
    """Open a file that can be explained: ``.onnx`` without torch, ``.safetensors`` by torch.

    Args:
        path: A file of this package, float or int8, or one of the ONNX model zoo.
        threads: The number of threads that compute a batch; one a core unless given.

    Raises:
        NeedsGradients: it is an ONNX file of a network with layers between the mean and the
            classifier; its checkpoint can be explained.
        MissingDependency: it is a checkpoint, and torch is not installed.
        CheckpointError: the file is missing, damaged, or has no card.
        SpecError: the number of threads is none that can be.
    """
    embedder = open_embedder(path, threads=threads)
    try:
        return _ActivationExplainer(embedder)
    except NoMaps as error:
        if Path(path).suffix.lower() != ".safetensors":
            raise NeedsGradients(path) from error
    try:
        gradients = import_module("shufflenet.explain._gradients")
    except ModuleNotFoundError as error:
        raise MissingDependency("A heat map by gradients", "torch", "torch") from error
    explainer: Explainer = gradients.open_checkpoint(path)
    return explainer


class _ActivationExplainer:
    """Feature maps times the weights of a class.

    With ``f`` the feature maps, ``w`` the classifier's weights and ``b`` its bias, the logit of a
    class c is ``mean over (y, x) of (sum over k of w[c, k] f[k, y, x]) + b[c]``, and the sum is the
    map.
    """

    evidence: Evidence = "activation"

    def __init__(self, embedder: Embedder) -> None:
        """Read the last layer of a model.

        Raises:
            NoMaps: it does not read the mean of feature maps.
            NoLastLayer: its weights cannot be read.
        """
        self.card = embedder.card
        how = self.card.preprocess
        none = np.zeros((0, how.in_channels, how.height_px, how.width_px), np.float32)
        embedder.maps(none)
        self._embedder = embedder
        self._weight = embedder.last_layer().weight

    def maps(self, pixels: Pixels, classes: npt.NDArray[np.int64]) -> _Maps:
        """Compute heat maps ``(n, k, h', w')`` of cropped images ``(n, h, w, c)``.

        The mean of a map is the logit of its class less the bias: exactly in float, and to the
        rounding of the mean to bytes in an int8 file.

        Raises:
            NoMaps: the images are of a size for which the classifier does not read the mean.
            SpecError: pixels or classes have another shape or type, or a class does not exist.
            CheckpointError: the file cannot be computed, or not to finite numbers.
        """
        check_classes(classes, len(pixels), self.card)
        features = self._embedder.maps_from_pixels(pixels)
        images, width, height, across = features.shape
        shown = self._weight[classes] @ features.reshape(images, width, height * across)
        return shown.reshape(images, classes.shape[1], height, across)
