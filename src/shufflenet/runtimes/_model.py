"""The object that ``open_model`` returns: a classifier with checks, for images and arrays."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from shufflenet.errors import ImageError
from shufflenet.runtimes._classifier import Classifier, Prediction
from shufflenet.runtimes._classify import classify
from shufflenet.runtimes._inputs import check_batch, check_pixels
from shufflenet.runtimes._pictures import Picture, list_pictures

__all__ = ["Model"]


class Model:
    """A classifier that checks what it is given: the result of ``shufflenet.open_model``."""

    def __init__(self, classifier: Classifier) -> None:
        self.card = classifier.card
        self._classifier = classifier

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of prepared images ``(n, channels, h, w)``.

        ``shufflenet.preprocess.prepare`` makes one image of such a batch.

        Raises:
            SpecError: the batch has another shape or dtype.
        """
        check_batch(batch, self.card.network.in_channels)
        return self._classifier.logits(batch)

    def logits_from_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped RGB images ``(n, h, w, 3)``, 0 to 255.

        Raises:
            SpecError: the pixels have another shape or dtype, or the network takes images of
                another number of channels than three.
        """
        check_pixels(pixels, self.card.network.in_channels)
        return self._classifier.logits_from_pixels(pixels)

    def classify(self, images: Picture | Iterable[Picture], k: int = 5) -> list[list[Prediction]]:
        """Return the ``k`` most probable classes of every image, most probable first.

        Args:
            images: One image or several: paths, bytes of image files, images of Pillow, or RGB
                arrays, uint8 ``(h, w, 3)`` or ``(n, h, w, 3)``, of any size.
            k: The number of classes; all of them, if there are fewer.

        Returns:
            A list for each image, also if there is one only.

        Raises:
            ImageError: an image cannot be read.
            SpecError: an array is no RGB image, or the network takes images of another number of
                channels than three.
        """
        results = []
        for _, result in classify(self._classifier, list_pictures(images), k=k):
            if isinstance(result, ImageError):
                raise result
            results.append(list(result))
        return results

    def __repr__(self) -> str:
        """Return the model's name, classes, image size and runtime.

        >>> import shufflenet
        >>> shufflenet.open_model(runtime="onnxruntime")
        <Model shufflenet_v2_x1_0.tiny_imagenet_200: 200 classes, 80 px, OnnxClassifier>
        """
        card, by = self.card, type(self._classifier).__name__
        return (
            f"<Model {card.name}: {len(card.labels)} classes, {card.preprocess.crop_px} px, {by}>"
        )
