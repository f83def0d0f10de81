"""Opening a source of images: which kind it is, and its units one after the other."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from shufflenet.data._archives import decompress
from shufflenet.data._open import expand_pattern
from shufflenet.data._tables import TABLE_SUFFIXES
from shufflenet.data._walk import is_junk
from shufflenet.data.parts._archive import list_archive
from shufflenet.data.parts._parquet import list_row_groups
from shufflenet.data.parts._table import list_rows
from shufflenet.data.parts._unit import COPIED, Unit, version_of
from shufflenet.data.parts._walk import list_images, list_sorted
from shufflenet.errors import (
    DataMissing,
    DataNotAFile,
    DataUnreadable,
    NoImages,
    UnknownDataFormat,
)
from shufflenet.files.stores import Entry, LocalStore, Store, is_address, open_store

__all__ = ["Source", "open_source"]

_PLAIN, _PACKED, _PARQUET = (".tar",), (".tar.gz", ".tgz"), (".parquet",)


@dataclass(frozen=True)
class Source:
    """Images that can be listed any number of times, always in the same order.

    Attributes:
        address: As it was given, a path made absolute.
        store: Where its files are.
        kind: What it is.
        path: The folder or the table; of files with several images, what was given.
        files: The archives or parquet files.
    """

    address: str
    store: Store
    kind: Literal["folder", "table", "archives", "parquet"]
    path: str
    files: tuple[Entry, ...] = ()
    _plain: Mapping[str, str] = field(default_factory=dict)
    _spools: Any = field(default=None, repr=False, compare=False)

    def units(self) -> Iterator[Unit]:
        """List the source, in its order, without holding it.

        Raises:
            DataError: something in it cannot be read; see its subclasses.
            NoImages: there is not one image.
        """
        units = self._units()
        first = next(units, None)
        if first is None:
            raise NoImages(self.address)
        return chain((first,), units)

    def _units(self) -> Iterator[Unit]:
        if self.kind == "folder":
            yield from list_images(self.store, self.path)
        elif self.kind == "table":
            yield from list_rows(self.store, self.path, os.path.splitext(self.path)[1].lower())
        else:
            for entry in self.files:
                yield from self._units_of(entry)

    def _units_of(self, entry: Entry) -> Iterator[Unit]:
        before = f"{entry.name}/" if len(self.files) > 1 else ""
        at = self._plain.get(entry.path, entry.path)
        version = (COPIED if at != entry.path else "") + version_of(entry)
        unit = Unit(before, at, "archive", 0, entry.size, 0, version)
        if self.kind == "parquet":
            file = Unit(entry.name, entry.path, version=version_of(entry))
            yield from list_row_groups(self.store, file)
        elif isinstance(self.store, LocalStore) and at.lower().endswith(_PLAIN):
            try:
                with self.store.open(at) as content:
                    yield from list_archive(content, unit)
            except OSError as error:
                raise DataUnreadable(entry.path, error.strerror or error) from error
        else:
            yield unit


def open_source(address: str, *, spool: bool) -> Source:
    """Open a source of images; only what tells its kind is read.

    Args:
        address: A folder of images, of archives or of parquet files; one of these, or several as
            ``train-{000..012}.tar``; or a table of paths or addresses. A path, or an address of a
            store.
        spool: Whether compressed archives on this machine are decompressed into temporary files,
            which other machines do not have; else each is read through by one worker.

    Raises:
        DataMissing: there is nothing.
        NoImages: a folder holds no images, archives or parquet files.
        UnknownDataFormat: it is no such file.
        DataUnreadable: it cannot be read.
        StoreUnreadable: the store cannot be reached.
        SpecError: a pattern names too many files.
    """
    store, path = open_store(address)
    full = address if is_address(address) else path
    found = _find(store, path)
    if found and found.is_folder:
        return _open_folder(full, store, path, spool=spool)
    if found:
        return _open_files(full, store, path, [found], spool=spool)
    entries = []
    for name in expand_pattern(path):
        entry = _find(store, name)
        if entry is None:
            raise DataMissing(full if name == path else name)
        entries.append(entry)
    return _open_files(full, store, path, entries, spool=spool)


def _find(store: Store, path: str) -> Entry | None:
    try:
        return store.find(path)
    except OSError as error:
        raise DataUnreadable(path, error.strerror or error) from error


def _open_folder(address: str, store: Store, folder: str, *, spool: bool) -> Source:
    """Open a folder: of images, or if there are none, of archives or parquet files.

    Raises:
        NoImages: it holds none of them.
    """
    if next(list_images(store, folder), None) is not None:
        return Source(address, store, "folder", folder)
    for endings in ((*_PLAIN, *_PACKED), _PARQUET):
        entries = [
            entry
            for entry in list_sorted(store, folder)
            if entry.name.lower().endswith(endings) and not is_junk(entry.name)
        ]
        if entries:
            return _open_files(address, store, folder, entries, spool=spool)
    raise NoImages(address)


def _open_files(
    address: str, store: Store, path: str, entries: Sequence[Entry], *, spool: bool
) -> Source:
    """Open files with images in them.

    Raises:
        UnknownDataFormat: they are none.
        DataNotAFile: one is a pipe, a device or a folder.
    """
    for entry in entries:
        if entry.is_folder or (isinstance(store, LocalStore) and not os.path.isfile(entry.path)):
            raise DataNotAFile(entry.path)
    if _all_end(entries, (*_PLAIN, *_PACKED)):
        if spool and isinstance(store, LocalStore):
            spools = {e.path: decompress(Path(e.path)) for e in entries if _all_end([e], _PACKED)}
            plain = {path: file.name for path, file in spools.items()}
            return Source(address, store, "archives", path, tuple(entries), plain, spools)
        return Source(address, store, "archives", path, tuple(entries))
    if _all_end(entries, _PARQUET):
        return Source(address, store, "parquet", path, tuple(entries))
    if len(entries) == 1 and entries[0].name.lower().endswith(TABLE_SUFFIXES):
        return Source(address, store, "table", entries[0].path, tuple(entries))
    raise UnknownDataFormat(address)


def _all_end(entries: Sequence[Entry], endings: tuple[str, ...]) -> bool:
    return all(entry.name.lower().endswith(endings) for entry in entries)
