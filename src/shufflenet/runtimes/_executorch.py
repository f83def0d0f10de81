"""ExecuTorch programs, run by ExecuTorch and its XNNPACK delegate on the CPU."""

import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shufflenet.errors import DamagedProgram, MissingDependency
from shufflenet.files import read_model
from shufflenet.machine import check_threads, cores
from shufflenet.preprocess import Pixels
from shufflenet.runtimes._cards import open_card
from shufflenet.runtimes._classifier import missing_package
from shufflenet.runtimes._file_input import INPUT_KEY, FileInput
from shufflenet.runtimes._fixed_sizes import FixedSizes
from shufflenet.runtimes._guard import Guard, loading
from shufflenet.runtimes._pte_texts import read_pte_texts
from shufflenet.runtimes._stderr import silent_stderr
from shufflenet.spec import RUNTIMES, Arithmetic

__all__ = ["ExecuTorchClassifier", "open_file", "read_metadata"]

_MOST_BYTES = 1 << 31
_METHOD = "forward"


def open_file(path: Path, *, threads: int | None, precision: Arithmetic) -> "ExecuTorchClassifier":
    """Open a program; ``precision`` is ``float32``, the only one of this runtime.

    Raises:
        CheckpointError: the file is missing, damaged, or has no card.
        MissingDependency: ExecuTorch is not installed.
    """
    return ExecuTorchClassifier(path, threads=threads)


def read_metadata(path: Path) -> dict[str, str]:
    """Return the texts that a program holds, by their keys; none of it is run.

    Raises:
        CheckpointError: it cannot be read.
        DamagedProgram: it is no program, or is damaged.
    """
    return _texts(path, read_model(path, _MOST_BYTES))


class ExecuTorchClassifier:
    """A program that ``shufflenet export`` wrote, run by ExecuTorch.

    It computes images of one size, and a fixed number of them at a time. Several threads may use
    it; one of them computes at a time.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        """Load a program.

        Args:
            path: The file.
            threads: The number of threads that compute a batch; one a core unless given. All
                programs of a process share their threads, so that while one is open, those that
                are opened next use as many as it does.

        Raises:
            CardUnreadable: its card is damaged or of a newer version.
            ChangedExport: a byte of it was changed.
            CheckpointError: there is no such file, or it cannot be read.
            DamagedProgram: it is no program, or is damaged.
            MissingDependency: ExecuTorch or torch is not installed.
            NoCard: it is no file of this package.
            NotRunnable: ExecuTorch cannot load it.
            SpecError: the number of threads is none that can be.
        """
        check_threads(threads)
        content = read_model(path, _MOST_BYTES)
        texts = _texts(path, content)
        self.card = open_card(path, texts, {Path(path).name: content})
        self._lock = threading.Lock()
        with loading(path, "ExecuTorch"):
            program, self._method = load_program(content, threads or cores(), self)
            shape = program.method_meta(_METHOD).input_tensor_meta(0).sizes()
        takes_bytes = texts.get(INPUT_KEY) == "pixels"
        self._input = FileInput(self.card, takes_bytes, FixedSizes.of(shape))
        self._kept = content, program  # the method reads them
        self._guard = Guard(path, "ExecuTorch", self.card.row_shape)

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of prepared images ``(n, channels, h, w)``.

        Raises:
            SpecError: the batch has another shape or type, or is not finite.
            CheckpointError: the file cannot be computed, or not to finite logits.
        """
        return self._guard.logits(self._run, self._input.from_batch(batch))

    def logits_from_pixels(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Compute the logits ``(n, classes)`` of cropped images, pixels ``(n, h, w, c)``.

        Raises:
            SpecError: the pixels have another shape or type.
            CheckpointError: the file cannot be computed, or not to finite logits.
        """
        return self._guard.logits(self._run, self._input.from_pixels(pixels))

    def _run(self, images: npt.NDArray[np.float32] | Pixels) -> npt.NDArray[np.float32]:
        return self._input.sizes.compute(self._call, images)

    def _call(self, images: npt.NDArray[np.float32] | Pixels) -> npt.NDArray[np.float32]:
        """Compute as many images as the program takes."""
        import torch  # noqa: PLC0415  # ExecuTorch takes its tensors

        given = torch.from_numpy(images.astype(np.float32, copy=False))
        with self._lock:  # it computes in memory of its own
            (logits,) = self._method.call((given,))
        return np.asarray(logits.numpy(), np.float32)


def _texts(path: str | Path, content: bytes) -> dict[str, str]:
    """Return the texts of a program.

    Raises:
        DamagedProgram: it is none, or is damaged.
    """
    try:
        return read_pte_texts(content)
    except ValueError as error:
        raise DamagedProgram(path, "ExecuTorch", error) from error


# All programs of a process share one pool of threads. Making another one while a program is open
# would leave that program with threads that are gone.
_pool_lock = threading.Lock()
_open: "weakref.WeakSet[object]" = weakref.WeakSet()


def load_program(content: bytes, threads: int, owner: object) -> tuple[Any, Any]:
    """Load a program and its method, on that many threads if no other program is open.

    Args:
        content: The program; it must be kept as long as the method is.
        threads: The number of threads.
        owner: What uses the program; while it exists, the program counts as open.

    Raises:
        MissingDependency: ExecuTorch or torch is not installed.
        RuntimeError: ExecuTorch cannot load it.
    """
    library = _import_executorch()
    checked = library.Verification.InternalConsistency
    with _pool_lock, silent_stderr():  # it writes what the processor has
        if not _open and library._threadpool_get_thread_count() != threads:
            library._unsafe_reset_threadpool(threads)  # it has no other name
        load = library._load_program_from_buffer  # likewise
        program = load(content, program_verification=checked)
        method = program.load_method(_METHOD)
        _open.add(owner)
    return program, method


def _import_executorch() -> Any:  # noqa: ANN401  # it has no types
    """Import the library of ExecuTorch, without its compiler, whose import takes ten seconds.

    Raises:
        MissingDependency: ExecuTorch or torch is not installed.
    """
    try:
        import torch  # noqa: F401, PLC0415  # whose libraries it needs
        from executorch.extension.pybindings import _C  # noqa: PLC0415  # only where it is used
    except ModuleNotFoundError as error:
        raise MissingDependency(*missing_package(RUNTIMES["executorch"], error)) from error
    return _C
