"""From a name to files on this disk: downloaded, converted and kept, each once."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from tqdm import tqdm

from shufflenet.errors import CheckpointError, CheckpointMismatch, MissingDependency, WriteError
from shufflenet.files import cache_dir, download, read_card, write_checkpoint
from shufflenet.runtimes import OnnxClassifier
from shufflenet.zoo import WeightFiles, Weights, find_weights

if TYPE_CHECKING:
    from shufflenet.convert import Converted

__all__ = ["converted", "fetched", "kept", "obtain"]

_log = logging.getLogger(__name__)


def obtain(name: str | Path, *, as_checkpoint: bool = False) -> WeightFiles:
    """Find the files behind a name, and bring what is not there yet.

    A published file is downloaded, with a progress bar on stderr, its hash is checked, and it is
    converted to a checkpoint of ours; both are kept in ``files.cache_dir()``. An ONNX file that
    ONNX Runtime can compute stays as it is, unless a checkpoint is wanted.

    Raises:
        UnknownName: it is neither a checkpoint's name nor a file.
        CheckpointError: the file is of another kind, or of one that cannot be converted.
        DownloadError: the file cannot be had; the sentence says how to get it by hand.
        MissingDependency: converting it needs torch.
        WriteError: the disk is full or the cache cannot be written.
    """
    files = find_weights(name)
    weights = files.published
    if weights is None:
        return files
    if weights.runs_unconverted and not as_checkpoint:
        return replace(files, onnx=fetched(weights))
    _check_convertible(weights)
    checkpoint, onnx = kept(weights.name, ".safetensors"), kept(weights.name, ".onnx")
    if not _holds(checkpoint, weights.name):
        _keep(weights, checkpoint)
    return replace(files, checkpoint=checkpoint, onnx=onnx if _holds(onnx, weights.name) else None)


def kept(name: str, suffix: str) -> Path:
    """Say where what is made of a published file is kept."""
    return cache_dir() / "models" / f"{name}{suffix}"


def fetched(weights: Weights) -> Path:
    """Give the path of a published file; while it is downloaded, a bar on stderr shows it.

    Raises:
        DownloadError: the file cannot be had.
        WriteError: the disk is full or the cache cannot be written.
    """
    with tqdm(unit="B", unit_scale=True, desc=weights.filename, delay=1, leave=False) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return download(weights, on_progress=show)


def _holds(path: Path, name: str) -> bool:
    """Whether what was kept is whole and still what its name says."""
    try:
        card = OnnxClassifier(path).card if path.suffix == ".onnx" else read_card(path)
    except CheckpointError:
        return False
    return card.name == name


def _check_convertible(weights: Weights) -> None:
    if not weights.convertible:
        what = "is an int8 file, of which no network can be made"
        other = "is an int8 file of torch's own engine, which this package does not run"
        remedy = f"Use float weights of the same network: shufflenet list {weights.network}."
        raise CheckpointError(weights.filename, what if weights.runs_unconverted else other, remedy)


def converted(weights: Weights) -> "Converted":
    """Bring a published file and make a checkpoint of it.

    Raises:
        CheckpointError: it is in int8, or cannot be converted.
        CheckpointMismatch: it is another file than its name says.
        DownloadError: the file cannot be had.
        MissingDependency: converting it needs torch.
        WriteError: the disk is full or the cache cannot be written.
    """
    _check_convertible(weights)
    try:
        from shufflenet.convert import convert_checkpoint  # noqa: PLC0415  # it loads torch
    except ModuleNotFoundError as error:
        raise MissingDependency("Converting weights", error.name or "torch", "torch") from error
    file = fetched(weights)
    try:
        return convert_checkpoint(file, weights=weights)
    except (CheckpointError, CheckpointMismatch):
        if weights.url and not (weights.sha256 or weights.md5):
            file.unlink()  # no hash told that something else was downloaded
        raise


def _keep(weights: Weights, checkpoint: Path) -> None:
    """Convert a published file, once for all processes that want it at the same time.

    Raises:
        WriteError: the cache cannot be written.
    """
    try:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(checkpoint.with_suffix(".lock"))
        lock.acquire()
    except OSError as error:
        raise WriteError(checkpoint, error.strerror or str(error)) from error
    try:
        if not _holds(checkpoint, weights.name):  # else another made it while this one waited
            made = converted(weights)
            write_checkpoint(checkpoint, made.checkpoint)
            for remark in made.remarks:
                _log.info("%s: %s", weights.name, remark)
    finally:
        lock.release()
