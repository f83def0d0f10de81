"""The object that ``open_model`` returns: a classifier with checks, for images and arrays."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt

from shufflenet.boxes import Search
from shufflenet.errors import ImageError, SpecError
from shufflenet.preprocess import Pixels
from shufflenet.runtimes._classifier import Classifier, Prediction
from shufflenet.runtimes._classify import classify
from shufflenet.runtimes._detect import detect
from shufflenet.runtimes._fastest import open_fastest
from shufflenet.runtimes._guard import Guard
from shufflenet.runtimes._inputs import check_batch, check_pixels
from shufflenet.runtimes._open import find_runtimes
from shufflenet.runtimes._pictures import Picture, list_pictures
from shufflenet.spec import RUNTIMES, Arithmetic, Detection, Preprocess

__all__ = ["Model", "Opening"]

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Opening:
    """A file and how it is opened; a model that knows its own can be pickled.

    Attributes:
        path: The file.
        runtime: ``auto``, or a name of ``spec.RUNTIMES``.
        threads: The number of threads that compute a batch; one a core if it is None.
        precision: The arithmetic of a float network.
    """

    path: Path
    runtime: str = "auto"
    threads: int | None = None
    precision: Arithmetic = "float32"

    def open(self) -> "Model":
        """Open the file.

        Raises:
            CheckpointError: the file is missing, damaged, has no card, or no runtime opens it.
            MissingDependency: the runtime is not installed.
            SpecError: there is no such runtime, or it lacks that precision on this processor.
        """
        runtimes = find_runtimes(self.runtime, self.precision)
        classifier = open_fastest(
            self.path, runtimes, threads=self.threads, precision=self.precision
        )
        return Model(classifier, self)


class Model:
    """A model that checks what it is given: the result of ``shufflenet.open_model``.

    What a runtime opened checks so itself; a classifier of the caller's own is checked here.

    Several threads may use it at once. Pickled, it is its file's path and how that was opened, so
    that another process on this machine opens it again.
    """

    def __init__(self, classifier: Classifier, opening: Opening | None = None) -> None:
        self.card = classifier.card
        self._classifier = classifier
        self._opening = opening
        runtime = type(classifier).__name__
        self._guard = Guard(self.card.name, runtime, self.card.row_shape, what="model")

    @property
    def path(self) -> Path | None:
        """The file that was opened; None of a classifier of the caller's own."""
        return self._opening.path if self._opening else None

    @property
    def runtime(self) -> str:
        """The name of the runtime that computes it, of ``spec.RUNTIMES``; else of its class."""
        kind = type(self._classifier)
        of_module = {runtime.module: name for name, runtime in RUNTIMES.items()}
        return of_module.get(kind.__module__, kind.__name__)

    def __reduce__(self) -> tuple[object, ...]:
        """Return how pickle makes the model anew: from its file, or from its classifier."""
        if self._opening:
            return Opening.open, (self._opening,)
        return Model, (self._classifier,)

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of prepared images ``(n, channels, h, w)``.

        Of a detector they are rows of boxes, ``(n, cells, 4 + classes)``, see ``Classifier``.
        ``shufflenet.preprocess.prepare`` makes one image of such a batch. There may be no images.

        Raises:
            SpecError: the batch has another shape or dtype, or is not finite.
            CheckpointError: the file cannot be computed, or not to finite logits.
        """
        if self._opening:
            return self._classifier.logits(batch)
        batch = check_batch(batch, self.card)
        return self._guard.logits(self._classifier.logits, batch)

    def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped images, pixels ``(n, h, w, c)``.

        Raises:
            SpecError: the pixels have another shape or dtype, or the network takes images of
                other channels than its preprocessing gives.
            CheckpointError: the file cannot be computed, or not to finite logits.
        """
        if self._opening:
            return self._classifier.logits_from_pixels(pixels)
        pixels = check_pixels(pixels, self.card)
        return self._guard.logits(self._classifier.logits_from_pixels, pixels)

    @overload
    def classify(
        self, images: Picture | Iterable[Picture], k: int = 5, *, errors: Literal["raise"] = "raise"
    ) -> list[list[Prediction]]: ...

    @overload
    def classify(
        self, images: Picture | Iterable[Picture], k: int = 5, *, errors: Literal["return"]
    ) -> list[list[Prediction] | ImageError]: ...

    def classify(
        self,
        images: Picture | Iterable[Picture],
        k: int = 5,
        *,
        errors: Literal["raise", "return"] = "raise",
    ) -> list[list[Prediction]] | list[list[Prediction] | ImageError]:
        """Return the ``k`` most probable classes of every image, most probable first.

        Args:
            images: One image or several: paths, bytes of image files, images of Pillow, or
                arrays of any size, ``(h, w, c)`` or ``(n, h, w, c)``, of the channels and bits of
                ``card.preprocess``: uint8 RGB for most models.
            k: The number of classes; all of them, if there are fewer.
            errors: Whether the error of an image that cannot be read is raised, so that there is
                no result at all, or stands in the image's place.

        Returns:
            A list for each image, also if there is one only.

        Raises:
            FindsBoxes: it is a detector.
            ImageError: an image cannot be read, and ``errors`` is ``raise``.
            SpecError: an image is of no such type, k is below 1, or the network takes images of
                other channels than its preprocessing gives.
            CheckpointError: the file cannot be computed, or not to finite logits.
        """
        _check_errors(errors)
        return _collect(classify(self, list_pictures(images), k=k), errors)

    @overload
    def detect(
        self,
        images: Picture | Iterable[Picture],
        *,
        min_score: float = 0.3,
        max_iou: float = 0.6,
        k: int = 100,
        errors: Literal["raise"] = "raise",
    ) -> list[list[Detection]]: ...

    @overload
    def detect(
        self,
        images: Picture | Iterable[Picture],
        *,
        min_score: float = 0.3,
        max_iou: float = 0.6,
        k: int = 100,
        errors: Literal["return"],
    ) -> list[list[Detection] | ImageError]: ...

    def detect(
        self,
        images: Picture | Iterable[Picture],
        *,
        min_score: float = 0.3,
        max_iou: float = 0.6,
        k: int = 100,
        errors: Literal["raise", "return"] = "raise",
    ) -> list[list[Detection]] | list[list[Detection] | ImageError]:
        """Return the boxes that a detector finds in every image, best first.

        Args:
            images: As in ``classify``.
            min_score: The least score of a box, 0 to 1.
            max_iou: The largest overlap of two boxes of a class, as their intersection over their
                union; of others the better stays.
            k: The most boxes of an image.
            errors: As in ``classify``.

        Returns:
            A list for each image, also if there is one only. A box is left, top, width and height
            in pixels of the image: of one that its EXIF tag turns, if the card says so, upright.

        Raises:
            FindsNoBoxes: it is a classifier.
            ImageError: an image cannot be read, and ``errors`` is ``raise``.
            SpecError: an image is of no such type, a number is outside its range, or the network
                takes images of other channels than its preprocessing gives.
            CheckpointError: the file cannot be computed, or not to finite numbers.
        """
        _check_errors(errors)
        search = Search(min_score, max_iou, k)
        return _collect(detect(self, list_pictures(images), search), errors)

    def __repr__(self) -> str:
        """Return the model's name, classes, image size and runtime.

        >>> import shufflenet
        >>> shufflenet.open_model(runtime="onnxruntime")
        <Model shufflenet_v2_x1_0.tiny_imagenet_200: 200 classes, 80 px, OnnxClassifier>
        """
        card, by = self.card, type(self._classifier).__name__
        return f"<Model {card.name}: {len(card.labels)} classes, {_size(card.preprocess)}, {by}>"


def _check_errors(errors: str) -> None:
    """Check what becomes of images that cannot be read.

    Raises:
        SpecError: it is nothing that is known.
    """
    if errors not in ("raise", "return"):
        raise SpecError("errors", errors, "'raise' or 'return'")


def _collect(
    answers: Iterator[tuple[Picture, tuple[_Answer, ...] | ImageError]], errors: str
) -> list[list[_Answer] | ImageError]:
    """Return the answers of all pictures, each as a list.

    Raises:
        ImageError: one cannot be read, and ``errors`` is ``raise``.
    """
    results: list[list[_Answer] | ImageError] = []
    for _, result in answers:
        if isinstance(result, ImageError):
            if errors == "raise":
                raise result
            results.append(result)
        else:
            results.append(list(result))
    return results


def _size(how: Preprocess) -> str:
    """Return the size of images, and their channels where they are no colors of 8 bits."""
    size = how.crop_px if isinstance(how.crop_px, int) else f"{how.width_px}x{how.height_px}"
    if how.channels in ("rgb", "bgr") and how.bits == 8:
        return f"{size} px"
    channels = f"{how.in_channels} channels" if how.channels == "stored" else how.channels
    return f"{size} px, {channels}" + (" of 16 bits" if how.bits == 16 else "")
