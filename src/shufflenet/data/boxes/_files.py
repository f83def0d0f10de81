"""The files of a folder or an archive that holds boxes: texts beside images."""

import os
import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shufflenet.data._archives import list_archive
from shufflenet.data._folders import Tree
from shufflenet.data._sets import Sample
from shufflenet.data._walk import Listing, list_folder
from shufflenet.errors import BoxesUnreadable, DataUnreadable
from shufflenet.outside import open_regular

__all__ = ["Finder", "folder_tree", "groups", "open_archive", "read_text"]


def folder_tree(source: str, folder: Path, *, deep: bool = True) -> Tree:
    """List a folder: all below it, or what is directly in it.

    Raises:
        BoxesUnreadable: it cannot be listed.
    """
    listing = list_folder(folder, deep=deep)
    if "" in listing.unreadable:
        raise BoxesUnreadable(source, listing.unreadable[""])
    before = os.path.join(folder, "")
    return Tree(listing, lambda name: Sample(name, -1, before + name.replace("/", os.sep)), folder)


def open_archive(path: Path) -> tuple[Tree, Any]:
    """List a .tar or .tar.gz, and return with it the temporary file of a compressed one.

    Raises:
        BoxesUnreadable: it cannot be read, or is truncated.
    """
    try:
        members, spool = list_archive(path)
    except DataUnreadable as error:
        raise BoxesUnreadable(path, error.__cause__ or error, "an archive") from error
    listing = Listing()
    for name in members:
        listing.add(name)
    return Tree(listing, members.__getitem__), spool


def read_text(source: str, tree: Tree, name: str, limit_bytes: int) -> bytes:
    """Read a file of annotations.

    Raises:
        BoxesUnreadable: it cannot be read, or is larger than the limit.
    """
    sample = tree.sample(name)
    try:
        with open_regular(sample.path) as file:
            file.seek(sample.offset)
            most = limit_bytes + 1
            content = file.read(most if sample.size < 0 else min(sample.size, most))
    except OSError as error:
        raise BoxesUnreadable(posixpath.join(source, name), error.strerror) from error
    if len(content) > limit_bytes:
        reason = f"it is larger than {limit_bytes / 1e6:.3g} MB"
        raise BoxesUnreadable(posixpath.join(source, name), reason)
    return content


def groups(listing: Listing) -> dict[str, Listing]:
    """Return what lies in each folder directly below, by path below it."""
    found = defaultdict[str, Listing](Listing)
    for kind in ("images", "others"):
        for name in getattr(listing, kind):
            first, slash, rest = name.partition("/")
            if slash:
                getattr(found[first], kind).append(rest)
    return dict(found)


class Finder:
    """Finds the images that annotations name, among those below a folder and nowhere else."""

    def __init__(self, images: Iterable[str], folders: Iterable[str]) -> None:
        """Take the images, and the folders that names may be meant below, the likeliest first."""
        self._images = set(images)
        self._folders = list(dict.fromkeys(folders))
        self._by_name: dict[str, str | None] = {}
        self._by_stem: dict[str, str | None] = {}
        self._alike: dict[str, str | None] = {}  # by composed characters: macOS writes them apart
        for path in self._images:
            name, stem = posixpath.basename(path), posixpath.splitext(path)[0]
            composed = unicodedata.normalize("NFC", name)
            self._alike[composed] = None if composed in self._alike else path
            self._by_name[name] = None if name in self._by_name else path
            self._by_stem[stem] = None if stem in self._by_stem else path

    def find(self, name: str) -> str | None:
        """Return the image that a name means; None if there is none, or several.

        A name may be a path below one of the folders, or one elsewhere, of which only the last part
        counts; letters with accents may be one character or two.
        """
        name = posixpath.normpath(name.replace("\\", "/")).lstrip("/")
        below = (posixpath.join(folder, name) for folder in self._folders)
        path = next((path for path in below if path in self._images), None)
        last = posixpath.basename(name)
        found = path or self._by_name.get(last)
        return found or self._alike.get(unicodedata.normalize("NFC", last))

    def find_beside(self, name: str) -> str | None:
        """Return the image of the same name, but for its ending, in the folders or beside a file.

        Folders inside that of the file are as inside that of the images, as in ``Annotations/a/0``.
        """
        stem = posixpath.splitext(name)[0]
        _, _, inside = stem.partition("/")
        last = posixpath.basename(stem)
        below = (posixpath.join(folder, end) for end in (inside, last) for folder in self._folders)
        found = (self._by_stem.get(path) for path in (stem, *below))
        return next((path for path in found if path), None)
