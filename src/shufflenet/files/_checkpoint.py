"""This package's checkpoint: a safetensors file with a card in its header."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save as serialize

from shufflenet.errors import CardMismatch, CardUnreadable, DamagedFile, NoCard, SpecError
from shufflenet.files._atomic import write_atomic
from shufflenet.files._model_file import open_model
from shufflenet.files._safetensors import Header, read_header, read_tensors
from shufflenet.outside import check_kind
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
        CardMismatch: the card is of another network than the weights.
        NoCard: the file has no card.
        NotAFile: the path leads to a folder or a pipe.
        CheckpointError: the file is missing, unreadable or damaged.
    """
    with _open(path) as file:
        return _card(path, read_header(file))


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint: its card and its tensors, in the types the file has.

    Raises:
        CheckpointError: the file is missing, unreadable, damaged, has no readable card, or the card
            is of another network than the weights.
    """
    with _open(path) as file:
        header = read_header(file)
        card = _card(path, header)  # before the tensors are read: it bounds them
        return Checkpoint(card, read_tensors(file, header))


@contextmanager
def _open(path: str | Path) -> Iterator[BinaryIO]:
    with open_model(path) as file:
        try:
            yield file
        except ValueError as error:
            check_kind(path, file, ".safetensors")
            raise DamagedFile(path, str(error).rstrip(".")) from error


def _card(path: str | Path, header: Header) -> Card:
    """Return the card in a header, checked against the shapes there.

    Raises:
        CardUnreadable: the card is damaged or of a newer version.
        CardMismatch: it is of another network.
        NoCard: there is none.
    """
    if CARD_KEY not in header.metadata:
        raise NoCard(path)
    try:
        card = Card.from_json(header.metadata[CARD_KEY])
    except SpecError as error:
        raise CardUnreadable(path, error) from error
    from shufflenet.files._compare_shapes import compare_shapes  # noqa: PLC0415  # ONNX needs none

    if differences := compare_shapes(header.shapes, card):
        raise CardMismatch(path, card.network.name, differences)
    return card


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
