"""ONNX files of shuffle-free networks, run as machine code."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from shufflenet.errors import (
    CheckpointError,
    CompileError,
    FileChanged,
    FileMissing,
    MissingDependency,
    UnsupportedByRuntime,
)
from shufflenet.files import card_from_metadata, hash_content, read_onnx_card, read_onnx_file
from shufflenet.machine import PerProcess, check_threads, cores, host_target
from shufflenet.preprocess import Pixels, normalize, scales_bytes
from shufflenet.runtimes._cards import check_runs
from shufflenet.runtimes._classifier import missing_package
from shufflenet.runtimes._guard import Guard
from shufflenet.runtimes._helpers import Helpers
from shufflenet.runtimes._inputs import check_batch, check_pixels
from shufflenet.runtimes._int8 import check_int8
from shufflenet.spec import RUNTIMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from shufflenet.graph import Network
    from shufflenet.native import Compiled, NativeCode
    from shufflenet.spec import Arithmetic, Card, Target

__all__ = ["LlvmClassifier", "open_file", "opens_at_once"]

_MOST_SHAPES = 4
_MOST_TOGETHER = 8  # threads that compute one image: small maps have few pixels for each
_T = TypeVar("_T", bound=np.generic)


def open_file(path: Path, *, threads: int | None, precision: Arithmetic) -> LlvmClassifier:
    """Open an ONNX file; ``precision`` is ``float32``, the only one of this runtime.

    Raises:
        CheckpointError: the file is missing, damaged, has no card, or is none that it computes.
        MissingDependency: llvmlite or onnx is not installed.
    """
    return LlvmClassifier(path, threads=threads)


def opens_at_once(path: Path, threads: int) -> bool:
    """Return whether code for the size of a file's images is kept, for ``LlvmClassifier``."""
    try:
        from shufflenet.native import KeptCode  # noqa: PLC0415  # other runtimes do without

        card = read_onnx_card(path)
    except (CheckpointError, ModuleNotFoundError):
        return False
    target = host_target(int8=card.int8 is not None)
    kept = KeptCode(hash_content(path), target, min(threads, _MOST_TOGETHER))
    return kept.has(_shape(card))


class LlvmClassifier:
    """An ONNX file with a card inside, compiled by LLVM for this processor.

    It computes shuffle-free networks of V1's and V2's layers, searched ones too:

    - float32 files of ``shufflenet export``;
    - int8 files of ``shufflenet quantize``, with layers kept in float too; none with ``--pixels``.

    Before that, everything that the code will read and write is proved to lie in its memory, and
    what would take minutes or gigabytes is refused.

    Generating code for images of a new shape takes one to three seconds, and longer for large ones.
    It is kept in ``files.cache_dir() / "code"`` for this file, processor and version, and then
    takes milliseconds; what is kept has passed the proofs. For an int8 file code is generated when
    the file is opened, to check what it computes.
    """

    def __init__(
        self, path: str | Path, *, threads: int | None = None, target: Target | None = None
    ) -> None:
        """Open a file.

        Args:
            path: A file that ``shufflenet export`` or ``shufflenet quantize`` wrote.
            threads: How many compute a batch, an image each, or a single image together, of which
                more than eight do not help; one a core, unless given.
            target: The processor that code is generated for: this one, unless given.

        Raises:
            FileMissing: there is no such file.
            CheckpointError: the file is missing, damaged, has no card, or has layers of another
                kind.
            RunsNoDetectors: it is a detector's.
            MissingDependency: llvmlite or onnx is not installed.
            SpecError: the number of threads is none that can be.
        """
        check_threads(threads)
        try:
            from shufflenet.native import Compiled, KeptCode  # noqa: PLC0415  # as in _generate
        except ModuleNotFoundError as error:
            raise MissingDependency(*missing_package(RUNTIMES["llvm"], error)) from error
        if not Path(path).is_file():
            raise FileMissing(path)
        self._path, self._content = Path(path).absolute(), hash_content(path)
        file = read_onnx_file(path)
        self.card, _ = card_from_metadata(path, file.metadata, file)
        check_runs(self.card, path, "LLVM")
        self._guard = Guard(path, "LLVM", self.card.row_shape)
        self._network: Network | None = None
        self._target = target or host_target(int8=self.card.int8 is not None)
        threads = threads or cores()
        self._together = min(threads, _MOST_TOGETHER)
        helpers = partial(Helpers, self._together - 1)
        self._helpers = PerProcess(helpers) if threads > 1 else None
        pool = partial(ThreadPoolExecutor, threads, "shufflenet-llvm")
        self._pool = PerProcess(pool) if threads > 1 else None
        self._link, self._kept = Compiled, KeptCode(self._content, self._target, self._together)
        self._of_shape: OrderedDict[tuple[int, ...], Compiled] = OrderedDict()
        self._lock = PerProcess(threading.Lock)
        shape = _shape(self.card)
        if code := self._kept.read(shape):
            self._of_shape[shape] = self._link(code)
        else:
            self._check(shape)
        check_int8(self.logits_from_pixels, self.card, file.metadata, path)

    def _check(self, shape: tuple[int, int, int]) -> None:
        """Check that code can be generated for the file's network and images of a shape.

        Raises:
            UnsupportedByRuntime: the layers do not fit each other.
        """
        network = self._read_network()
        from shufflenet.codegen import check  # noqa: PLC0415  # as in _generate

        try:
            check(network, self._target, shape)
        except CompileError as error:
            raise UnsupportedByRuntime(self._path, error.feature, "LLVM") from error

    def _read_network(self) -> Network:
        """Read the file's layers, if that was not done before.

        Raises:
            CheckpointError: the file is damaged or has layers of another kind.
            FileChanged: it is another one than when it was opened.
            MissingDependency: onnx is not installed.
        """
        if self._network is None:
            try:
                from shufflenet.graph import read_network  # noqa: PLC0415  # as in _generate
            except ModuleNotFoundError as error:
                raise MissingDependency(*missing_package(RUNTIMES["llvm"], error)) from error
            network, _ = read_network(self._path)
            if hash_content(self._path) != self._content:
                raise FileChanged(self._path)
            self._network = network
        return self._network

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of prepared images ``(n, channels, h, w)``.

        Raises:
            SpecError: the batch has another shape or type, or is not finite.
            CheckpointError: code for this shape cannot be compiled, or logits are not finite.
        """
        batch = check_batch(batch, self.card)
        return self._guard.logits(self._logits, batch)

    def _logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        compiled = self._compiled_for(batch.shape[1:])
        if len(batch) == 1:  # callers in several threads wait for none that has not begun
            return compiled.logits_of(batch[0], self._submit())
        return compiled.logits(self._map(compiled.features, batch))

    def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped images, pixels ``(n, h, w, c)``.

        The code normalizes bytes as it reads them, unless a mean image is subtracted.

        Raises:
            SpecError: the batch has another shape or type, or is not finite.
            CheckpointError: code for this shape cannot be compiled, or logits are not finite.
        """
        pixels = check_pixels(pixels, self.card)
        how = self.card.preprocess
        if not scales_bytes(how, how.in_channels):
            return self.logits(normalize(pixels, how))
        return self._guard.logits(self._logits_from_pixels, np.asarray(pixels, np.uint8))

    def _logits_from_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        compiled = self._compiled_for((pixels.shape[3], *pixels.shape[1:3]))
        if len(pixels) == 1:  # as in logits
            return compiled.logits_of_pixels(pixels[0], self._submit())
        return compiled.logits(self._map(compiled.features_of_pixels, pixels))

    def _submit(self) -> Callable[..., None] | None:
        """Return what has a call executed by another thread of this process; None without any."""
        return self._helpers.get().submit if self._helpers else None

    def _map(
        self,
        compute: Callable[[npt.NDArray[_T]], npt.NDArray[np.float32]],
        images: npt.NDArray[_T],
    ) -> list[npt.NDArray[np.float32]]:
        """Compute each image, on the threads of this process: a fork copies none."""
        each = self._pool.get().map if self._pool else map
        return list(each(compute, images))

    def _compiled_for(self, shape: tuple[int, ...]) -> Compiled:
        """Return the code for ``(channels, h, w)``; that of the shape longest unused is dropped."""
        with self._lock.get():
            if shape not in self._of_shape:
                self._of_shape[shape] = self._compile(shape)
            self._of_shape.move_to_end(shape)
            if len(self._of_shape) > _MOST_SHAPES:
                self._of_shape.popitem(last=False)
            return self._of_shape[shape]

    def _compile(self, shape: tuple[int, ...]) -> Compiled:
        code = self._kept.read(shape)
        if code is None:
            code = self._generate(shape)
            self._kept.write(code)
        return self._link(code)

    def _generate(self, shape: tuple[int, ...]) -> NativeCode:
        """Generate the code for images ``(channels, h, w)``.

        What that needs is imported here: kept code does without, and so do other runtimes.
        """
        network = self._read_network()
        from shufflenet.codegen import build, compile_module  # noqa: PLC0415  # see above

        channels, height, width = shape
        module = build(
            network,
            self._target,
            (channels, height, width),
            self.card.preprocess,
            threads=self._together,
        )
        return compile_module(module)


def _shape(card: Card) -> tuple[int, int, int]:
    """Return the channels, height and width of a model's images, px."""
    return card.network.in_channels, *card.preprocess.size_px
