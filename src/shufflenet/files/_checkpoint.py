"""This package's checkpoint: a safetensors file with a card in its header."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load as parse
from safetensors.numpy import save as serialize

from shufflenet.errors import (
    CardUnreadable,
    DamagedFile,
    FileMissing,
    FileUnreadable,
    NoCard,
    NotAFile,
    SpecError,
)
from shufflenet.files._atomic import write_atomic
from shufflenet.spec import CARD_KEY, Card

__all__ = [
    "Checkpoint",
    "narrow",
    "read_card",
    "read_checkpoint",
    "write_checkpoint",
]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A set of weights, and the card that describes how to use them."""

    card: Card
    tensors: Mapping[str, npt.NDArray[np.generic]]


def read_card(path: str | Path) -> Card:
    """Read the card of a checkpoint without loading its tensors.

    Raises:
        CardUnreadable: the file's card is damaged or of a newer version.
        NoCard: the file has no card.
        NotAFile: the path leads to a folder or a pipe.
        CheckpointError: the file is missing, unreadable or damaged.
    """
    if Path(path).is_fifo():
        raise NotAFile(path)  # opening a pipe may never return
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
        return Card.from_json(metadata[CARD_KEY])
    except (OSError, SafetensorError) as error:
        _fail(path, error)
    except KeyError as error:
        raise NoCard(path) from error
    except SpecError as error:
        raise CardUnreadable(path, error) from error


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint: its card and its tensors, in the types the file has.

    Raises:
        CheckpointError: the file is missing, unreadable, damaged or has no readable card.
    """
    card = read_card(path)
    try:
        return Checkpoint(card, parse(Path(path).read_bytes()))
    except (OSError, SafetensorError) as error:
        _fail(path, error)


def _fail(path: str | Path, error: Exception) -> NoReturn:
    if isinstance(error, FileNotFoundError):
        raise FileMissing(path) from error
    if Path(path).is_dir():
        raise NotAFile(path) from error
    if isinstance(error, PermissionError):
        raise FileUnreadable(path, error.strerror or str(error)) from error
    raise DamagedFile(path, error) from error


def write_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all; float32 that is exact in float16 is stored so.

    Raises:
        WriteError: the disk is full or the folder cannot be written; the old file is unchanged.
    """
    tensors = {name: narrow(array) for name, array in checkpoint.tensors.items()}
    write_atomic(path, serialize(tensors, {CARD_KEY: checkpoint.card.to_json()}))


def narrow(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Convert a float32 array of any shape to float16 if that is exact; return others unchanged.

    >>> narrow(np.float32([0.5])).dtype, narrow(np.float32([0.1])).dtype
    (dtype('float16'), dtype('float32'))
    """
    if array.dtype != np.float32:
        return array
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), array) else array
