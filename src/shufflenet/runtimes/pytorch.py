"""Checkpoints, run by PyTorch: imported by its own name, for it alone of this room loads torch."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from shufflenet.errors import ClassesDisagree, NoMaps, SpecError
from shufflenet.files import read_checkpoint
from shufflenet.networks import ShuffleNet, build_with
from shufflenet.preprocess import Pixels, normalize
from shufflenet.runtimes._guard import Guard, check_maps, check_rows
from shufflenet.runtimes._inputs import check_batch, check_pixels
from shufflenet.runtimes._last_layer import LastLayer
from shufflenet.runtimes._pt2 import ExportedClassifier, read_pt2_metadata
from shufflenet.spec import Arithmetic, Card

__all__ = ["TorchClassifier", "open_checkpoint", "open_file", "read_metadata"]


def open_file(
    path: str | Path, *, threads: int | None = None, precision: Arithmetic = "float32"
) -> "TorchClassifier | ExportedClassifier":
    """Open a checkpoint, or a program of torch.export, as a classifier.

    Args:
        path: A ``.safetensors`` or ``.pt2`` file of this package.
        threads: The number of threads that torch uses in this whole process; unchanged unless
            given.
        precision: ``float32``, the only one of this runtime.

    Raises:
        CheckpointError: the file is damaged or not one of ours.
        CheckpointMismatch: the weights do not fit the network that the card names.
    """
    if threads:
        torch.set_num_threads(threads)
    is_program = Path(path).suffix.lower() == ".pt2"
    return ExportedClassifier(path) if is_program else open_checkpoint(path)


def open_checkpoint(path: str | Path) -> "TorchClassifier":
    """Open a checkpoint as a classifier.

    Raises:
        CheckpointError: the file is damaged or not one of ours.
        CheckpointMismatch: the weights do not fit the network that the card names.
    """
    checkpoint = read_checkpoint(path)
    net = build_with(checkpoint.card.network, checkpoint.tensors, checkpoint.card.detector)
    return TorchClassifier(net, checkpoint.card)


def read_metadata(path: Path) -> dict[str, str]:
    """Return the texts that a program of torch.export holds; a checkpoint has none.

    Raises:
        CheckpointError: it is damaged, or cannot be read.
    """
    return read_pt2_metadata(path) if path.suffix.lower() == ".pt2" else {}


class TorchClassifier:
    """A network as a classifier: the reference that every other runtime is compared with.

    A process that was forked from the one that made it computes in one thread.
    """

    def __init__(self, net: nn.Module, card: Card) -> None:
        """Use a network, which is set to evaluation mode.

        Raises:
            ClassesDisagree: the network's classifier was replaced by one of other classes than the
                card's.
        """
        fc = net.fc if isinstance(net, ShuffleNet) else None
        if isinstance(fc, nn.Linear) and fc.out_features != len(card.labels):
            raise ClassesDisagree(card.network.name, fc.out_features, len(card.labels))
        self.card = card
        self._net = net.eval()
        self._process = os.getpid()
        self._guard = Guard(card.name, "torch", card.row_shape, what="model")

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of prepared images ``(n, channels, h, w)``.

        Raises:
            SpecError: the batch has another shape or type, or is not finite.
            CheckpointError: the network cannot be computed, or not to finite logits.
        """
        batch = check_batch(batch, self.card)
        return self._guard.logits(partial(self._rows, self._net), batch)

    def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped images, pixels ``(n, h, w, c)``.

        Raises:
            SpecError: the pixels have another shape or type.
            CheckpointError: the network cannot be computed, or not to finite logits.
        """
        pixels = check_pixels(pixels, self.card)
        images = normalize(pixels, self.card.preprocess)
        return self._guard.logits(partial(self._rows, self._net), images)

    def embed(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the inputs ``(n, d)`` of the network's last layer for images ``(n, c, h, w)``.

        Raises:
            SpecError: the batch has another shape or type, or is not finite; or the network is no
                ``ShuffleNet``, so that only logits can be computed.
            CheckpointError: the network cannot be computed, or not to finite numbers.
        """
        net = self._network()
        batch = check_batch(batch, self.card)
        if not len(batch):
            return np.empty((0, net.spec.embedding_channels), np.float32)
        rows = self._guard.run(partial(self._rows, net.embed), batch)
        check_rows(rows, (len(batch),), self.card.name, what="model")
        return rows

    def embed_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute what ``embed`` does, ``(n, d)``, for cropped images, pixels ``(n, h, w, c)``.

        Raises:
            SpecError: the pixels have another shape or type; or the network is no ``ShuffleNet``,
                so that only logits can be computed.
            CheckpointError: the network cannot be computed, or not to finite numbers.
        """
        pixels = check_pixels(pixels, self.card)
        return self.embed(normalize(pixels, self.card.preprocess))

    def told(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the logits of cropped images, pixels ``(n, h, w, c)``, and their embeddings.

        Returns:
            Both beside each other, ``(n, classes + d)``, from one pass through the network.

        Raises:
            SpecError: the pixels have another shape or type; or the network is no ``ShuffleNet``,
                so that only logits can be computed.
            CheckpointError: the network cannot be computed, or not to finite numbers.
        """
        net = self._network()
        images = normalize(check_pixels(pixels, self.card), self.card.preprocess)
        width = self._guard.row[0] + net.spec.embedding_channels
        return replace(self._guard, row=(width,)).logits(partial(self._rows, _told(net)), images)

    def maps(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the maps ``(n, d, h, w)`` whose mean over positions ``embed`` is.

        The weights of a class in the last layer, times these, are the map of that class. Of no
        images the maps are ``(0, d, 0, 0)``.

        Raises:
            NoMaps: the network's embedding is no such mean.
            SpecError: the batch has another shape or type, or is not finite; or the network is no
                ``ShuffleNet``, so that only logits can be computed.
            CheckpointError: the network cannot be computed, or not to finite numbers.
        """
        net = self._network()
        if not isinstance(net.neck, nn.Identity):
            raise NoMaps(self.card.name)
        batch = check_batch(batch, self.card)
        width = net.spec.embedding_channels
        if not len(batch):
            return np.empty((0, width, 0, 0), np.float32)
        maps = self._guard.run(partial(self._rows, net.features), batch)
        check_maps(maps, (len(batch), width), self.card.name, what="model")
        return maps

    def maps_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute what ``maps`` does, ``(n, d, h, w)``, for cropped images ``(n, h, w, c)``.

        Raises:
            NoMaps: the network's embedding is no such mean.
            SpecError: the pixels have another shape or type; or the network is no ``ShuffleNet``,
                so that only logits can be computed.
            CheckpointError: the network cannot be computed, or not to finite numbers.
        """
        pixels = check_pixels(pixels, self.card)
        return self.maps(normalize(pixels, self.card.preprocess))

    def last_layer(self) -> LastLayer:
        """Return the weights of the network's classifier.

        Raises:
            SpecError: the network is no ``ShuffleNet``, or its classifier no linear layer.
            NoLastLayer: the weights are not finite.
        """
        net = self._network()
        if not isinstance(net.fc, nn.Linear):
            raise SpecError("the classifier", type(net.fc).__name__, "a Linear, to have weights")
        weight = net.fc.weight.detach().float().cpu().numpy()
        bias = np.zeros(len(weight), np.float32)
        if net.fc.bias is not None:
            bias = net.fc.bias.detach().float().cpu().numpy()
        shape = self.card.network.classes, net.spec.embedding_channels
        return LastLayer(weight, bias).check(shape, self.card.name)

    def _network(self) -> ShuffleNet:
        """Return the network, whose layers before the classifier can be computed alone.

        Raises:
            SpecError: it is no ``ShuffleNet``.
        """
        if not isinstance(self._net, ShuffleNet):
            raise SpecError("the network", type(self._net).__name__, "a ShuffleNet, to embed with")
        return self._net

    def _rows(
        self, compute: Callable[[Tensor], Tensor], batch: npt.NDArray[np.generic]
    ) -> npt.NDArray[np.float32]:
        if os.getpid() != self._process:
            # A fork copies no threads, and torch would wait for those it had before.
            torch.set_num_threads(1)
            self._process = os.getpid()
        weight = next(self._net.parameters())
        with torch.inference_mode():
            result = compute(torch.from_numpy(batch).to(weight.device, weight.dtype))
        return result.float().cpu().numpy()


def _told(net: ShuffleNet) -> Callable[[Tensor], Tensor]:
    """Return what computes logits and embeddings, ``(n, classes + d)``, of ``(n, c, h, w)``."""

    def compute(images: Tensor) -> Tensor:
        embedding = net.embed(images)
        return torch.cat([net.fc(embedding), embedding], dim=1)

    return compute
