"""Opening a data set: the reader is chosen by what the path leads to."""

import math
import os
import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path

from shufflenet.data._boxes_told import check_no_boxes
from shufflenet.data._findings import PassedOver, count_passed_over
from shufflenet.data._folders import Tree, from_class_folders
from shufflenet.data._label_sets import multi_label
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
from shufflenet.spec import Task

__all__ = ["ARCHIVES", "expand_pattern", "open_images"]

ARCHIVES = (".tar", ".tar.gz", ".tgz")
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
_MOST_SHARDS = 100_000  # that a pattern may name


def open_images(source: str | Path, part: Part | None = None, task: Task | None = None) -> ImageSet:
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
        task: ``"multi-label"`` if any number of classes may be right, whatever the data look like;
            ``"classification"`` if one is. Without it, tables and parquet tell by their labels.

    Returns:
        The images; ``findings`` says how the data were understood and what was passed over.

    Raises:
        ClassNameWithBar: a class folder's name holds a ``|``, and the task is ``multi-label``.
        HoldsBoxes: the data hold boxes, and no classes of images.
        DataError: the data are missing, unreadable or have no images with classes; see its
            subclasses.
        MissingDependency: the data are parquet, and pyarrow is not installed.
        SpecError: a pattern names too many shards.
    """
    images = _open(str(source), Path(source), part, task)
    return multi_label(images) if task == "multi-label" else images


def _open(source: str, path: Path, part: Part | None, task: Task | None) -> ImageSet:
    if os.path.isdir(source):  # which "" is not, though the path is
        return _read_folder(source, path, part, task)
    if os.path.exists(source) or not _RANGE.search(source):
        return _read(source, [path], part, task)
    return _read(source, [Path(name) for name in expand_pattern(source)] or [path], part, task)


def _read_folder(source: str, folder: Path, part: Part | None, task: Task | None) -> ImageSet:
    listing = list_folder(folder)
    if "" in listing.unreadable:
        raise DataUnreadable(source, listing.unreadable[""])
    if not listing.images:
        others = count_passed_over(listing.others)
        return _read_shards_in(source, folder, others, part, task)
    check_no_boxes(source, listing)
    before = os.path.join(folder, "")
    tree = Tree(listing, lambda name: Sample(name, -1, before + name.replace("/", os.sep)), folder)
    return from_class_folders(source, tree, part, task)


def _read_shards_in(
    source: str,
    folder: Path,
    others: Sequence[PassedOver],
    part: Part | None,
    task: Task | None,
) -> ImageSet:
    """Read the shards in a folder.

    Raises:
        NoImages: there are neither images nor shards.
        SeveralSplits: the shards are of several sets, such as training and validation.
    """
    for endings in (ARCHIVES, (".parquet",)):
        shards = sorted(
            path
            for path in folder.iterdir()
            if path.name.lower().endswith(endings) and not is_junk(path.name)
        )
        splits = sorted({re.sub(r"[-_.]?\d+(-of-\d+)?\..*", "", p.name) for p in shards})
        if len(splits) > 1:
            raise SeveralSplits(source, splits[0], splits[1])
        if shards:
            return _read(source, shards, part, task)
    raise NoImages(source, sum(each.files for each in others))


def _read(source: str, paths: list[Path], part: Part | None, task: Task | None) -> ImageSet:
    for path in paths:
        if not os.path.exists(path) or not source:
            raise DataMissing(source if len(paths) == 1 else path)
        if not os.path.isfile(path):
            raise DataNotAFile(path)
    first = paths[0]
    if _all_end(paths, ARCHIVES):
        from shufflenet.data._shards import read_shards  # noqa: PLC0415  # tarfile starts slowly

        return read_shards(source, paths, part)
    if _all_end(paths, (".parquet",)):
        try:
            read = import_module("shufflenet.data._parquet").read_parquet
        except ModuleNotFoundError as error:
            raise MissingDependency("Reading parquet", "pyarrow", "parquet") from error
        images: ImageSet = read(source, paths, task)
        return images
    if first.name.lower().endswith(TABLE_SUFFIXES) and len(paths) == 1:
        return read_table(source, first, part, task)
    raise UnknownDataFormat(source)


def _all_end(paths: Iterable[Path], endings: tuple[str, ...]) -> bool:
    return all(path.name.lower().endswith(endings) for path in paths)


def expand_pattern(pattern: str) -> list[str]:
    """Expand ranges of numbers as a shell and WebDataset do.

    Raises:
        SpecError: the ranges name too many shards.

    >>> expand_pattern("a-{08..10}.tar")
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
        for name in expand_pattern(pattern[: match.start()] + number + pattern[match.end() :])
    ]
