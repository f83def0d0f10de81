"""A file of weights that a user names, opened: errors of the system become this package's."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from shufflenet.errors import FileMissing, FileTooLarge, FileUnreadable, NotAFile
from shufflenet.outside import IrregularFile, check_kind, open_regular, read_regular
from shufflenet.spec import FORMATS, MAX_MODEL_BYTES

__all__ = [
    "PACKAGE_PROGRAM",
    "check_model_file",
    "errors_of",
    "hash_content",
    "model_bytes",
    "open_model",
    "read_model",
    "read_part",
]

PACKAGE_PROGRAM = "Data/com.apple.CoreML/model.mlmodel"  # in a Core ML package


@contextmanager
def errors_of(path: str | Path) -> Iterator[None]:
    """Raise this package's errors for the system's, from what is done with a file of weights.

    Raises:
        FileMissing: there is no such file.
        NotAFile: it is a folder, a pipe, a device or a socket.
        FileTooLarge: it is larger than what is read.
        FileUnreadable: opening or reading it fails, as for lack of permission.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileMissing(path) from error
    except IrregularFile as error:
        raise NotAFile(path) from error
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise FileTooLarge(path, error.strerror) from error
        raise FileUnreadable(path, error.strerror or str(error)) from error


@contextmanager
def open_model(path: str | Path) -> Iterator[BufferedReader]:
    """Open a file of weights to read its bytes; errors are as in ``errors_of``.

    One of more than ``MAX_MODEL_BYTES`` is refused before a byte of it is read, or hashed: a file
    of 20 GB may be a hole that takes no disk.
    """
    with errors_of(path), open_regular(path, MAX_MODEL_BYTES) as file:
        yield file


def read_model(path: str | Path, limit_bytes: int) -> bytes:
    """Read a file of weights whole, if it is of the kind that its suffix says.

    Raises:
        FileTooLarge: it has more bytes than that; nothing was read.
        CheckpointError: as ``check_model_file`` raises it.
    """
    check_model_file(path)
    return read_part(path, limit_bytes)


def read_part(path: str | Path, limit_bytes: int) -> bytes:
    """Read a file that belongs to a file of weights whole; errors are as in ``errors_of``."""
    with errors_of(path):
        return read_regular(path, limit_bytes)


def check_model_file(path: str | Path) -> None:
    """Check that a file of weights is there and can be opened, before a library opens it by name.

    A Core ML package is a folder; what reads it opens regular files alone.

    Raises:
        FileMissing: there is no such file.
        NotAFile: it is a folder, a pipe, a device or a socket.
        FileTooLarge: it is larger than any that is read.
        FileUnreadable: opening it fails, as for lack of permission.
        CheckpointError: by its content it is of another kind than by its suffix.
    """
    if is_package(path):
        return
    with open_model(path) as file:
        check_kind(path, file, Path(path).suffix.lower())


def is_package(path: str | Path) -> bool:
    """Return whether a path is a folder that is called as Core ML packages are."""
    return Path(path).suffix.lower() == ".mlpackage" and os.path.isdir(path)


def model_bytes(path: str | Path) -> int:
    """Return the size of a model: of the file, of its weights beside it, or of all of a package.

    Raises:
        FileMissing: a file is missing.
        FileUnreadable: the system does not say.
    """
    path = Path(path)
    weights = [
        path.with_suffix(form.weights)
        for form in FORMATS.values()
        if form.weights and form.suffix == path.suffix.lower()
    ]
    files = path.rglob("*") if is_package(path) else (path, *weights)
    with errors_of(path):
        return sum(each.stat().st_size for each in files if not each.is_dir())


def hash_content(path: str | Path) -> str:
    """Compute the SHA-256 of a file of weights, in hexadecimal digits; see ``errors_of``.

    Of a Core ML package it is that of its program, which holds the hash of the whole.
    """
    if is_package(path):
        path = Path(path) / PACKAGE_PROGRAM
    with open_model(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
