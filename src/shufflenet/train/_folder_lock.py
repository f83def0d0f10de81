"""A lock on the folder of a run, so that one process at a time trains in it."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from shufflenet.errors import RunInUse, WriteError

__all__ = ["lock_folder"]

_LOCK = ".lock"
PATIENCE_S = 8.0  # loader processes of a killed run may hold the lock: they check every 5 s


@contextmanager
def lock_folder(out: Path) -> Iterator[None]:
    """Lock a folder while the context lasts; create it, and remove it if it stays empty.

    The operating system releases the lock of a process that ends, in whatever way.

    Raises:
        RunInUse: another process trains in it.
        WriteError: the folder cannot be written.
    """
    lock = FileLock(out / _LOCK)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=PATIENCE_S)
    except Timeout as error:
        raise RunInUse(out) from error
    except OSError as error:
        raise WriteError(out, error.strerror or str(error)) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (out / _LOCK).unlink()  # while it is held: the next process makes another
        lock.release()
        with contextlib.suppress(OSError):  # it is not empty
            out.rmdir()
