"""One process at a time: what is at work in a run's folder keeps others out."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from shufflenet.errors import RunError, WriteError

__all__ = ["locked"]

_LOCK = ".lock"
PATIENCE_S = 8.0  # so long the workers of a process that was killed may hold on: they look every 5


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other processes out of a folder meanwhile; it is made, and removed if it stays empty.

    The system gives up the lock of a process that ends in whatever way.

    Raises:
        RunError: another process is at work in it.
        WriteError: the folder cannot be written.
    """
    lock = FileLock(out / _LOCK)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=PATIENCE_S)
    except Timeout as error:
        raise RunError(
            out,
            "is in use: another process trains in it",
            "Wait until that has ended, or choose another --out.",
        ) from error
    except OSError as error:
        raise WriteError(out, error.strerror or str(error)) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (out / _LOCK).unlink()  # while it is held: whoever comes next makes another
        lock.release()
        with contextlib.suppress(OSError):  # it holds something
            out.rmdir()
