"""A lock on the folder of answers, which ends with the run that holds it, however that ends."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from shufflenet.errors import OutUsed, ShuffleNetError, WriteError
from shufflenet.files.stores import LocalStore, Store, join

__all__ = ["Lock", "lock_out"]

_NAME = ".lock"
_RENEW_S, _DEAD_S, _SETTLE_S = 4.0, 15.0, 1.0  # a holder renews; one that does not is dead
_PATIENCE_S = 2.0  # on a disk, where the system releases the lock of what ended


class Lock:
    """A lock that is held; ``check`` tells if another run took it, as after a long suspension."""

    def __init__(self) -> None:
        self.lost = False

    def check(self, out: str) -> None:
        """Check that the lock is still held.

        Raises:
            OutUsed: another run took it.
        """
        if self.lost:
            raise OutUsed(out)


@contextmanager
def lock_out(store: Store, folder: str, address: str) -> Iterator[Lock]:
    """Hold the lock of a folder while the context lasts.

    On a disk it is the system's, which a process loses when it ends. In a store, which has no
    locks, it is an object that its holder writes again every few seconds; one that has not changed
    for 15 seconds belongs to no run, and is taken.

    Raises:
        OutUsed: another run holds it.
        WriteError: the folder cannot be written.
    """
    if isinstance(store, LocalStore):
        with _locked_file(folder, address):
            yield Lock()
    else:
        with _leased(store, join(folder, _NAME), address) as lock:
            yield lock


@contextmanager
def _locked_file(folder: str, address: str) -> Iterator[None]:
    path = os.path.join(folder, _NAME)
    lock = FileLock(path)
    try:
        os.makedirs(folder, exist_ok=True)
        lock.acquire(timeout=_PATIENCE_S)
    except Timeout as error:
        raise OutUsed(address) from error
    except OSError as error:
        raise WriteError(folder, error.strerror or str(error)) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)  # while it is held: the next process makes another
        lock.release()
        with contextlib.suppress(OSError):  # it is not empty
            os.rmdir(folder)


@contextmanager
def _leased(store: Store, path: str, address: str) -> Iterator[Lock]:
    before = _content(store, path)
    end = time.monotonic() + _DEAD_S
    while before is not None and time.monotonic() < end:
        time.sleep(_SETTLE_S)
        now = _content(store, path)
        if now is not None and now != before:
            raise OutUsed(address)
        before = now
    lock, mine, ended = Lock(), os.urandom(8).hex(), threading.Event()
    store.write(path, f"{mine} 0".encode())
    time.sleep(_SETTLE_S)  # two that wrote at once both read the last one's
    if (_content(store, path) or b"").split(b" ")[0] != mine.encode():
        raise OutUsed(address)
    renewing = threading.Thread(target=_renew, args=(store, path, mine, lock, ended), daemon=True)
    renewing.start()
    try:
        yield lock
    finally:
        ended.set()
        renewing.join()
        if not lock.lost:
            with contextlib.suppress(ShuffleNetError):
                store.remove(path)


def _renew(store: Store, path: str, mine: str, lock: Lock, ended: threading.Event) -> None:
    count = 0
    while not ended.wait(_RENEW_S):
        count += 1
        with contextlib.suppress(ShuffleNetError, OSError):  # the next attempt may succeed
            found = _content(store, path)
            if found is not None and found.split(b" ")[0] != mine.encode():
                lock.lost = True
                return
            store.write(path, f"{mine} {count}".encode())


def _content(store: Store, path: str) -> bytes | None:
    try:
        with store.open(path) as file:
            return file.read(100)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WriteError(path, str(error).splitlines()[0][:200]) from error
