"""Listing what lies below a folder: every folder once, nothing hidden, nothing that waits."""

import os
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from shufflenet.preprocess import IMAGE_SUFFIXES

__all__ = ["Listing", "is_image", "is_junk", "list_folder"]

# What systems leave in folders, in lower case. @eaDir holds a Synology's thumbnails.
_JUNK = frozenset(
    (
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "icon\r",
        "__macosx",
        "@eadir",
        "$recycle.bin",
        "system volume information",
        "lost+found",
    )
)


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies below a folder or in an archive, by path below it, with slashes.

    Attributes:
        images: Files with an image's ending.
        others: Other files.
        folders: Folders, empty ones too.
        unreadable: Folders that cannot be listed, each with the reason.
    """

    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    def add(self, name: str) -> None:
        """Add a file."""
        (self.images if is_image(name) else self.others).append(name)

    def below(self, folder: str) -> "Listing":
        """Return what lies below one of the folders, by path below that."""
        start = f"{folder}/"

        def cut(names: Iterable[str]) -> list[str]:
            return [name[len(start) :] for name in names if name.startswith(start)]

        unreadable = {name: self.unreadable[start + name] for name in cut(self.unreadable)}
        return Listing(cut(self.images), cut(self.others), cut(self.folders), unreadable)


def is_junk(name: str) -> bool:
    """Return whether a path, with slashes, has a part that is hidden or that systems leave behind.

    >>> is_junk("a/.git/x.png"), is_junk("__MACOSX/a.jpg"), is_junk("a/b.png")
    (True, True, False)
    """
    return any(part.startswith(".") or part.lower() in _JUNK for part in name.split("/"))


def is_image(name: str) -> bool:
    """Return whether a path has an image's ending, in capitals or not."""
    return posixpath.splitext(name)[1].lower() in IMAGE_SUFFIXES


def list_folder(folder: str | Path, *, deep: bool = True) -> Listing:
    """List what lies below a folder, in linked folders too, each folder by one path only.

    Links may form cycles; the path through the fewest folders is kept. Files are listed by their
    names: what is a pipe or a device is found out when it is opened.

    Args:
        folder: The folder.
        deep: Whether what lies in folders below it is listed, too.
    """
    found, seen = Listing(), set[tuple[int, int]]()
    waiting = [""]
    for name in waiting:  # which grows
        try:
            status = os.stat(os.path.join(folder, name))
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(os.path.join(folder, name)), key=lambda entry: entry.name)
        except OSError as error:
            found.unreadable[name] = error.strerror or str(error)
            continue
        if name:
            found.folders.append(name)
        for entry in entries:
            path = f"{name}/{entry.name}" if name else entry.name
            if is_junk(entry.name):
                continue
            if _is_folder(entry):
                waiting += [path] * deep
            else:
                found.add(path)
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False
