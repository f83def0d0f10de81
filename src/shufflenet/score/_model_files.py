"""The files of a model, of which some formats have two: hashed, and brought to another machine."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from shufflenet.errors import FileUnreadable
from shufflenet.files import cache_dir, write_atomic
from shufflenet.runtimes import Opening

__all__ = ["hash_files", "place_files", "read_files"]

_WEIGHTS_BESIDE = (".xml", ".param")  # OpenVINO's and ncnn's, whose weights are in a .bin


def read_files(path: Path) -> dict[str, bytes]:
    """Return the content of each file of a model, by its path below the folder that it is in.

    Raises:
        FileUnreadable: one cannot be read.
    """
    files = [path]
    if path.is_dir():  # a package of Core ML
        files = sorted(each for each in path.rglob("*") if each.is_file())
    elif path.suffix.lower() in _WEIGHTS_BESIDE:
        files += [each for each in [path.with_suffix(".bin")] if each.exists()]
    try:
        return {each.relative_to(path.parent).as_posix(): each.read_bytes() for each in files}
    except OSError as error:
        raise FileUnreadable(path, error.strerror or str(error)) from error


def hash_files(contents: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of files, in hexadecimal digits; their names do not matter."""
    found = hashlib.sha256()
    for content in contents.values():
        found.update(hashlib.sha256(content).digest())
    return found.hexdigest()


def place_files(opening: Opening, sha256: str, contents: Mapping[str, bytes]) -> Opening:
    """Return how a model is opened on this machine, where its files are written if need be.

    Args:
        opening: How it is opened where it is from.
        sha256: The hash of its files.
        contents: These files.

    Raises:
        WriteError: they cannot be written.
    """
    if _are_here(opening.path, sha256):
        return opening
    folder = cache_dir() / "score" / sha256[:32]
    if not _are_here(folder / opening.path.name, sha256):
        for name, content in contents.items():
            write_atomic(folder / name, content)
    return replace(opening, path=folder / opening.path.name)


def _are_here(path: Path, sha256: str) -> bool:
    try:
        return path.exists() and hash_files(read_files(path)) == sha256
    except FileUnreadable:
        return False
