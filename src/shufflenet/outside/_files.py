"""The one place that opens files which a user names: regular files, and nothing else.

Opening a pipe may wait for ever, a device may have no end. Every failure is an ``OSError`` whose
``strerror`` is a predicate, so that each room writes its own sentence.
"""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

__all__ = ["IrregularFile", "open_regular", "read_regular"]


class IrregularFile(OSError):
    """The path leads to a folder, a pipe, a device or a socket; ``strerror`` says to which."""


def open_regular(path: str | Path, limit_bytes: int | None = None) -> BufferedReader:
    """Open a regular file to read its bytes, without ever waiting for another process.

    Args:
        path: The file.
        limit_bytes: The most that it may have; any number unless given.

    Raises:
        FileNotFoundError: there is no such file, or its name is none that a file can have.
        IrregularFile: it is a folder, a pipe, a device or a socket.
        OSError: it cannot be opened, as for lack of permission, or is too large (``EFBIG``).
    """
    try:
        _require_regular(os.stat(path), path)  # before it is opened: that alone may move a device
        # What replaced the file since must not be waited for.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
    except ValueError as error:  # a NUL, or a character that file names cannot hold
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    try:
        status = os.fstat(descriptor)
        _require_regular(status, path)
        _require_within(limit_bytes, status.st_size, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | Path, limit_bytes: int) -> bytes:
    """Read a regular file whole.

    Args:
        path: The file.
        limit_bytes: More than this is refused before it is read.

    Raises:
        IrregularFile: it is a folder, a pipe, a device or a socket.
        OSError: it is missing, too large, or cannot be read.
    """
    with open_regular(path, limit_bytes) as file:
        content = file.read(limit_bytes + 1)
    _require_within(limit_bytes, len(content), path)  # it may have grown
    return content


def _require_within(limit_bytes: int | None, size: int, path: str | Path) -> None:
    """Check the size of a file.

    Raises:
        OSError: it is larger than the limit.
    """
    if limit_bytes is None or size <= limit_bytes:
        return
    amount = limit_bytes / 1e6
    limit = f"{amount:.3g} MB" if amount < 1000 else f"{amount / 1000:.3g} GB"
    raise OSError(errno.EFBIG, f"it is larger than {limit}", str(path))


def _require_regular(status: os.stat_result, path: str | Path) -> None:
    """Check the kind of a file.

    Raises:
        IrregularFile: it is not a regular one.
    """
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    kind = next((name for is_kind, name in kinds if is_kind(mode)), "a device")
    raise IrregularFile(errno.EINVAL, f"it is {kind}", str(path))
