"""Zip files opened within bounds, before Python's reader takes their word for anything.

In a file of its own, since zipfile loads slowly.
"""

import os
import struct
import zipfile
from typing import BinaryIO

__all__ = ["open_zip"]

_LIMIT_BYTES = 4 << 20  # of the directory: 40,000 entries
_END, _END_BYTES, _MAX_COMMENT = b"PK\x05\x06", 22, 1 << 16
_LOCATOR, _LOCATOR_BYTES = b"PK\x06\x07", 20
_END_64_BYTES = 56


def open_zip(stream: BinaryIO) -> zipfile.ZipFile:
    """Open a zip file whose names are distinct and whose entries do not overlap.

    Nothing is unpacked. An entry that is compressed may unpack to more than it says; those that are
    not have together no more bytes than the file.

    Args:
        stream: A regular file, opened to read; it stays open.

    Raises:
        zipfile.BadZipFile: it is no zip file, or one that is refused; the text is a clause.
    """
    size = stream.seek(0, os.SEEK_END)
    if _directory_bytes(stream, size) > _LIMIT_BYTES:
        raise zipfile.BadZipFile("its directory is too long")
    try:
        archive = zipfile.ZipFile(stream)
    except (ValueError, NotImplementedError, struct.error) as error:
        raise zipfile.BadZipFile("its directory is damaged") from error
    entries = archive.infolist()
    if len({entry.filename for entry in entries}) < len(entries):
        raise zipfile.BadZipFile("two of its entries have one name")
    stored = sum(entry.file_size for entry in entries if entry.compress_type == zipfile.ZIP_STORED)
    if stored > size:
        raise zipfile.BadZipFile("its entries overlap")
    return archive


def _directory_bytes(stream: BinaryIO, size: int) -> int:
    """Return the length of a zip file's directory as its end states it, twice in large files.

    Source: PKWARE's APPNOTE 6.3.10, 4.3.14 to 4.3.16

    Raises:
        BadZipFile: it has no such end.
    """
    stream.seek(max(0, size - _END_BYTES - _MAX_COMMENT - _LOCATOR_BYTES - _END_64_BYTES))
    tail = stream.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) - end < _END_BYTES:
        raise zipfile.BadZipFile("it is no zip file")
    (stated,) = struct.unpack_from("<I", tail, end + 12)
    locator = end - _LOCATOR_BYTES
    if locator >= _END_64_BYTES and tail.startswith(_LOCATOR, locator):
        (stated,) = struct.unpack_from("<Q", tail, locator - _END_64_BYTES + 40)
    return int(stated)
