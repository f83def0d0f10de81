"""From a name to a file on this disk: found, downloaded, converted or exported, each once."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.errors import (
    CheckpointError,
    CheckpointMismatch,
    FileMissing,
    MissingDependency,
    NeedsCheckpoint,
    NeedsOnnx,
    NeedsSuffix,
    NoCard,
    PublishedInt8,
    SpecError,
    WriteError,
)
from shufflenet.files import (
    Checkpoint,
    cache_dir,
    read_card,
    read_checkpoint,
    read_onnx_card,
    read_onnx_metadata,
    write_checkpoint,
)
from shufflenet.labels import label_set
from shufflenet.spec import CARD_KEY, Card, Origin
from shufflenet.zoo import WEIGHTS, Weights, find_network, find_weights, run_checkpoint

if TYPE_CHECKING:
    from shufflenet.convert import Converted

__all__ = [
    "CHECKPOINT",
    "ONNX",
    "cache_path",
    "convert_published",
    "find_source",
    "published_file",
    "resolve",
    "write_untrained",
]

_log = logging.getLogger(__name__)

CHECKPOINT, ONNX = ".safetensors", ".onnx"


def resolve(name: str | Path, suffixes: Sequence[str], *, folder: Path | None = None) -> Path:
    """Return the file of a model with one of these suffixes, and make it if there is none.

    Published weights are downloaded (with a progress bar on stderr), checked by their hash,
    converted to a checkpoint and, for ONNX, exported; each result is kept in
    ``files.cache_dir()``. A published ONNX file that ONNX Runtime can compute is only downloaded.

    Args:
        name: ``default``, a published checkpoint's name, the folder of a training run, whose best
            network it is, or a file, which is returned as it is.
        suffixes: Those that the caller can open, the preferred one first.
        folder: Where to export a ``.safetensors`` file, once; unless given, it is not exported.

    Raises:
        SpecError: it is neither a text nor a path.
        UnknownName: it is neither a checkpoint's name nor a file.
        NoWeights: it is a network's name.
        FileMissing: it is the path of a file that does not exist.
        NeedsOnnx: it is a checkpoint, which the caller cannot open.
        NeedsCheckpoint: it is an exported ONNX file, which the caller cannot open.
        NoCard: it is an ONNX file of another program, which can be converted.
        NeedsSuffix: the caller opens neither.
        CheckpointError: it cannot be converted.
        CheckpointMismatch: the downloaded file holds other weights than its name says.
        DownloadError: the file cannot be downloaded; the sentence says how to get it by hand.
        MissingDependency: converting or exporting it needs torch.
        ParityError: an exported file differs from the network; it is not kept.
        WriteError: the disk is full or the cache cannot be written.
    """
    if not isinstance(name, str | os.PathLike):
        raise SpecError("the model", name, "a name of `shufflenet list` or the path of a file")
    if Path(name).suffix.lower() in suffixes and not run_checkpoint(name):
        return Path(name)
    files = find_weights(name)
    at_hand = {ONNX: files.onnx, CHECKPOINT: files.checkpoint}
    for suffix in suffixes:
        if path := at_hand.get(suffix):
            return path
    if files.published and (ONNX in suffixes or CHECKPOINT in suffixes):
        return _resolve_published(files.published, suffixes)
    file = files.onnx or files.checkpoint
    if file and not os.path.lexists(file):
        raise FileMissing(file)
    if ONNX in suffixes and files.checkpoint and folder:
        onnx = folder / f"{files.name}{ONNX}"
        return onnx if onnx.exists() else _export(files.checkpoint, onnx)
    if ONNX in suffixes:
        raise NeedsOnnx(name)
    if CHECKPOINT in suffixes:
        raise NeedsCheckpoint(name) if _has_card(name) else NoCard(name)
    raise NeedsSuffix(name, suffixes)


def find_source(name: str | Path, *, keep_shuffle: bool) -> Path:
    """Return the file of a model that exports begin with: ONNX, or a checkpoint.

    Args:
        name: A model's name, the folder of a training run, or a file.
        keep_shuffle: Whether the shuffle is wanted, which ONNX files no longer have.

    Raises:
        NeedsCheckpoint: the shuffle of an ONNX file is wanted.
        ShuffleNetError: as ``resolve`` raises them.
    """
    suffixes = (CHECKPOINT,) if keep_shuffle else (ONNX, CHECKPOINT)
    published = WEIGHTS.get(str(name))
    if published and published.runs_unconverted and published.convertible:
        suffixes = (CHECKPOINT,)  # of the file as it was published the card is not inside
    return resolve(name, suffixes)


def _has_card(onnx: str | Path) -> bool:
    """Return whether an ONNX file was exported by this package; others can be converted.

    Raises:
        CheckpointError: it is missing, unreadable or damaged.
    """
    return CARD_KEY in read_onnx_metadata(onnx)


def cache_path(name: str, suffix: str) -> Path:
    """Return where a file that was made from published weights is kept."""
    return cache_dir() / "models" / f"{name}{suffix}"


def _resolve_published(weights: Weights, suffixes: Sequence[str]) -> Path:
    if weights.runs_unconverted and ONNX in suffixes:
        return published_file(weights)
    if weights.becomes_int8 and ONNX in suffixes:
        return _int8_file(weights)
    _check_convertible(weights)
    checkpoint, onnx = (cache_path(weights.name, suffix) for suffix in (CHECKPOINT, ONNX))
    wants_onnx = next(suffix for suffix in suffixes if suffix in (CHECKPOINT, ONNX)) == ONNX
    if wants_onnx and _holds(onnx, weights.name):
        return onnx
    if not _holds(checkpoint, weights.name):
        _write_converted(weights, checkpoint)
    return _export(checkpoint, onnx) if wants_onnx else checkpoint


def _holds(path: Path, name: str) -> bool:
    """Return whether a kept file is whole and has the card of that name."""
    try:
        card = read_onnx_card(path) if path.suffix == ONNX else read_card(path)
    except CheckpointError:
        return False
    return card.name == name


def published_file(weights: Weights) -> Path:
    """Return the path of a published file, downloaded if it is not kept yet.

    Raises:
        DownloadError: the file cannot be downloaded.
        WriteError: the disk is full or the cache cannot be written.
    """
    from tqdm import tqdm  # noqa: PLC0415  # most calls download nothing

    from shufflenet.files.downloads import download  # noqa: PLC0415  # likewise

    with tqdm(unit="B", unit_scale=True, desc=weights.filename, delay=1, leave=False) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return download(weights, on_progress=show)


def _int8_file(weights: Weights) -> Path:
    """Return the int8 file made of quantized weights of torchvision's, made if it is not kept yet.

    Raises:
        CheckpointError: the published file cannot be converted.
        CheckpointMismatch: it holds other weights than its name says.
        DownloadError: the file cannot be downloaded.
        MissingDependency: converting it needs torch.
        WriteError: the disk is full or the cache cannot be written.
    """
    onnx = cache_path(weights.name, ONNX)
    if not _holds(onnx, weights.name):
        try:
            from shufflenet.convert import convert_quantized  # noqa: PLC0415  # it loads torch
        except ModuleNotFoundError as error:
            raise MissingDependency("Converting weights", error.name or "torch", "torch") from error
        onnx.parent.mkdir(parents=True, exist_ok=True)
        convert_quantized(published_file(weights), onnx, weights=weights)
    return onnx


def _check_convertible(weights: Weights) -> None:
    if not weights.convertible:
        runs = weights.runs_unconverted
        raise PublishedInt8(weights.filename, weights.network, runs=runs)


def convert_published(weights: Weights) -> "Converted":
    """Download a published file and convert it to a checkpoint, which is not kept.

    Raises:
        CheckpointError: it is in int8, or cannot be converted.
        CheckpointMismatch: it holds other weights than its name says.
        DownloadError: the file cannot be downloaded.
        MissingDependency: converting it needs torch.
        WriteError: the disk is full or the cache cannot be written.
    """
    _check_convertible(weights)
    try:
        from shufflenet.convert import convert_checkpoint  # noqa: PLC0415  # it loads torch
    except ModuleNotFoundError as error:
        raise MissingDependency("Converting weights", error.name or "torch", "torch") from error
    file = published_file(weights)
    try:
        return convert_checkpoint(file, weights=weights)
    except (CheckpointError, CheckpointMismatch):
        if weights.url and not (weights.sha256 or weights.md5):
            file.unlink()  # no hash showed that another file was downloaded
        raise


def _write_converted(weights: Weights, checkpoint: Path) -> None:
    """Convert a published file, once for all processes that want it at the same time.

    Raises:
        WriteError: the cache cannot be written.
    """
    from filelock import FileLock  # noqa: PLC0415  # most calls convert nothing

    try:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(checkpoint.with_suffix(".lock"))
        lock.acquire()
    except OSError as error:
        raise WriteError(checkpoint, error.strerror or str(error)) from error
    try:
        if not _holds(checkpoint, weights.name):  # another process may have written it meanwhile
            converted = convert_published(weights)
            write_checkpoint(checkpoint, converted.checkpoint)
            for remark in converted.remarks:
                _log.info("%s: %s", weights.name, remark)
    finally:
        lock.release()


def _export(checkpoint: Path, onnx: Path) -> Path:
    """Export a checkpoint as ONNX, so that predicting no longer needs torch.

    Raises:
        MissingDependency: torch is not installed.
    """
    try:
        from shufflenet.export import export_onnx  # noqa: PLC0415  # it loads torch
        from shufflenet.networks import build_with  # noqa: PLC0415  # likewise
    except ModuleNotFoundError as error:
        raise MissingDependency("Exporting", error.name or "torch", "torch") from error
    _log.info("Exporting %s as ONNX, once; it takes some seconds.", checkpoint.stem)
    loaded = read_checkpoint(checkpoint)
    card = loaded.card
    export_onnx(build_with(card.network, loaded.tensors, card.detector), card, onnx)
    return onnx


def write_untrained(name: str, folder: Path) -> Path:
    """Write a checkpoint of a network with random weights, which computes as fast as a trained one.

    Args:
        name: A network's name; its images are of 224 px and its classes ImageNet's.
        folder: Where to write; a file written there before is used again.

    Raises:
        UnknownName: no network has that name.
        MissingDependency: torch is not installed.
        WriteError: the disk is full.
    """
    path = folder / f"{name}{CHECKPOINT}"
    if path.exists():
        return path
    try:
        from shufflenet.networks import build, state_arrays  # noqa: PLC0415  # it loads torch
    except ModuleNotFoundError as error:
        what = "A network without weights"
        raise MissingDependency(what, error.name or "torch", "torch") from error
    from shufflenet.recipes import preprocess_for  # noqa: PLC0415  # time that predictions save

    spec = find_network(name)
    card = Card(
        name=name,
        network=spec,
        preprocess=preprocess_for(224),
        labels=label_set("imagenet-1k"),
        origin=Origin(data="nothing: weights are random", licence="none"),
    )
    write_checkpoint(path, Checkpoint(card, state_arrays(build(spec))))
    return path
