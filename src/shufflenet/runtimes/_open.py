"""Files opened by the runtime that a user named, or by the fastest one."""

from importlib import import_module
from pathlib import Path
from typing import Protocol

from shufflenet.errors import MissingDependency, SpecError
from shufflenet.files import check_model_file
from shufflenet.machine import check_threads
from shufflenet.runtimes._classifier import Classifier, missing_package
from shufflenet.spec import RUNTIMES, Arithmetic, Runtime

__all__ = ["find_runtimes", "open_by", "opens_at_once"]


class _OpenFile(Protocol):
    """The function ``open_file`` of a runtime's module."""

    def __call__(self, path: Path, *, threads: int | None, precision: Arithmetic) -> Classifier:
        """Open a file; see ``Runtime.module``."""


def find_runtimes(name: str, precision: Arithmetic = "float32") -> tuple[Runtime, ...]:
    """Return the runtimes to choose from: the one of that name, or all for ``auto``.

    Args:
        name: ``auto``, or a name of ``spec.RUNTIMES``.
        precision: The arithmetic of float networks; runtimes that do not offer it are left out.

    Raises:
        SpecError: no runtime has that name, or none offers that precision.
    """
    if not isinstance(name, str) or (name != "auto" and name not in RUNTIMES):
        names = ", ".join(f"'{known}'" for known in ("auto", *RUNTIMES))
        raise SpecError("runtime", name, names)
    named = tuple(RUNTIMES.values()) if name == "auto" else (RUNTIMES[name],)
    offering = tuple(runtime for runtime in named if precision in runtime.precisions)
    if not offering:
        offered = dict.fromkeys(each for runtime in named for each in runtime.precisions)
        expected = " or ".join(f"'{each}'" for each in offered)
        raise SpecError("precision", precision, expected + (f" with {name}" * (name != "auto")))
    return offering


def open_by(
    runtime: Runtime, path: Path, *, threads: int | None = None, precision: Arithmetic = "float32"
) -> Classifier:
    """Open a file by one runtime.

    Args:
        runtime: A row of ``spec.RUNTIMES`` that opens files of this suffix.
        path: The file.
        threads: The number of threads that compute a batch; one a core unless given.
        precision: One that the runtime offers.

    Raises:
        CheckpointError: the file is missing, damaged, or has no card.
        MissingDependency: the runtime is not installed.
        SpecError: the processor lacks that precision, or the number of threads is none that can be.
    """
    check_threads(threads)
    try:
        open_file: _OpenFile = import_module(runtime.module).open_file
    except ModuleNotFoundError as error:
        missing = missing_package(runtime, error)
        raise MissingDependency(*missing, _instead(path) if path.exists() else "") from error
    check_model_file(path)  # libraries that open it by name wait for a pipe
    return open_file(path, threads=threads, precision=precision)


def opens_at_once(runtime: Runtime, path: Path, threads: int) -> bool:
    """Return whether a runtime says that it opens a file in milliseconds.

    One whose opening takes longer for some files than for others says so by a function
    ``opens_at_once(path, threads)`` in its module.
    """
    try:
        says = getattr(import_module(runtime.module), "opens_at_once", None)
    except ModuleNotFoundError:
        return False
    return says is not None and bool(says(path, threads))


def _instead(path: Path) -> str:
    """Return what to do with a checkpoint where torch is not installed."""
    if path.suffix.lower() != ".safetensors":
        return ""
    return f"Or write it as .onnx where torch is: shufflenet export {path.name} --to model.onnx."
