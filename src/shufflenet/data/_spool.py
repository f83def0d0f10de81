"""Temporary files of what is compressed, as large as what they are made of can honestly be."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

__all__ = ["most_bytes", "open_spool"]

# Images do not compress well, and a compressed file of a thousandth may fill a disk.
_RATIO, _SMALL_BYTES = 100, 1 << 30


def open_spool(suffix: str) -> "tempfile._TemporaryFileWrapper[bytes]":
    """Open a temporary file, which is deleted when nothing refers to it any more."""
    return tempfile.NamedTemporaryFile(prefix="shufflenet-", suffix=suffix)


def most_bytes(path: Path, spool: IO[bytes]) -> int:
    """Return how much a compressed file may hold: a hundred times its size, or a gigabyte.

    It is less where the disk has less space.
    """
    return min(
        max(_SMALL_BYTES, _RATIO * os.stat(path).st_size), shutil.disk_usage(spool.name).free
    )
