"""Protobuf messages, read field by field without a library: what is skipped costs no memory.

Source: https://protobuf.dev/programming-guides/encoding
"""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

__all__ = ["Field", "contents", "fields", "integers", "number_in", "only"]

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5  # types of values on the wire
_MAX_VARINT_BYTES = 10
_MAX_PACKED_BYTES = 1 << 16  # of integers side by side in one field
_MAX_FIELDS = 1_000_000  # of a message: a second; a graph has one for each node and each weight


class Field(NamedTuple):
    """A field of a message in a file.

    Attributes:
        number: Which field it is.
        value: That of an integer; 0 for other types.
        start: Where the bytes of a text or a message begin; that of an integer's value.
        end: Where they end.
        has_length: Whether it is a text, bytes or a message.
    """

    number: int
    value: int
    start: int
    end: int
    has_length: bool


def fields(file: BinaryIO, start: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message between two places of a file; the caller may seek.

    Raises:
        ValueError: it is no protobuf message of so many bytes.
    """
    count = 0
    while start < end:
        file.seek(start)
        head = file.read(2 * _MAX_VARINT_BYTES)
        key, at = _varint(head, 0)
        number, kind = divmod(key, 8)
        if number == 0:
            raise ValueError("a field has the number 0")
        value = length = 0
        if kind == _VARINT:
            value, at = _varint(head, at)
        elif kind == _LENGTH:
            length, at = _varint(head, at)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"field {number} is of the unknown type {kind}")
        start += at
        if length > end - start:
            raise ValueError(f"field {number} ends after its message does")
        if (count := count + 1) > _MAX_FIELDS:
            raise ValueError(f"a message has more than {_MAX_FIELDS} fields")
        yield Field(number, value, start, start + length, kind == _LENGTH)
        start += length


def only(file: BinaryIO, message: Field, number: int) -> Field | None:
    """Return a message's field of a number, or None if there is none.

    Raises:
        ValueError: it is there twice, and readers differ in what they make of that, or it is no
            protobuf message.
    """
    found = [each for each in fields(file, message.start, message.end) if each.number == number]
    if len(found) > 1:
        raise ValueError(f"field {number} is there {len(found)} times")
    return found[0] if found else None


def contents(file: BinaryIO, field: Field | None, limit_bytes: int) -> str:
    """Return the text of a field; that of a missing one is empty.

    Raises:
        ValueError: it is no text, no UTF-8, or longer than the limit.
    """
    if field is None:
        return ""
    length = field.end - field.start
    if not field.has_length or length > limit_bytes:
        raise ValueError(f"field {field.number} is no text")
    file.seek(field.start)
    return file.read(length).decode()


def number_in(file: BinaryIO, message: Field, number: int) -> int | None:
    """Return a message's integer of a number, or None if there is none.

    Raises:
        ValueError: it is there twice, or it is no protobuf message.
    """
    field = only(file, message, number)
    return None if field is None else field.value


def integers(file: BinaryIO, field: Field) -> Iterator[int]:
    """Yield the integers of a field, signed, of 64 bits: one, or several that are packed.

    Raises:
        ValueError: the packed ones take too many bytes, or the last one does not end.

    >>> import io
    >>> minus_one = bytes([0xFF] * 9 + [1])
    >>> message = bytes([8 << 3 | 2, 11, 5]) + minus_one  # field 8, 11 bytes
    >>> file = io.BytesIO(message)
    >>> [list(integers(file, field)) for field in fields(file, 0, len(message))]
    [[5, -1]]
    """
    if not field.has_length:
        yield _signed(field.value)
        return
    if field.end - field.start > _MAX_PACKED_BYTES:
        raise ValueError(
            f"field {field.number} has more than {_MAX_PACKED_BYTES} bytes of integers"
        )
    file.seek(field.start)
    content, at = file.read(field.end - field.start), 0
    while at < len(content):
        value, at = _varint(content, at)
        yield _signed(value)


def _signed(value: int) -> int:
    """Return the integer of 64 bits in two's complement that a varint encodes."""
    value &= (1 << 64) - 1  # ten bytes hold 70 bits; readers drop the others
    return value - (1 << 64) if value >> 63 else value


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned integer, seven bits a byte, the lowest first, and return where it ends.

    Raises:
        ValueError: it does not end.

    >>> _varint(bytes([0b10010110, 0b1]), 0)
    (150, 2)
    """
    value = 0
    for place, byte in enumerate(content[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    if len(content) - at < _MAX_VARINT_BYTES:
        raise ValueError("it ends within a number")
    raise ValueError("a number has more than 64 bits")
