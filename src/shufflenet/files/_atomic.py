"""Writing a file whole or not at all."""

import contextlib
import glob
import os
import time
from pathlib import Path

from shufflenet.errors import WriteError

__all__ = ["PARTIAL", "write_atomic"]

PARTIAL = ".partial"  # the suffix of files that are being written
_STALE_S = 3600.0  # a partial file unchanged for this long belongs to no running process


def write_atomic(path: str | Path, content: bytes, *, former: Path | None = None) -> None:
    """Write a file under a temporary name beside it, then rename it.

    Readers see either the old content or the new. Partial files that killed processes left beside
    this file are removed.

    Args:
        path: The file to write; missing folders are created.
        content: All of its bytes.
        former: Where the old file is moved, if there is one; by default it is replaced.

    Raises:
        WriteError: the disk is full or the folder cannot be written; the old file is unchanged.
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
    for partial in path.parent.glob(f".{glob.escape(path.name)}.*{PARTIAL}"):
        with contextlib.suppress(OSError):  # another process removed it, or owns it
            if time.time() - partial.stat().st_mtime > _STALE_S:
                partial.unlink()
