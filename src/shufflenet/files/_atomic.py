"""Files written whole or not at all."""

import contextlib
import glob
import os
import time
from pathlib import Path

from shufflenet.errors import WriteError

__all__ = ["PARTIAL", "write_atomic"]

PARTIAL = ".partial"  # how the names of files end that are being written
_STALE_S = 3600.0  # after so long without a change nobody writes such a file any more


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
