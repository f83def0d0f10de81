"""Errors in the splits of a data set: training, validation and test."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from shufflenet.errors._data import DataError

__all__ = [
    "SeveralFoldersOfSplit",
    "SeveralSplits",
    "SplitBesideClasses",
    "SplitsInsideClass",
    "SplitsNotChosen",
    "SplitsOrClasses",
]


class SeveralSplits(DataError):
    """A folder holds shards of several sets, such as training and validation."""

    def __init__(self, source: str | Path, first: str, second: str) -> None:
        super().__init__(
            source,
            f"holds shards of several sets, such as {first!r} and {second!r}",
            "Name those of one, such as 'folder/train-{000..012}.tar'.",
        )


class SplitsNotChosen(DataError):
    """A folder holds the folders of several splits, and nobody said which is meant.

    Args:
        source: The data.
        training: The folder to train on.
        other: The folder to measure on.
        of: What holds them: a folder, an archive, or a table in one of its columns.
    """

    def __init__(
        self,
        source: str | Path,
        training: str,
        other: str,
        *,
        of: Literal["folder", "archive", "table"] = "folder",
    ) -> None:
        first, second = (shlex.quote(f"{source}/{name}") for name in (training, other))
        remedies = {
            "folder": f"Give one of them; `train` takes --data {first} --val {second}.",
            "archive": "Unpack it, and give one of the two folders.",
            "table": "Give a table of the rows of one of them.",
        }
        inside = "" if of == "table" else " with classes inside"
        problem = f"holds {training!r} and {other!r}, which are splits{inside}"
        super().__init__(source, problem, remedies[of])


class SplitsInsideClass(DataError):
    """A folder that is taken for a class holds the folders of splits."""

    def __init__(self, source: str | Path, name: str, training: str, other: str) -> None:
        super().__init__(
            source,
            f"holds splits inside of {name!r}: {training!r} and {other!r}",
            "Put the class folders into the folders of splits, or give a folder that holds class "
            "folders only.",
        )


class SplitsOrClasses(DataError):
    """Folders are called like splits, but hold images directly as class folders do."""

    def __init__(self, source: str | Path, names: Sequence[str]) -> None:
        folders = " and ".join(map(repr, names[:2]))
        super().__init__(
            source,
            f"holds images directly in {folders}, which may be splits or classes",
            "Put class folders into each split; or, if they are classes, give a .csv of path and "
            "label.",
        )


class SplitBesideClasses(DataError):
    """A folder with the name of a split and class folders inside lies beside class folders."""

    def __init__(self, source: str | Path, split: str, other: str) -> None:
        super().__init__(
            source,
            f"holds {split!r}, a split with folders inside, beside {other!r}",
            "Put what is no class elsewhere, or give the folder that holds the class folders only.",
        )


class SeveralFoldersOfSplit(DataError):
    """Two folders of one data set both have the name of the split that is asked for."""

    def __init__(self, source: str | Path, first: str, second: str) -> None:
        problem = f"holds {first!r} and {second!r}, of which either may be meant"
        super().__init__(source, problem, "Give one of them, not the folder that holds both.")
