"""Reading the images of a part: some ahead, so that a store's delay is not waited for."""

import errno
import io
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import TypeAlias, cast

from shufflenet.data.parts._archive import read_archive
from shufflenet.data.parts._parquet import read_rows
from shufflenet.data.parts._unit import COPIED, Part, Unit, version_of
from shufflenet.errors import (
    DataUnreadable,
    ImageError,
    MachineFails,
    SourceChanged,
    StoreUnreadable,
)
from shufflenet.files.stores import LocalStore, Store, is_address, open_store, read_url
from shufflenet.preprocess import LARGEST_FILE_BYTES, read_image_file

__all__ = ["read_part"]

_Image: TypeAlias = tuple[str, bytes | ImageError]

_LOCAL_AHEAD, _REMOTE_AHEAD = 2, 16  # files that are read at once
_AHEAD_BYTES = 64 << 20  # of files that were read and not used, and one more for each thread
_BUFFER_BYTES = 8 << 20  # of an archive that are asked of a store at once; tarfile asks for 10 KB
_ATTEMPTS, _WAIT_S = 3, 1.0
# What the system says of itself, or of its disk, and not of a file: another time it may be read.
_OF_THE_MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE)


def read_part(store: Store, part: Part, source: str) -> Iterator[_Image]:
    """Read the images of a part, in order.

    Args:
        store: Where the source is.
        part: What to read.
        source: The source's address, for errors.

    Yields:
        The name of each image with the bytes of its file, or with the reason there are none.

    Raises:
        SourceChanged: a file is not the one that was listed.
        StoreUnreadable: a store does not answer.
        DataError: an archive or a parquet file is damaged.
    """
    _check_versions(store, part.units, source)
    reader = _Reader(store, source)
    several = (unit for unit in part.units if unit.form in ("archive", "rows"))
    if next(several, None) is None:
        local = isinstance(store, LocalStore) and not any(is_address(u.at) for u in part.units)
        yield from _ahead(part.units, reader.read, _LOCAL_AHEAD if local else _REMOTE_AHEAD)
    else:
        images = (image for unit in part.units for image in reader.read_several(unit))
        yield from _Background(images).images()
    _check_versions(store, part.units, source)  # that none was written while it was read


def _check_versions(store: Store, units: Iterable[Unit], source: str) -> None:
    """Check the files with several images, which all units of a part share.

    Raises:
        SourceChanged: one was written again or is gone.
        StoreUnreadable: the store does not answer.
    """
    shared = {(u.at, u.version) for u in units if u.form != "file"}
    for at, version in shared:
        if version.startswith(COPIED):
            continue
        try:
            entry = store.find(at)
        except OSError as error:
            raise StoreUnreadable(at, error) from error
        if entry is None or version_of(entry) != version:
            raise SourceChanged(source, f"{at!r} was written again or removed")


class _Reader:
    """Reads units of a store, and files at addresses of their own."""

    def __init__(self, store: Store, source: str) -> None:
        self._store, self._source = store, source

    def read_several(self, unit: Unit) -> Iterator[_Image]:
        """Read the images of a file with several.

        Raises:
            DataUnreadable: the file cannot be opened.
        """
        if unit.form == "archive":
            try:
                with self._store.open(unit.at) as content:
                    buffered = io.BufferedReader(cast(io.RawIOBase, content), _BUFFER_BYTES)
                    yield from read_archive(buffered, unit)
            except OSError as error:
                raise DataUnreadable(unit.at, error.strerror or error) from error
            return
        for name, found in read_rows(self._store, unit):
            if isinstance(found, str):
                yield self.read(Unit(name, found))
            else:
                yield name, ImageError(name, "its row is empty") if found is None else found

    def read(self, unit: Unit) -> _Image:
        """Read an image.

        Raises:
            SourceChanged: it is not the file that was listed.
            StoreUnreadable: its store does not answer.
            MachineFails: this machine cannot read now.
            MemoryError: it has no memory for the file.
        """
        try:
            if unit.at.startswith(("http://", "https://")):
                return unit.name, read_url(unit.at, LARGEST_FILE_BYTES + 1)
            store, path = (self._store, unit.at)
            if is_address(unit.at):
                store, path = _store_of(unit.at)
            if isinstance(store, LocalStore):
                return unit.name, self._read_local(unit, path)
            return unit.name, self._read_remote(store, unit, path)
        except ImageError as error:
            _raise_of_machine(unit.name, error.__cause__)
            return unit.name, error
        except OSError as error:
            _raise_of_machine(unit.name, error)
            return unit.name, ImageError(unit.name, _predicate(error))

    def _read_local(self, unit: Unit, path: str) -> bytes:
        if unit.form == "range":
            with self._store.open(path) as file:
                file.seek(unit.start)
                return file.read(min(unit.size, LARGEST_FILE_BYTES + 1))
        if unit.version:
            self._check_version(unit, path)
        content = read_image_file(path, unit.name)
        if unit.version:
            self._check_version(unit, path)  # that it was not written while it was read
        return content

    def _check_version(self, unit: Unit, path: str) -> None:
        entry = self._store.find(path)
        if entry is None and os.path.lexists(path):  # a link that never led anywhere
            raise ImageError(unit.name, "there is no such file")
        if entry is None or version_of(entry) != unit.version:
            raise SourceChanged(self._source, f"{unit.name!r} was written again or removed")

    def _read_remote(self, store: Store, unit: Unit, path: str) -> bytes:
        for attempt in range(_ATTEMPTS):
            try:
                with store.open(path) as file:
                    content = file.read(LARGEST_FILE_BYTES + 1)
                break
            except FileNotFoundError as error:
                if unit.version:
                    raise SourceChanged(self._source, f"{unit.name!r} was removed") from error
                raise ImageError(unit.name, "there is no such file") from error
            except OSError as error:
                if attempt == _ATTEMPTS - 1:
                    raise StoreUnreadable(unit.at, error) from error
                time.sleep(_WAIT_S)
        if unit.version and len(content) != min(unit.size, LARGEST_FILE_BYTES + 1):
            raise SourceChanged(self._source, f"{unit.name!r} was written again")
        return content


def _raise_of_machine(name: str, error: BaseException | None) -> None:
    """Raise what is no fault of an image, and must not become its answer for good.

    Raises:
        MachineFails: the system cannot open or read files.
        MemoryError: it has no memory.
    """
    if isinstance(error, MemoryError):
        raise error
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        raise MachineFails(name, error) from error


def _predicate(error: OSError) -> str:
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


@lru_cache(maxsize=64)
def _store_of_root(root: str) -> Store:
    return open_store(root)[0]


def _store_of(address: str) -> tuple[Store, str]:
    """Return the store of an address, opened once for each scheme and host, and the path in it."""
    scheme, _, path = address.partition("://")
    if scheme == "file":
        return open_store(address)
    host = path.partition("/")[0]
    return _store_of_root(f"{scheme}://{host}"), path


def _ahead(units: Sequence[Unit], read: Callable[[Unit], _Image], threads: int) -> Iterator[_Image]:
    """Read units in order, with some read ahead by threads, bounded by number and bytes."""
    waiting: deque[tuple[Future[_Image], int]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="shufflenet-read")
    held = 0
    try:
        for unit in units:
            waiting.append((pool.submit(read, unit), max(0, unit.size)))
            held += waiting[-1][1]
            while len(waiting) > 2 * threads or (held > _AHEAD_BYTES and len(waiting) > 1):
                future, size = waiting.popleft()
                held -= size
                yield future.result()
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        pool.shutdown(cancel_futures=True)


class _Background:
    """Images that a thread reads ahead of who uses them, bounded by bytes."""

    def __init__(self, images: Iterator[_Image]) -> None:
        self._images = images
        self._read: queue.SimpleQueue[_Image | BaseException | None] = queue.SimpleQueue()
        self._room = threading.Condition()
        self._held = 0
        self._ended = False

    def images(self) -> Iterator[_Image]:
        """Return the images, in order; what reading them raises is raised after those before."""
        thread = threading.Thread(target=self._run, name="shufflenet-read", daemon=True)
        thread.start()
        try:
            while (found := self._read.get()) is not None:
                if isinstance(found, BaseException):
                    raise found
                self._hold(-_bytes_of(found))
                yield found
        finally:
            with self._room:
                self._ended = True
                self._room.notify_all()
            thread.join()

    def _run(self) -> None:
        try:
            for image in self._images:
                self._hold(_bytes_of(image))
                self._read.put(image)
                if self._ended:
                    return
            self._read.put(None)
        except BaseException as error:  # noqa: BLE001  # raised where the images are used
            self._read.put(error)

    def _hold(self, size: int) -> None:
        """Count bytes; more are waited for while others are held, fewer make room for them."""
        with self._room:
            if size > 0:
                self._room.wait_for(
                    lambda: not self._held or self._held + size <= _AHEAD_BYTES or self._ended
                )
            self._held += size
            self._room.notify_all()


def _bytes_of(image: _Image) -> int:
    content = image[1]
    return len(content) if isinstance(content, bytes) else 0
