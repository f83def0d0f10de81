"""The card of an ONNX file, read without ``onnx`` and without a session.

An ONNX file is one protobuf message, ``ModelProto``. Its metadata are the entries of field 14,
``metadata_props``, each a message of a key (field 1) and a value (field 2). Every other field is
skipped by its length, so that a file of any size costs a few reads.

Sources: onnx.proto3 of onnx 1.23 (``ModelProto``, ``StringStringEntryProto``);
https://protobuf.dev/programming-guides/encoding
"""

import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from shufflenet.errors import (
    CardUnreadable,
    DamagedOnnx,
    FileMissing,
    FileUnreadable,
    NoCard,
    NotAFile,
    SpecError,
)
from shufflenet.spec import CARD_KEY, Card
from shufflenet.zoo import Weights, find_published, published_card

__all__ = ["card_from_metadata", "computes_int8", "read_onnx_card", "read_onnx_metadata"]

_METADATA, _KEY, _VALUE = 14, 1, 2  # numbers of fields
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5  # types of values on the wire
_MAX_VARINT_BYTES = 10
_MAX_ENTRY_BYTES = 1 << 24  # of one entry: a card of a thousand labels takes 40 kB


def read_onnx_card(path: str | Path) -> Card:
    """Read the card of an ONNX file, or make that of the published file that it is.

    Raises:
        CheckpointError: the file is missing or damaged, or has no card and is no published file.
    """
    return card_from_metadata(path, read_onnx_metadata(path))[0]


def computes_int8(path: str | Path) -> bool:
    """Return whether an ONNX file computes in int8, as its card or the catalogue states.

    Raises:
        CheckpointError: the file is missing or damaged, or has no card and is no published file.
    """
    card, published = card_from_metadata(path, read_onnx_metadata(path))
    return card.int8 is not None or (published is not None and published.quantized)


def card_from_metadata(
    path: str | Path, metadata: Mapping[str, str]
) -> tuple[Card, Weights | None]:
    """Parse the card in an ONNX file's metadata, or make that of the published file that it is.

    Returns:
        The card, and the catalogue's entry if the file is a published one without a card.

    Raises:
        CardUnreadable: its card is damaged or of a newer version.
        NoCard: it has no card, and is not a published file.
    """
    try:
        return Card.from_json(metadata[CARD_KEY]), None
    except (KeyError, SpecError) as error:
        published = find_published(path)
        if published is None:
            if isinstance(error, SpecError):
                raise CardUnreadable(path, error) from error
            raise NoCard(path) from error
        return published_card(published), published


def read_onnx_metadata(path: str | Path) -> dict[str, str]:
    """Read the metadata of an ONNX file; of entries with the same key the last one counts.

    Raises:
        FileMissing: there is no such file.
        NotAFile: it is a folder or a pipe.
        FileUnreadable: reading the file fails, as for lack of permission.
        DamagedOnnx: it is not a complete protobuf message.
    """
    path = Path(path)
    if not path.exists():
        raise FileMissing(path)
    if not path.is_file():
        raise NotAFile(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return dict(_entry(entry) for entry in _fields(file, size, _METADATA))
    except OSError as error:
        raise FileUnreadable(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise DamagedOnnx(path, error) from error


def _entry(content: bytes) -> tuple[str, str]:
    """Parse a key and its value; a field that is left out is empty."""
    texts = []
    for number in (_KEY, _VALUE):
        *_, last = b"", *_fields(io.BytesIO(content), len(content), number)
        texts.append(last.decode())
    return texts[0], texts[1]


def _fields(file: BinaryIO, size: int, wanted: int) -> Iterator[bytes]:
    """Yield the contents of a message's fields of one number; all others are skipped.

    Raises:
        ValueError: it is no protobuf message of so many bytes.
    """
    while file.tell() < size:
        number, kind = divmod(_varint(file), 8)
        if number == 0:
            raise ValueError("a field has the number 0")
        if kind == _VARINT:
            _varint(file)
            continue
        if kind == _LENGTH:
            length = _varint(file)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"field {number} is of the unknown type {kind}")
        if length > size - file.tell():
            raise ValueError(f"field {number} ends after the file does")
        if number != wanted:
            file.seek(length, os.SEEK_CUR)
            continue
        if kind != _LENGTH or length > _MAX_ENTRY_BYTES:
            raise ValueError(f"field {number} is no text")
        yield file.read(length)


def _varint(file: BinaryIO) -> int:
    """Read an unsigned integer, seven bits a byte, the lowest first.

    Raises:
        ValueError: it does not end.

    >>> _varint(io.BytesIO(bytes([0b10010110, 0b1])))
    150
    """
    value = 0
    for place in range(_MAX_VARINT_BYTES):
        byte = file.read(1)
        if not byte:
            raise ValueError("it ends within a number")
        value |= (byte[0] & 0x7F) << 7 * place
        if byte[0] < 0x80:
            return value
    raise ValueError("a number has more than 64 bits")
