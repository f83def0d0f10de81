"""ncnn's files, run by ncnn: a ``.param`` file, its ``.bin`` and the card beside them."""

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from shufflenet.errors import CardMismatch, DamagedNcnn, MissingDependency
from shufflenet.files import read_model, read_ncnn_text, read_part, read_sidecar, sidecar_of
from shufflenet.machine import PerProcess, cores
from shufflenet.preprocess import Pixels
from shufflenet.runtimes._cards import open_card
from shufflenet.runtimes._classifier import missing_package
from shufflenet.runtimes._file_input import FileInput
from shufflenet.runtimes._guard import Guard, loading
from shufflenet.runtimes._ncnn_check import NcnnNetwork, check_network
from shufflenet.spec import RUNTIMES, Arithmetic, Card

__all__ = ["NcnnClassifier", "open_file", "read_metadata"]

_MOST_BYTES = 1 << 31


def open_file(path: Path, *, threads: int | None, precision: Arithmetic) -> "NcnnClassifier":
    """Open a ``.param`` file; ``precision`` is ``float32``, the only one of this runtime.

    Raises:
        CheckpointError: a file is missing, damaged, or of another network.
        MissingDependency: ncnn is not installed.
    """
    return NcnnClassifier(path, threads=threads)


def read_metadata(path: Path) -> dict[str, str]:
    """Return the texts of the card beside a file.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    return read_sidecar(path)[0]


class NcnnClassifier:
    """A network in ncnn's format, run by ncnn on the CPU, one image after the other.

    ncnn's Python package computes one image at a time, whatever the number of threads that call
    it: it holds the interpreter's lock.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        """Load a network.

        Args:
            path: The ``.param`` file that ``shufflenet export`` wrote; the other two are beside it.
            threads: The number of threads that compute an image; one a core unless given.

        Raises:
            CheckpointError: a file is missing or damaged, or another than was written.
            MissingDependency: ncnn is not installed.
        """
        try:
            import ncnn  # noqa: PLC0415  # of an extra
        except ModuleNotFoundError as error:
            raise MissingDependency(*missing_package(RUNTIMES["ncnn"], error)) from error
        path = Path(path)
        self.card, network = _read(path)
        self._input, self._ncnn = FileInput(self.card, network.takes_pixels), ncnn
        self._guard = Guard(path, "ncnn", self.card.row_shape)
        self._path, self._threads, self._made_in = path, threads or cores(), os.getpid()
        self._net = PerProcess(self._load)
        with loading(path, "ncnn"):
            self._net.get()

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of prepared images ``(n, channels, h, w)``.

        Raises:
            SpecError: the batch has another shape or type, or is not finite.
            CheckpointError: the file cannot be computed, or not to finite logits.
        """
        return self._guard.logits(self._logits, self._input.from_batch(batch))

    def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped images, pixels ``(n, h, w, c)``.

        Raises:
            SpecError: the pixels have another shape or type.
            CheckpointError: the file cannot be computed, or not to finite logits.
        """
        return self._guard.logits(self._logits, self._input.from_pixels(pixels))

    def _load(self) -> Any:  # noqa: ANN401  # it has no types
        """Load the network, to be computed by one thread in a process that was forked.

        A fork copies no threads, and ncnn's OpenMP would wait for those that it had before.

        Raises:
            CheckpointError: the files are others than those that were opened.
            RuntimeError: ncnn cannot load them.
        """
        if os.getpid() == self._made_in:
            return _load(self._ncnn, self._path, self._threads)
        _read(self._path)
        return _load(self._ncnn, self._path, 1)

    def _logits(self, images: npt.NDArray[np.float32] | Pixels) -> npt.NDArray[np.float32]:
        rows = [self._row(np.ascontiguousarray(image, np.float32)) for image in images]
        return np.stack(rows) if rows else np.zeros((0, self.card.network.classes), np.float32)

    def _row(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits, ``(classes,)``, of an image ``(channels, h, w)`` in C order.

        Raises:
            RuntimeError: ncnn fails.
        """
        extractor = self._net.get().create_extractor()
        # A Mat of an array neither copies it nor keeps it alive, and a layer that computes in place
        # reads its count of references, which it has none of. A clone has both.
        mat = self._ncnn.Mat(image).clone()
        name = "pixels" if self._input.takes_bytes else "images"
        failed = extractor.input(name, mat)
        code, logits = extractor.extract("logits") if not failed else (failed, None)
        if code:
            raise RuntimeError(f"ncnn returned the code {code}")
        return np.array(logits, np.float32)


def _read(path: Path) -> tuple[Card, NcnnNetwork]:
    """Read the card and check the files, before ncnn trusts them.

    Raises:
        CheckpointError: one is missing or damaged, or another than was written.
        CardMismatch: the card is of a network with other channels or classes.
        DamagedNcnn: the files are no network that ``export`` writes.
    """
    numbers_path = path.with_suffix(".bin")
    if not numbers_path.exists():
        raise DamagedNcnn(path, f"has no {numbers_path.name!r} beside it")
    contents = {
        path.name: read_model(path, _MOST_BYTES),
        numbers_path.name: read_part(numbers_path, _MOST_BYTES),
    }
    metadata, contents[sidecar_of(path).name] = read_sidecar(path)
    card = open_card(path, metadata, contents)
    try:
        layers = read_ncnn_text(contents[path.name])
        network = check_network(layers, contents[numbers_path.name])
    except ValueError as error:
        raise DamagedNcnn(path, error) from error
    stated = {"channels": card.network.in_channels, "classes": card.network.classes}
    differing = [
        f"it has {getattr(network, name)} {name}, not {number}"
        for name, number in stated.items()
        if getattr(network, name) != number
    ]
    if differing:
        raise CardMismatch(path, card.network.name, differing)
    return card, network


def _load(ncnn: ModuleType, path: Path, threads: int) -> Any:  # noqa: ANN401  # it has no types
    """Load a network that computes in float32, as other runtimes do.

    By itself ncnn stores and computes in float16 or bfloat16 where a processor can, and 3x3
    convolutions by Winograd's method, which rounds more.

    Raises:
        RuntimeError: ncnn cannot load it.
    """
    net = ncnn.Net()
    options = net.opt
    options.num_threads = threads
    options.use_vulkan_compute = False
    options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
    options.use_bf16_packed = options.use_bf16_storage = False
    options.use_winograd_convolution = False
    numbers = path.with_suffix(".bin")
    if net.load_param(os.fspath(path)) or net.load_model(os.fspath(numbers)):
        raise RuntimeError("ncnn cannot load the network")
    return net
