"""Folders and files by address: on this machine's disks, or in a store such as S3.

``file://`` and paths are read by the system, whose names may be any bytes. Other addresses, such as
``s3://`` and ``gs://``, are read by pyarrow's file systems, and those that pyarrow does not know by
fsspec's. A store can be pickled, so that a worker on another machine opens the same files.
"""

import errno
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from shufflenet.errors import MissingDependency, StoreUnreadable, WebForbidden, WriteError
from shufflenet.files._atomic import write_atomic
from shufflenet.outside import open_regular

__all__ = [
    "ArrowStore",
    "Entry",
    "LocalStore",
    "Store",
    "check_online",
    "is_address",
    "is_offline",
    "join",
    "open_store",
    "read_url",
]

_ATTEMPTS, _WAIT_S = 3, 1.0  # to fetch a file from the web


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder.

    Attributes:
        path: As its store takes it.
        name: The last part of the path.
        is_folder: Whether it is a folder, or a link to one.
        is_link: Whether it is a symbolic link.
        size: The bytes of a file.
        changed_ns: When it was written last, in nanoseconds since 1970; 0 if that is not known.
    """

    path: str
    name: str
    is_folder: bool
    is_link: bool = False
    size: int = 0
    changed_ns: int = 0


class Store(Protocol):
    """What reads and writes files by path. Reading raises ``OSError``, writing ``WriteError``."""

    def find(self, path: str) -> Entry | None:
        """Return what is at a path; None if nothing is."""

    def scan(self, folder: str) -> Iterator[Entry]:
        """List what is directly in a folder, in any order."""

    def open(self, path: str) -> BinaryIO:
        """Open a file to read its bytes, from any place in it."""

    def write(self, path: str, content: bytes) -> None:
        """Write a file whole or not at all, and the folders that it is in."""

    def remove(self, path: str) -> None:
        """Remove a file; nothing happens if there is none."""


@dataclass(frozen=True, slots=True)
class LocalStore:
    """The file system of this machine."""

    def find(self, path: str) -> Entry | None:
        """Return what is at a path; None if nothing is, or its name is none that a file can have.

        Raises:
            OSError: it cannot be told, as for lack of permission.
        """
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        name = os.path.basename(path.rstrip("/"))
        return _entry(path, name, status, is_link=os.path.islink(path))

    def scan(self, folder: str) -> Iterator[Entry]:
        """List what is directly in a folder, in any order; of broken links, what they are.

        Raises:
            OSError: the folder cannot be listed.
        """
        with os.scandir(folder) as entries:
            for each in entries:
                try:
                    status = each.stat()
                except OSError:  # a link that leads nowhere, or in a circle
                    try:
                        status = each.stat(follow_symlinks=False)
                    except FileNotFoundError:  # removed since, as a temporary file is
                        continue
                yield _entry(each.path, each.name, status, is_link=each.is_symlink())

    def open(self, path: str) -> BinaryIO:
        """Open a regular file to read its bytes.

        Raises:
            OSError: it is missing, no regular file, or cannot be read.
        """
        return open_regular(path)

    def write(self, path: str, content: bytes) -> None:
        """Write a file under another name beside it, then rename it.

        Raises:
            WriteError: the disk is full or the folder cannot be written.
        """
        write_atomic(path, content)

    def remove(self, path: str) -> None:
        """Remove a file.

        Raises:
            WriteError: it cannot be removed.
        """
        try:
            Path(path).unlink(missing_ok=True)
        except OSError as error:
            raise WriteError(path, error.strerror or str(error)) from error


def _entry(path: str, name: str, status: os.stat_result, *, is_link: bool) -> Entry:
    is_folder = stat.S_ISDIR(status.st_mode)
    return Entry(path, name, is_folder, is_link, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class ArrowStore:
    """A file system of pyarrow, such as S3's.

    Attributes:
        system: A ``pyarrow.fs.FileSystem``.
        scheme: Of its addresses, such as ``s3``.
    """

    system: Any
    scheme: str

    def find(self, path: str) -> Entry | None:
        """Return what is at a path; None if nothing is.

        Raises:
            OSError: the store cannot be reached, or refuses.
        """
        return _arrow_entry(self.system.get_file_info(path))

    def scan(self, folder: str) -> Iterator[Entry]:
        """List what is directly in a folder, in any order.

        Raises:
            OSError: the store cannot be reached, or refuses.
        """
        selector = import_module("pyarrow.fs").FileSelector(folder, allow_not_found=True)
        for info in self.system.get_file_info(selector):
            entry = _arrow_entry(info)
            if entry is not None:
                yield entry

    def open(self, path: str) -> BinaryIO:
        """Open a file to read its bytes.

        Raises:
            OSError: it is missing, or the store cannot be reached.
        """
        file: BinaryIO = self.system.open_input_file(path)
        return file

    def write(self, path: str, content: bytes) -> None:
        """Write an object, which stores show whole or not at all.

        Its content is given in one piece, and its size asked for: an upload that ends early would
        else be taken for a short object.

        Raises:
            WriteError: the store cannot be reached, or refuses.
        """
        try:
            with self.system.open_output_stream(path) as file:
                file.write(content)
            written = self.find(path)
        except OSError as error:
            raise WriteError(f"{self.scheme}://{path}", _reason(error)) from error
        if written is None or written.size != len(content):
            raise WriteError(f"{self.scheme}://{path}", "the store holds only a part of it")

    def remove(self, path: str) -> None:
        """Remove an object.

        Raises:
            WriteError: the store cannot be reached, or refuses.
        """
        try:
            if self.find(path) is not None:
                self.system.delete_file(path)
        except OSError as error:
            raise WriteError(f"{self.scheme}://{path}", _reason(error)) from error


def _arrow_entry(info: Any) -> Entry | None:  # noqa: ANN401  # pyarrow has no types
    kind = info.type.name
    if kind == "NotFound":
        return None
    changed = info.mtime_ns or 0
    return Entry(info.path, info.base_name, kind == "Directory", False, info.size or 0, changed)


def _reason(error: OSError) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def is_address(text: str) -> bool:
    """Return whether a text is an address with a scheme, such as ``s3://photos/a.jpg``.

    >>> is_address("s3://photos/a.jpg"), is_address("photos/a.jpg"), is_address("a: b://c.jpg")
    (True, False, False)
    """
    scheme, found, _ = text.partition("://")
    return bool(found) and scheme.replace("+", "").isalnum() and not scheme[:1].isdigit()


def join(folder: str, name: str) -> str:
    """Return the path of a file below a folder, in any store.

    >>> join("photos/", "a.jpg"), join("", "a.jpg")
    ('photos/a.jpg', 'a.jpg')
    """
    return f"{folder.rstrip('/')}/{name}" if folder else name


def open_store(address: str) -> tuple[Store, str]:
    """Return the store of an address, and the path in it; nothing is read yet.

    Raises:
        MissingDependency: the store needs a package that is not installed.
        StoreUnreadable: no store is known for the scheme, or it cannot be set up.
    """
    if not is_address(address):
        return LocalStore(), os.path.abspath(address)
    parts = urlsplit(address)
    if parts.scheme == "file":
        return LocalStore(), os.path.abspath(unquote(parts.path))
    try:
        systems = import_module("pyarrow.fs")
    except ModuleNotFoundError as error:
        raise MissingDependency(f"Reading {parts.scheme}://", "pyarrow", "score") from error
    try:
        system, path = systems.FileSystem.from_uri(address)
    except Exception as known:  # ArrowInvalid of a scheme that pyarrow does not know, and others
        if parts.scheme in ("s3", "gs", "hdfs", "abfs", "abfss"):
            raise StoreUnreadable(address, known) from known
        system, path = _by_fsspec(systems, address, parts.scheme)
    return ArrowStore(system, parts.scheme), path


def _by_fsspec(systems: Any, address: str, scheme: str) -> tuple[Any, str]:  # noqa: ANN401  # likewise
    try:
        system, path = import_module("fsspec").core.url_to_fs(address)
    except ModuleNotFoundError as error:
        raise MissingDependency(f"Reading {scheme}://", "fsspec", "score") from error
    except Exception as error:  # fsspec's packages raise anything
        raise StoreUnreadable(address, error) from error
    return systems.PyFileSystem(systems.FSSpecHandler(system)), path


def is_offline() -> bool:
    """Return whether ``SHUFFLENET_OFFLINE`` forbids to fetch anything from the web."""
    return os.environ.get("SHUFFLENET_OFFLINE", "0") not in ("", "0")


def check_online(address: str) -> None:
    """Check that an image may be read at a path or an address.

    Raises:
        WebForbidden: it is on the web, and ``SHUFFLENET_OFFLINE`` is set.
    """
    if is_offline() and address.startswith(("http://", "https://")):
        raise WebForbidden(address)


def read_url(url: str, limit: int) -> bytes:
    """Read a file from the web, at most ``limit`` bytes of it.

    Raises:
        WebForbidden: ``SHUFFLENET_OFFLINE`` is set.
        OSError: it cannot be had; ``strerror`` says why.
    """
    from shufflenet.files import _transfer  # noqa: PLC0415  # most sources are on no web server

    check_online(url)
    reason = ""
    for attempt in range(_ATTEMPTS):
        try:
            response = _transfer.open_url(url, 0)
            content = bytearray()
            for piece in _transfer.chunks(response) if response else ():
                content += piece
                if len(content) >= limit:
                    break
            return bytes(content[:limit])
        except _transfer.Refused as error:
            raise OSError(errno.EREMOTEIO, f"it cannot be fetched ({error})", url) from error
        except _transfer.Transient as error:
            reason = str(error)
            time.sleep(_WAIT_S * attempt)
    raise OSError(errno.EREMOTEIO, f"it cannot be fetched ({reason})", url)
