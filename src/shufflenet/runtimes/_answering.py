"""Logits and embeddings of images by one call of a network, by ONNX Runtime or by torch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from shufflenet.errors import NeedsSuffix, NoLastLayer
from shufflenet.files import card_from_metadata, read_model, read_onnx_file, tell_last_layer
from shufflenet.machine import check_threads
from shufflenet.preprocess import Pixels
from shufflenet.runtimes._classifier import Classifier
from shufflenet.runtimes._file_input import FileInput
from shufflenet.runtimes._fixed_sizes import FixedSizes
from shufflenet.runtimes._guard import Guard, guarded, loading
from shufflenet.runtimes._last_layer import read_scale
from shufflenet.runtimes._onnxruntime import (
    MOST_ONNX_BYTES,
    OnnxClassifier,
    logits_of,
    open_session,
)
from shufflenet.runtimes._open import open_by
from shufflenet.spec import RUNTIMES, Card

if TYPE_CHECKING:
    from shufflenet.runtimes.pytorch import TorchClassifier

__all__ = ["Answering", "answering", "open_answering"]

_Rows: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Answering:
    """A network that tells logits and, where it can, embeddings of the same images.

    Attributes:
        card: The model's card.
        dimensions: The numbers of an embedding; 0 where there are none.
        rows: Maps pixels of cropped images, ``(n, h, w, c)``, to ``(n, classes + dimensions)``:
            logits, then what the last layer read. Several threads may call it at once.
    """

    card: Card
    dimensions: int
    rows: Callable[[Pixels], _Rows]


def answering(classifier: Classifier) -> Answering:
    """Return a classifier or a detector of any runtime as a network that tells logits alone."""
    return Answering(classifier.card, 0, guarded(classifier))


def open_answering(path: str | Path, *, threads: int | None = None) -> Answering:
    """Open a file so that one call tells logits and embeddings.

    That is ``.onnx`` by ONNX Runtime, or ``.safetensors`` by torch. A graph that does not end with
    one fully connected layer tells logits alone, and so does a detector.

    Args:
        path: A file of this package, float or int8, or one of the ONNX model zoo.
        threads: The number of threads that compute a batch; one a core unless given. By torch it is
            that of the whole process.

    Raises:
        CheckpointError: the file is missing, damaged, changed, or has no card.
        NeedsSuffix: it is of another kind.
        MissingDependency: it is a checkpoint, and torch is not installed.
        SpecError: the number of threads is none that can be.
    """
    check_threads(threads)
    path = Path(path).absolute()
    suffix = path.suffix.lower()
    if suffix not in (".onnx", ".safetensors"):
        raise NeedsSuffix(path, (".onnx", ".safetensors"))
    if suffix == ".safetensors":
        network = cast("TorchClassifier", open_by(RUNTIMES["torch"], path, threads=threads))
        if network.card.detector:
            return answering(network)
        return Answering(network.card, network.card.network.embedding_channels, network.told)
    classifier = OnnxClassifier(path, threads=threads)  # which checks one in int8
    if classifier.card.detector:
        return answering(classifier)
    try:
        told = _OnnxTold(path, threads)
    except NoLastLayer:
        return answering(classifier)
    return Answering(told.card, told.dimensions, told.rows)


class _OnnxTold:
    """An ONNX file that also tells what its last layer reads, run by ONNX Runtime on the CPU."""

    def __init__(self, path: Path, threads: int | None) -> None:
        """Load a model.

        Raises:
            ChangedExport: its graph is not the one that was exported.
            NoLastLayer: it does not end with a fully connected layer that reads as many numbers as
                the card's network has.
            CheckpointError: it cannot be read.
        """
        file = read_onnx_file(path)
        self.card, published = card_from_metadata(path, file.metadata, file)
        self._log_of_output = published is not None and published.output == "probabilities"
        content, *self._outputs = tell_last_layer(read_model(path, MOST_ONNX_BYTES), path)
        with loading(path, "ONNX Runtime"):
            self._session = open_session(content, threads)
            images = self._session.get_inputs()[0]
        self._name, takes_bytes = images.name, images.type == "tensor(uint8)"
        self._input = FileInput(self.card, takes_bytes, FixedSizes.of(images.shape))
        self.dimensions = self.card.network.embedding_channels
        width = self._session.get_outputs()[1].shape[-1:]
        if width and isinstance(width[0], int) and width[0] != self.dimensions:
            problem = f"has a last layer that reads {width[0]} numbers, not {self.dimensions}"
            raise NoLastLayer(path, problem)
        self._scale = read_scale(file.metadata, self.dimensions, path)
        self._guard = Guard(path, "ONNX Runtime", (self.card.network.classes + self.dimensions,))

    def rows(self, pixels: Pixels) -> _Rows:
        """Compute ``(n, classes + dimensions)`` of cropped images ``(n, h, w, c)``.

        Raises:
            SpecError: the pixels have another shape or type.
            CheckpointError: the file cannot be computed, or not to finite numbers.
        """
        images = self._input.from_pixels(pixels)
        return self._guard.logits(partial(self._input.sizes.compute, self._run), images)

    def _run(self, images: npt.NDArray[np.float32] | Pixels) -> _Rows:
        logits, embedding = self._session.run(self._outputs, {self._name: images})
        logits = logits_of(logits) if self._log_of_output else logits
        embedding = embedding if self._scale is None else embedding * self._scale
        return np.concatenate([logits, embedding], axis=1, dtype=np.float32)
