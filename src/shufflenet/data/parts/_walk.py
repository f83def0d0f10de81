"""Walking through folders in order, with memory that the number of files does not determine."""

import heapq
import os
import pickle
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import IO

from shufflenet.data._walk import is_image, is_junk
from shufflenet.data.parts._unit import Unit, version_of
from shufflenet.errors import DataUnreadable
from shufflenet.files.stores import Entry, LocalStore, Store

__all__ = ["list_images", "list_sorted", "walk"]

_IN_MEMORY = 100_000  # names of a folder that are sorted in memory, some 30 MB


def list_images(store: Store, folder: str) -> Iterator[Unit]:
    """List the images below a folder, in the order of their names.

    Raises:
        DataUnreadable: a folder cannot be listed.
    """
    for name, entry in walk(store, folder):
        if is_image(entry.name):
            yield Unit(name, entry.path, size=entry.size, version=version_of(entry))


def walk(store: Store, root: str) -> Iterator[tuple[str, Entry]]:
    """List the files below a folder with their paths below it, folder by folder, each sorted.

    Hidden files are passed over. A link to a folder is followed once, if that is not below ``root``
    and listed anyway.

    Raises:
        DataUnreadable: a folder cannot be listed.
    """
    followed = {os.path.realpath(root)} if isinstance(store, LocalStore) else set[str]()
    stack = [("", list_sorted(store, root))]
    while stack:
        before, entries = stack[-1]
        entry = next(entries, None)
        if entry is None:
            stack.pop()
        elif is_junk(entry.name):
            continue
        elif not entry.is_folder:
            yield before + entry.name, entry
        elif not entry.is_link or _leads_elsewhere(entry.path, root, followed):
            stack.append((f"{before}{entry.name}/", list_sorted(store, entry.path)))


def _leads_elsewhere(link: str, root: str, followed: set[str]) -> bool:
    target = os.path.realpath(link)
    inside = os.path.join(os.path.realpath(root), "")
    if target in followed or target.startswith(inside) or inside.startswith(f"{target}/"):
        return False
    followed.add(target)
    return True


def list_sorted(store: Store, folder: str) -> Iterator[Entry]:
    """List what is directly in a folder, by name; many names are sorted in temporary files.

    Raises:
        DataUnreadable: the folder cannot be listed.
    """
    try:
        yield from _sorted(store.scan(folder))
    except OSError as error:
        raise DataUnreadable(folder, error.strerror or error) from error


def _sorted(entries: Iterable[Entry]) -> Iterator[Entry]:
    iterator = iter(entries)
    run = sorted(islice(iterator, _IN_MEMORY), key=_name)
    if len(run) < _IN_MEMORY:
        yield from run
        return
    with ExitStack() as stack:
        runs = []
        while run:
            file = stack.enter_context(tempfile.TemporaryFile())
            for entry in run:
                pickle.dump(entry, file)
            runs.append(file)
            run = sorted(islice(iterator, _IN_MEMORY), key=_name)
        yield from heapq.merge(*map(_read_run, runs), key=_name)


def _read_run(file: IO[bytes]) -> Iterator[Entry]:
    file.seek(0)
    while True:
        try:
            yield pickle.load(file)  # noqa: S301  # written above, in a file without a name
        except EOFError:
            return


def _name(entry: Entry) -> str:
    return entry.name
