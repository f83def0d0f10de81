"""Protobuf messages, written without a library: a message is the sum of its fields.

Source: https://protobuf.dev/programming-guides/encoding
"""

import struct
from collections.abc import Iterable

__all__ = ["chunk", "entry", "fixed32", "floats", "integer", "integers_packed"]


def _varint(value: int) -> bytes:
    """Return an integer as a varint: seven bits a byte, the lowest first.

    >>> _varint(150).hex(), len(_varint(-1))
    ('9601', 10)
    """
    value &= (1 << 64) - 1
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(parts) + bytes([value])


def integer(number: int, value: int) -> bytes:
    """Return a field that holds an integer, a truth value or a member of an enumeration."""
    return _varint(number << 3) + _varint(value)


def chunk(number: int, content: bytes | str) -> bytes:
    """Return a field that holds a text, bytes or a message.

    >>> chunk(2, "testing").hex()
    '120774657374696e67'
    """
    content = content.encode() if isinstance(content, str) else content
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def entry(number: int, key: str, value: bytes | str) -> bytes:
    """Return one entry of a map from texts to texts or messages."""
    return chunk(number, chunk(1, key) + chunk(2, value))


def fixed32(number: int, content: bytes) -> bytes:
    """Return a field that holds four bytes, such as a number of float32."""
    return _varint(number << 3 | 5) + content


def integers_packed(number: int, values: Iterable[int]) -> bytes:
    """Return a field that holds integers side by side."""
    return chunk(number, b"".join(map(_varint, values)))


def floats(number: int, values: Iterable[float]) -> bytes:
    """Return a field that holds numbers of float32 side by side."""
    return chunk(number, b"".join(struct.pack("<f", value) for value in values))
