"""Embedders: from images to what the last layer of a network reads, by ONNX Runtime or by torch."""

from functools import partial
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from shufflenet.errors import (
    NeedsSuffix,
    NoLastLayer,
    NoMaps,
)
from shufflenet.files import (
    card_from_metadata,
    check_model_file,
    cut_last_layer,
    read_model,
    read_onnx_file,
)
from shufflenet.machine import check_threads
from shufflenet.preprocess import Pixels
from shufflenet.runtimes._classifier import check_classifier
from shufflenet.runtimes._file_input import FileInput
from shufflenet.runtimes._fixed_sizes import FixedSizes
from shufflenet.runtimes._guard import Guard, check_maps, loading
from shufflenet.runtimes._last_layer import LastLayer, read_scale
from shufflenet.runtimes._onnxruntime import MOST_ONNX_BYTES, OnnxClassifier, open_session
from shufflenet.runtimes._open import open_by
from shufflenet.spec import RUNTIMES, Card

__all__ = ["Embedder", "OnnxEmbedder", "open_embedder"]

_Images = npt.NDArray[np.float32] | Pixels


class Embedder(Protocol):
    """A model that computes a vector for each image; several threads may use it at once."""

    card: Card

    def embed(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the inputs ``(n, d)`` of the last layer for prepared images ``(n, c, h, w)``."""

    def embed_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the same of cropped images, pixels ``(n, h, w, c)``."""

    def maps(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the maps ``(n, d, h, w)`` whose mean over positions ``embed`` is."""

    def maps_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the same of cropped images ``(n, h, w, c)``."""

    def last_layer(self) -> LastLayer:
        """Return the weights of the layer that reads what ``embed`` computes."""


def open_embedder(path: str | Path, *, threads: int | None = None) -> Embedder:
    """Open a file as an embedder: ``.onnx`` by ONNX Runtime, ``.safetensors`` by torch.

    ``shufflenet.open_embedder`` also takes names. Pickled, an embedder of an ONNX file is the path
    of that, as a ``Model`` is; one of a checkpoint is its weights.

    Args:
        path: A file of this package, float or int8, or one of the ONNX model zoo.
        threads: The number of threads that compute a batch; one a core unless given. By torch it is
            that of the whole process.

    Raises:
        CheckpointError: the file is missing, damaged, changed, or has no card.
        NeedsSuffix: it is of another kind.
        FindsBoxes: it is a detector.
        NoLastLayer: its graph does not end with a fully connected layer.
        MissingDependency: it is a checkpoint, and torch is not installed.
        SpecError: the number of threads is none that can be.
    """
    check_threads(threads)
    path = Path(path).absolute()
    suffix = path.suffix.lower()
    if suffix not in (".onnx", ".safetensors"):
        raise NeedsSuffix(path, (".onnx", ".safetensors"))
    if suffix == ".onnx":
        return OnnxEmbedder(path, threads=threads)
    embedder = cast("Embedder", open_by(RUNTIMES["torch"], path, threads=threads))
    check_classifier(embedder.card, "give embeddings or heat maps")
    return embedder


class OnnxEmbedder:
    """An ONNX file without its last layer, run by ONNX Runtime on the CPU."""

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        """Load a model.

        A file in int8 is opened as a classifier first, which checks that it computes here what it
        computed where it was written.

        Args:
            path: A file that ``shufflenet export`` or ``quantize`` wrote, or one of the ONNX model
                zoo.
            threads: The number of threads that compute a batch; one a core unless given.

        Raises:
            FileMissing: there is no such file.
            NotRunnable: ONNX Runtime cannot parse or run it.
            NoCard: it has no card that can be read, and is no published file.
            ChangedExport: its graph is not the one that was exported.
            NoLastLayer: it does not end with a fully connected layer that reads as many numbers as
                the card's network has.
            FindsBoxes: it is a detector.
            CheckpointError: it cannot be read.
        """
        check_model_file(path)
        file = read_onnx_file(path)
        self.card, published = card_from_metadata(path, file.metadata, file)
        if self.card.int8 or (published and published.quantized):
            OnnxClassifier(path, threads=threads)
        check_classifier(self.card, "give embeddings or heat maps")
        self._graph = cut_last_layer(read_model(path, MOST_ONNX_BYTES), path)
        with loading(path, "ONNX Runtime"):
            self._session = open_session(self._graph.content, threads)
            images = self._session.get_inputs()[0]
        self._opened = path, threads
        self._name, takes_bytes = images.name, images.type == "tensor(uint8)"
        self._input = FileInput(self.card, takes_bytes, FixedSizes.of(images.shape))
        self._guard = Guard(path, "ONNX Runtime", (self._check_width(),))
        self._scale = read_scale(file.metadata, self._guard.row[0], path)

    def __reduce__(self) -> tuple[object, ...]:
        """Return how pickle makes the embedder anew: from its file."""
        path, threads = self._opened
        return partial(OnnxEmbedder, threads=threads), (path,)

    def embed(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the inputs ``(n, d)`` of the last layer for prepared images ``(n, c, h, w)``.

        Raises:
            SpecError: the batch has another shape or type, or is not finite.
            CheckpointError: the file cannot be computed, or not to finite numbers.
        """
        return self._guard.logits(self._embed, self._input.from_batch(batch))

    def embed_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute what ``embed`` does, ``(n, d)``, for cropped images, pixels ``(n, h, w, c)``.

        Raises:
            SpecError: the pixels have another shape or type.
            CheckpointError: the file cannot be computed, or not to finite numbers.
        """
        return self._guard.logits(self._embed, self._input.from_pixels(pixels))

    def maps(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the maps ``(n, d, h, w)`` whose mean over positions ``embed`` is.

        The weights of a class in the last layer, times these, are the map of that class. Of no
        images the maps are ``(0, d, 0, 0)``.

        Raises:
            NoMaps: the network's embedding is no such mean.
            SpecError: the batch has another shape or type, or is not finite.
            CheckpointError: the file cannot be computed, or not to finite numbers.
        """
        return self._maps(self._input.from_batch(batch))

    def maps_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute what ``maps`` does, ``(n, d, h, w)``, for cropped images ``(n, h, w, c)``.

        Raises:
            NoMaps: the network's embedding is no such mean.
            SpecError: the pixels have another shape or type.
            CheckpointError: the file cannot be computed, or not to finite numbers.
        """
        return self._maps(self._input.from_pixels(pixels))

    def last_layer(self) -> LastLayer:
        """Compute the weights of the layer that was cut off, as floats in an int8 file too.

        Logits are what ``embed`` computes times these, plus the bias: exactly in a float file, and
        to the rounding of the embedding to bytes in an int8 one. Of a file that ends with a softmax
        they are what that reads.

        Raises:
            NoLastLayer: they are not finite, or not a number for each class and each of the
                embedding.
        """
        path, layer = self._guard.path, self._graph.layer
        names = [layer.weight, *(name for name, _ in layer.biases)]
        with loading(path, "ONNX Runtime"):
            values = open_session(layer.content, 1).run(names, {})
        weight, *biases = (np.asarray(value, np.float32) for value in values)
        classes = self.card.network.classes
        bias = np.zeros(classes, np.float32)
        for value, (_, factor) in zip(biases, layer.biases, strict=True):
            if value.size not in (1, classes):
                raise NoLastLayer(path, f"has a last layer of {value.size} biases, not {classes}")
            bias += factor * value.reshape(-1)
        weight = layer.factor * (weight if layer.is_transposed else weight.T)
        weight = weight if self._scale is None else weight / self._scale
        return LastLayer(weight, bias).check((classes, self._guard.row[0]), path)

    def _maps(self, images: _Images) -> npt.NDArray[np.float32]:
        """Compute the maps ``(n, d, h, w)`` of images as the file takes them.

        Raises:
            NoMaps: the network's embedding is no mean of them.
        """
        if self._graph.maps is None:
            raise NoMaps(self.card.name)
        width = self._guard.row[0]
        if not len(images):
            return np.empty((0, width, 0, 0), np.float32)
        compute = partial(self._run, self._graph.maps)
        maps = self._guard.run(partial(self._input.sizes.compute, compute), images)
        check_maps(maps, (len(images), width), self._guard.path)
        if self._graph.window not in (None, maps.shape[2:]):
            raise NoMaps(self.card.name)
        return maps if self._scale is None else maps * self._scale[:, None, None]

    def _embed(self, images: _Images) -> npt.NDArray[np.float32]:
        rows = self._input.sizes.compute(partial(self._run, self._graph.embedding), images)
        return rows if self._scale is None else rows * self._scale

    def _run(self, output: str, images: _Images) -> npt.NDArray[np.float32]:
        result: npt.NDArray[np.float32] = self._session.run([output], {self._name: images})[0]
        # Bytes stay bytes, which no guard lets pass.
        return result.astype(np.float32) if result.dtype == np.float16 else result

    def _check_width(self) -> int:
        """Return the size of an embedding, which is that of the card's network.

        Raises:
            NoLastLayer: it is not.
        """
        width = self.card.network.embedding_channels
        shape = self._session.get_outputs()[0].shape
        if shape and isinstance(shape[-1], int) and shape[-1] != width:
            problem = f"has a last layer that reads {shape[-1]} numbers, not {width} as its card's"
            raise NoLastLayer(self._opened[0], problem)
        return width
