"""Writing a file whole or not at all."""

import contextlib
import errno
import glob
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from shufflenet.errors import WriteError

__all__ = [
    "PARTIAL",
    "check_place",
    "partial_beside",
    "partial_folder",
    "write_atomic",
    "write_together",
]

PARTIAL = ".partial"  # the suffix of what is being written
_STALE_S = 3600.0  # what is partial and unchanged for this long belongs to no running process
_MOST_CHARACTERS = 50  # of a name that a partial one repeats: names have at most 255 bytes


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
    with _errors_of(path), _written(path, content) as partial:
        if former is not None and path.exists():
            os.replace(path, former)
        os.replace(partial, path)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files that belong together, as ``write_atomic`` does: none if one cannot be written.

    Raises:
        WriteError: the disk is full or a folder cannot be written; the old files are unchanged.
    """
    with contextlib.ExitStack() as stack:
        partials = {}
        for path, content in contents.items():
            stack.enter_context(_errors_of(path))
            partials[path] = stack.enter_context(_written(path, content))
        for path, partial in partials.items():
            os.replace(partial, path)


def check_place(path: str | Path) -> None:
    """Check that a file may be written at a path, before work is done for it.

    Raises:
        WriteError: the path leads to a folder, a device or a pipe, is a link that leads nowhere, or
            the folder cannot be written.
    """
    path = Path(path)
    with _errors_of(path):
        _check_kind(path)
        is_broken = path.is_symlink() and not path.exists()
        folder = next(each for each in path.absolute().parents if each.exists())
    if is_broken:
        raise WriteError(path, "it is a link that leads nowhere")
    if not folder.is_dir():
        raise WriteError(path, f"{str(folder)!r} is no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WriteError(path, os.strerror(errno.EACCES))


@contextlib.contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Raise the errors of writing a file as ``WriteError``.

    Raises:
        WriteError: it cannot be written.
    """
    try:
        yield
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise WriteError(path, getattr(error, "strerror", None) or str(error)) from error


@contextlib.contextmanager
def _written(path: Path, content: bytes) -> Iterator[Path]:
    """Write a partial file beside a path; it is removed in the end, unless it was renamed.

    Raises:
        OSError: the path leads to a device, a pipe or a folder, which a file would replace.
    """
    _check_kind(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_beside(path)
    try:
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _check_kind(path: Path) -> None:
    """Check what a path leads to now.

    Raises:
        OSError: a device, a pipe or a folder, which a file would replace.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file")


def partial_beside(path: Path) -> Path:
    """Return a path beside a file or folder under which it can be written, and that nobody uses.

    It is no process's number: those of containers are all the same. What killed processes left
    beside ``path`` an hour ago is removed.
    """
    name = f".{path.name[:_MOST_CHARACTERS]}"
    for left in path.parent.glob(f"{glob.escape(name)}.*{PARTIAL}"):
        with contextlib.suppress(OSError):  # another process removed it, or owns it
            if time.time() - _last_changed(left) > _STALE_S:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    return path.with_name(f"{name}.{os.urandom(6).hex()}{PARTIAL}")


@contextlib.contextmanager
def partial_folder(to: Path) -> Iterator[Path]:
    """Make a folder beside ``to`` that is removed in the end, unless it, or all in it, was renamed.

    Raises:
        WriteError: it cannot be written.
    """
    partial = partial_beside(to)
    try:
        partial.mkdir(parents=True)
        yield partial
    except OSError as error:
        raise WriteError(to, error.strerror or str(error)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _last_changed(path: Path) -> float:
    parts = list(path.iterdir()) if path.is_dir() else []
    return max(float(each.stat().st_mtime) for each in (path, *parts))
