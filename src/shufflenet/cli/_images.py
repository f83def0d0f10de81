"""Which image files arguments name."""

import argparse
import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["add_images", "batch_for", "listed"]


def add_images(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name images."""
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE|FOLDER",
        help="image files, folders to look through, or patterns such as '**/*.jpg'",
    )


def batch_for(images: int) -> int:
    """Say how many images to compute at once: few are shared among the cores."""
    from shufflenet.machine import cores

    return max(1, min(8, images // cores()))


def listed(arguments: Sequence[str]) -> Iterator[Path]:
    """List the files that arguments name; what names nothing comes as it is, to be reported."""
    from shufflenet.data import IMAGE_SUFFIXES, files_below

    for argument in arguments:
        path = Path(argument)
        pattern = not path.exists() and glob.has_magic(argument)
        names = glob.iglob(argument, recursive=True) if pattern else files_below(path)
        found = sorted(p for p in map(Path, names) if p.suffix.lower() in IMAGE_SUFFIXES)
        if found and (pattern or path.is_dir()):
            yield from found
        else:
            yield path
