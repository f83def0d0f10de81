"""Which kind of data a name stands for."""

import re
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from shufflenet.data._csv import read_csv
from shufflenet.data._folders import classified, folder_files
from shufflenet.data._sets import ImageSet
from shufflenet.data._shards import read_shards
from shufflenet.errors import (
    DataMissing,
    DataNotAFile,
    MissingDependency,
    NoImages,
    SeveralSplits,
    UnknownDataFormat,
)

__all__ = ["open_images"]

_ARCHIVES = (".tar", ".tar.gz", ".tgz")
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


def open_images(source: str | Path) -> ImageSet:
    """List the images of a folder, of archives, shards or a table, see ``LAYOUT``.

    Several shards are named by the folder they lie in or as ``train-{000..012}.tar``. Classes
    and images of folders come in the order of their names.

    Raises:
        DataError: nothing is there, it cannot be read, it holds no images with classes, or the
            name of a class is no text.
        MissingDependency: it is parquet, and pyarrow is not installed.
    """
    path = Path(source)
    if path.is_dir():
        files = folder_files(path)
        return classified(str(source), files) if files else _shards_of(str(source), path)
    if path.exists() or not _RANGE.search(str(source)):
        return _read(str(source), [path])
    return _read(str(source), [Path(name) for name in _expanded(str(source))])


def _shards_of(source: str, folder: Path) -> ImageSet:
    """Read the shards that lie in a folder.

    Raises:
        DataError: there are none, or of several splits.
    """
    for endings in (_ARCHIVES, (".parquet",)):
        found = sorted(p for p in folder.iterdir() if p.name.endswith(endings))
        splits = sorted({re.sub(r"[-_.]?\d+(-of-\d+)?\..*", "", p.name) for p in found})
        if len(splits) > 1:
            raise SeveralSplits(source, splits[0], splits[1])
        if found:
            return _read(source, found)
    raise NoImages(source)


def _read(source: str, paths: list[Path]) -> ImageSet:
    for path in paths:
        if not path.exists():
            raise DataMissing(path)
        if not path.is_file():
            raise DataNotAFile(path)
    first = paths[0]
    if _all_end(paths, _ARCHIVES):
        return read_shards(source, paths)
    if _all_end(paths, (".parquet",)):
        try:
            read = import_module("shufflenet.data._parquet").read_parquet
        except ModuleNotFoundError as error:
            raise MissingDependency("Reading parquet", "pyarrow", "parquet") from error
        images: ImageSet = read(source, paths)
        return images
    if first.suffix == ".csv" and len(paths) == 1:
        return read_csv(source, first)
    raise UnknownDataFormat(source)


def _all_end(paths: Iterable[Path], endings: tuple[str, ...]) -> bool:
    return all(path.name.endswith(endings) for path in paths)


def _expanded(pattern: str) -> list[str]:
    """Write out ranges of numbers, as a shell and WebDataset do.

    >>> _expanded("a-{08..10}.tar")
    ['a-08.tar', 'a-09.tar', 'a-10.tar']
    """
    found = _RANGE.search(pattern)
    if not found:
        return [pattern]
    first, last = found.groups()
    numbers = (f"{n:0{len(first)}}" for n in range(int(first), int(last) + 1))
    return [
        name
        for number in numbers
        for name in _expanded(pattern[: found.start()] + number + pattern[found.end() :])
    ]
