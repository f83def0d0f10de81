"""Opening a data set: the reader is chosen by what the path leads to."""

import math
import os
import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path

from shufflenet.data._findings import PassedOver, count_passed_over
from shufflenet.data._folders import Tree, from_class_folders
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.data._splits import Part
from shufflenet.data._tables import TABLE_SUFFIXES, read_table
from shufflenet.data._walk import is_junk, list_folder
from shufflenet.errors import (
    DataMissing,
    DataNotAFile,
    DataUnreadable,
    MissingDependency,
    NoImages,
    SeveralSplits,
    SpecError,
    UnknownDataFormat,
)

__all__ = ["open_images"]

_ARCHIVES = (".tar", ".tar.gz", ".tgz")
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
_MOST_SHARDS = 100_000  # that a pattern may name


def open_images(source: str | Path, part: Part | None = None) -> ImageSet:
    """List the images of a folder, an archive, WebDataset shards, parquet files or a table.

    Several shards are named by their folder or as ``train-{000..012}.tar``. Classes and images of
    folders are sorted by name.

    Args:
        source: ``DATA/<class>/<image>`` as a folder, a ``.tar`` or a ``.tar.gz``; shards;
            ``.parquet`` with image and label; a ``.csv``, ``.tsv`` or ``.txt`` of path and label;
            or a folder of images and such a table.
        part: What the images are for, ``"train"`` to train on or ``"val"`` to measure on. If the
            folders in ``DATA`` are splits, such as ``train`` and ``val``, with classes inside, it
            chooses one; ``findings`` of the result says which. Without it they are refused.

    Returns:
        The images; ``findings`` says how the data were understood and what was passed over.

    Raises:
        DataError: the data are missing, unreadable or have no images with classes; see its
            subclasses.
        MissingDependency: the data are parquet, and pyarrow is not installed.
        SpecError: a pattern names too many shards.
    """
    path = Path(source)
    if os.path.isdir(source):  # which "" is not, though the path is
        return _read_folder(str(source), path, part)
    if os.path.exists(source) or not _RANGE.search(str(source)):
        return _read(str(source), [path], part)
    return _read(str(source), [Path(name) for name in _expand(str(source))] or [path], part)


def _read_folder(source: str, folder: Path, part: Part | None) -> ImageSet:
    listing = list_folder(folder)
    if "" in listing.unreadable:
        raise DataUnreadable(source, listing.unreadable[""])
    if not listing.images:
        return _read_shards_in(source, folder, part, count_passed_over(listing.others))
    before = os.path.join(folder, "")
    tree = Tree(listing, lambda name: Sample(name, -1, before + name.replace("/", os.sep)), folder)
    return from_class_folders(source, tree, part)


def _read_shards_in(
    source: str, folder: Path, part: Part | None, others: Sequence[PassedOver]
) -> ImageSet:
    """Read the shards in a folder.

    Raises:
        NoImages: there are neither images nor shards.
        SeveralSplits: the shards are of several sets, such as training and validation.
    """
    for endings in (_ARCHIVES, (".parquet",)):
        shards = sorted(
            path
            for path in folder.iterdir()
            if path.name.lower().endswith(endings) and not is_junk(path.name)
        )
        splits = sorted({re.sub(r"[-_.]?\d+(-of-\d+)?\..*", "", p.name) for p in shards})
        if len(splits) > 1:
            raise SeveralSplits(source, splits[0], splits[1])
        if shards:
            return _read(source, shards, part)
    raise NoImages(source, sum(each.files for each in others))


def _read(source: str, paths: list[Path], part: Part | None) -> ImageSet:
    for path in paths:
        if not os.path.exists(path) or not source:
            raise DataMissing(source if len(paths) == 1 else path)
        if not os.path.isfile(path):
            raise DataNotAFile(path)
    first = paths[0]
    if _all_end(paths, _ARCHIVES):
        from shufflenet.data._shards import read_shards  # noqa: PLC0415  # tarfile starts slowly

        return read_shards(source, paths, part)
    if _all_end(paths, (".parquet",)):
        try:
            read = import_module("shufflenet.data._parquet").read_parquet
        except ModuleNotFoundError as error:
            raise MissingDependency("Reading parquet", "pyarrow", "parquet") from error
        images: ImageSet = read(source, paths)
        return images
    if first.name.lower().endswith(TABLE_SUFFIXES) and len(paths) == 1:
        return read_table(source, first, part)
    raise UnknownDataFormat(source)


def _all_end(paths: Iterable[Path], endings: tuple[str, ...]) -> bool:
    return all(path.name.lower().endswith(endings) for path in paths)


def _expand(pattern: str) -> list[str]:
    """Expand ranges of numbers as a shell and WebDataset do.

    Raises:
        SpecError: the ranges name too many shards.

    >>> _expand("a-{08..10}.tar")
    ['a-08.tar', 'a-09.tar', 'a-10.tar']
    """
    count = math.prod(max(0, int(b) - int(a) + 1) for a, b in _RANGE.findall(pattern))
    if count > _MOST_SHARDS:
        raise SpecError("the number of shards", count, f"at most {_MOST_SHARDS:,}")
    match = _RANGE.search(pattern)
    if not match:
        return [pattern]
    first, last = match.groups()
    numbers = (f"{n:0{len(first)}}" for n in range(int(first), int(last) + 1))
    return [
        name
        for number in numbers
        for name in _expand(pattern[: match.start()] + number + pattern[match.end() :])
    ]
