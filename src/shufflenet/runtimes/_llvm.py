"""ONNX files of shuffle-free networks, run as machine code."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from shufflenet.errors import CheckpointError, MissingDependency
from shufflenet.files import card_from_metadata
from shufflenet.machine import cores
from shufflenet.preprocess import normalize
from shufflenet.runtimes._classifier import missing_package
from shufflenet.runtimes._inputs import check_batch
from shufflenet.runtimes._int8 import check_int8
from shufflenet.spec import RUNTIMES

if TYPE_CHECKING:
    from shufflenet.codegen import Compiled
    from shufflenet.spec import Arithmetic

__all__ = ["LlvmClassifier", "open_file"]

_MOST_SHAPES = 4


def open_file(path: Path, *, threads: int | None, precision: Arithmetic) -> LlvmClassifier:
    """Open an ONNX file; ``precision`` is ``float32``, the only one of this runtime.

    Raises:
        CheckpointError: the file is missing, damaged, has no card, or is none that it computes.
        MissingDependency: llvmlite or onnx is not installed.
    """
    return LlvmClassifier(path, threads=threads)


class LlvmClassifier:
    """An ONNX file with a card inside, compiled by LLVM for this processor.

    It computes networks of V1's and V2's layers, searched ones too, without their shuffle: in
    float32 as ``shufflenet export`` writes them, and in int8 as ``shufflenet quantize`` does, if
    the processor has VNNI, or AVX2 and the weights are not of ``--range full``; not with
    ``--pixels``, nor with layers kept in float. Images of a new shape take one to three seconds,
    and large ones longer, in which code for it is made; of an int8 file that is done when it is
    opened, to check what it computes.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        """Load a model.

        Args:
            path: A file that ``shufflenet export`` or ``shufflenet quantize`` wrote.
            threads: How many images are computed at a time, for one takes one thread; one a core,
                unless given.

        Raises:
            CheckpointError: the file is missing, damaged, has no card, has layers of another
                kind, or is in int8 and this processor lacks what multiplies it.
            MissingDependency: llvmlite or onnx is not installed.
        """
        try:
            from shufflenet.codegen import (  # noqa: PLC0415  # others do without
                Compiled,
                check,
                lacking,
            )
            from shufflenet.graph import read_network  # noqa: PLC0415  # likewise
        except ModuleNotFoundError as error:
            raise MissingDependency(*missing_package(RUNTIMES["llvm"], error)) from error
        if not Path(path).is_file():
            remedy = "See the names you can use: shufflenet list."
            raise CheckpointError(path, "does not exist", remedy)
        self._network, metadata = read_network(path)
        self.card, _ = card_from_metadata(path, metadata)
        lacks = lacking(self._network)
        if lacks:
            weights = "weights of full range" if lacks == "VNNI" else "weights"
            problem = (
                f"has int8 {weights}, which the LLVM runtime multiplies by {lacks}, "
                "and this processor lacks it"
            )
            raise CheckpointError(path, problem, "Use --runtime onnxruntime.")
        try:
            check(self._network, self.card.network.in_channels)
        except (KeyError, ValueError) as error:
            problem = "has layers that do not fit each other as the LLVM runtime knows them"
            raise CheckpointError(path, problem, "Use --runtime onnxruntime.") from error
        self._compile = Compiled
        self._of_shape: OrderedDict[tuple[int, ...], Compiled] = OrderedDict()
        self._lock = threading.Lock()
        threads = threads or cores()
        self._pool = ThreadPoolExecutor(threads, "shufflenet-llvm") if threads > 1 else None
        check_int8(self.logits_from_pixels, self.card, metadata, path)

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map images ``(n, 3, h, w)`` to logits ``(n, classes)``.

        Raises:
            SpecError: the batch has another shape or type.
        """
        check_batch(batch, self.card.network.in_channels)
        compiled = self._compiled_for(batch.shape[1:])
        if len(batch) == 1:  # callers in several threads need not wait for those of the pool
            return compiled.logits_of(batch[0])
        each = self._pool.map if self._pool else map
        return compiled.logits(list(each(compiled.features, batch)))

    def logits_from_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped RGB images ``(n, h, w, 3)``, 0 to 255."""
        return self.logits(normalize(pixels, self.card.preprocess))

    def _compiled_for(self, shape: tuple[int, ...]) -> Compiled:
        """Find the code for a shape, or make it; that of the shape longest unused goes."""
        with self._lock:
            if shape not in self._of_shape:
                self._of_shape[shape] = self._compile(self._network, *shape)
            self._of_shape.move_to_end(shape)
            if len(self._of_shape) > _MOST_SHAPES:
                self._of_shape.popitem(last=False)
            return self._of_shape[shape]
