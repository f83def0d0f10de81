"""Our file: safetensors with a card in its header; read safely, written whole or not at all."""

import contextlib
import glob
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load as parse
from safetensors.numpy import save as serialise

from shufflenet.errors import CheckpointError, SpecError, WriteError
from shufflenet.spec import CARD_KEY, Card

__all__ = [
    "PARTIAL",
    "Checkpoint",
    "narrowed",
    "read_card",
    "read_checkpoint",
    "write_atomic",
    "write_checkpoint",
]

PARTIAL = ".partial"  # how the names of files end that are being written
_STALE_S = 3600.0  # after so long without a change nobody writes such a file any more


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A set of weights and what must be known to use them."""

    card: Card
    tensors: Mapping[str, npt.NDArray[np.generic]]


def read_card(path: str | Path) -> Card:
    """Read the card of a checkpoint without its tensors.

    Raises:
        CheckpointError: the file is missing, damaged, or not one of ours.
    """
    if Path(path).is_fifo():
        raise CheckpointError(path, "is a pipe, which might never end", "Name a file.")
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
        return Card.from_json(metadata[CARD_KEY])
    except (OSError, SafetensorError) as error:
        raise CheckpointError(path, *_problem(path, error)) from error
    except KeyError as error:
        raise CheckpointError(path, "has no card", "Use a file that this package wrote.") from error
    except SpecError as error:
        raise CheckpointError(path, "has a card that cannot be read", str(error)) from error


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: the file is missing, damaged, or not one of ours.
    """
    card = read_card(path)
    try:
        return Checkpoint(card, parse(Path(path).read_bytes()))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(path, *_problem(path, error)) from error


def _problem(path: str | Path, error: Exception) -> tuple[str, str]:
    if isinstance(error, FileNotFoundError):
        return "does not exist", "See the names you can use: shufflenet list."
    if isinstance(error, PermissionError):
        return "may not be read", "Change its permissions."
    if Path(path).is_dir():
        return "is a folder", "Name the .safetensors file in it."
    return (
        f"is no whole safetensors file ({error})",
        "It may have been cut short: write, copy or train it again.",
    )


def write_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        WriteError: the disk is full or the place cannot be written; the old file still stands.
    """
    tensors = {name: narrowed(array) for name, array in checkpoint.tensors.items()}
    write_atomic(path, serialise(tensors, {CARD_KEY: checkpoint.card.to_json()}))


def narrowed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give a float32 array as float16 if that loses nothing, and else as it is.

    >>> narrowed(np.float32([0.5])).dtype, narrowed(np.float32([0.1])).dtype
    (dtype('float16'), dtype('float32'))
    """
    if array.dtype != np.float32:
        return array
    with np.errstate(over="ignore"):
        narrow = array.astype(np.float16)
    return narrow if np.array_equal(narrow.astype(np.float32), array) else array


def write_atomic(path: str | Path, content: bytes, *, former: Path | None = None) -> None:
    """Write a file under a temporary name beside it, then rename: readers see old or new.

    What a process that was killed while it wrote this file has left beside it is removed. What
    stood there before is kept as ``former``, if that is given.

    Raises:
        WriteError: the disk is full or the place cannot be written; the old file still stands.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path)
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if former is not None and path.exists():
                os.replace(path, former)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error


def _remove_stale(path: Path) -> None:
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{PARTIAL}"):
        with contextlib.suppress(OSError):  # another process removed it, or it is not ours
            if time.time() - left.stat().st_mtime > _STALE_S:
                left.unlink()
