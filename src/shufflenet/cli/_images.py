"""Find the images that command-line arguments name."""

import argparse
import fnmatch
import glob
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from shufflenet.cli._output import print_note

__all__ = ["add_images", "batch_size", "list_images", "model_file", "with_standard_input"]

_STANDARD_INPUT = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")


def add_images(parser: argparse.ArgumentParser) -> None:
    """Add the positional arguments that name images."""
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE|FOLDER",
        help="image files, folders that are searched with their subfolders, or patterns such as "
        "'**/*.jpg'",
    )


def batch_size(images: int) -> int:
    """Return how many images to compute at once: at most 8, so that every core has some."""
    from shufflenet.machine import cores

    return max(1, min(8, images // cores()))


def model_file(name: str) -> Path | None:
    """Return the file of a model, as far as it lies on this machine."""
    from shufflenet.zoo import find_weights

    files = find_weights(name)
    return files.checkpoint or files.onnx


def list_images(arguments: Sequence[str]) -> Iterator[Path]:
    """List the image files that arguments name, and print which files are passed over.

    An argument that names no image is returned as it is, so that reading it reports the error.
    """
    from shufflenet.data import is_image

    for argument in arguments:
        files: list[Path] = []
        if os.path.isdir(argument):
            files = _images_below(argument)
        elif glob.has_magic(argument) and not os.path.lexists(argument):
            files = sorted(Path(name) for name in _matching(argument) if is_image(name))
        yield from files or [Path(argument)]


def _matching(pattern: str) -> list[str]:
    """List the files that fit a pattern; ``**`` enters every folder once, for links form cycles."""
    if "**" not in pattern:
        return glob.glob(pattern)
    from shufflenet.data import list_folder

    parts = Path(pattern).parts
    start = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    folder = Path(*parts[:start])
    listing = list_folder(folder)
    return [
        str(folder / name)
        for name in (*listing.images, *listing.others)
        if _fits(name.split("/"), parts[start:])
    ]


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether the parts of a path fit those of a pattern.

    >>> _fits(["a", "b", "c.jpg"], ["**", "*.jpg"]), _fits(["a", "c.jpg"], ["*.jpg"])
    (True, False)
    """
    if not pattern or not parts:
        return not parts and set(pattern) <= {"**"}
    if pattern[0] == "**":
        return _fits(parts, pattern[1:]) or _fits(parts[1:], pattern)
    return fnmatch.fnmatch(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])


def _images_below(folder: str) -> list[Path]:
    from shufflenet.data import Findings, count_passed_over, list_folder

    listing = list_folder(folder)
    findings = Findings(
        passed_over=count_passed_over(listing.others), unreadable=listing.unreadable
    )
    for sentence in findings.sentences(folder):
        print_note(sentence)
    return sorted(Path(folder, name) for name in listing.images)


def with_standard_input(paths: Sequence[Path]) -> list[Path | bytes]:
    """Return paths, with the bytes of standard input in place of ``-`` or ``/dev/stdin``.

    No more is read than decoding takes; it refuses what is longer. Of a standard input that is
    closed there are no bytes.
    """
    content: bytes | None = None
    pictures: list[Path | bytes] = []
    for path in paths:
        if str(path) in _STANDARD_INPUT:
            content = _standard_input() if content is None else content
            pictures.append(content)
        else:
            pictures.append(path)
    return pictures


def _standard_input() -> bytes:
    from shufflenet.preprocess import LARGEST_FILE_BYTES

    try:
        return sys.stdin.buffer.read(LARGEST_FILE_BYTES + 1) if sys.stdin else b""
    except (OSError, ValueError):  # it is closed
        return b""
