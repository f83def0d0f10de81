"""Find the image files that command-line arguments name."""

import argparse
import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["add_images", "batch_size", "list_images"]


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


def list_images(arguments: Sequence[str]) -> Iterator[Path]:
    """List the image files that arguments name.

    An argument that names no image is returned as it is, so that reading it reports the error.
    """
    from shufflenet.data import IMAGE_SUFFIXES, files_below

    for argument in arguments:
        path = Path(argument)
        pattern = not path.exists() and glob.has_magic(argument)
        names = glob.iglob(argument, recursive=True) if pattern else files_below(path)
        files = sorted(p for p in map(Path, names) if p.suffix.lower() in IMAGE_SUFFIXES)
        if files and (pattern or path.is_dir()):
            yield from files
        else:
            yield path
