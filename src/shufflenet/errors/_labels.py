"""Errors in files of labels and of names."""

from pathlib import Path

from shufflenet.errors._data import DataError

__all__ = [
    "LabelFileUnreadable",
    "LabelLineInvalid",
    "LabelRepeated",
    "LabelTextInvalid",
    "NameLineInvalid",
]


class LabelFileUnreadable(DataError):
    """Reading a file of labels or of names fails."""

    def __init__(self, path: str | Path, reason: object) -> None:
        remedy = "Give a text file in UTF-8 with one line per class."
        super().__init__(path, f"cannot be read ({reason})", remedy, what="label file")


class NameLineInvalid(DataError):
    """A line of a file of names is not an identifier and a name."""

    def __init__(self, path: str | Path, line: str) -> None:
        super().__init__(
            path,
            f"has a line without exactly one tab: {line!r}",
            "Give a text file with one line per class: folder name, tab, name for people.",
            what="label file",
        )


class LabelLineInvalid(DataError):
    """A line of a file of labels has more than two fields."""

    def __init__(self, path: str | Path, line: str) -> None:
        super().__init__(
            path,
            f"has a line with two tabs: {line!r}",
            "Give a text file with one line per class, in order: an identifier, or an identifier, "
            "a tab and a name.",
            what="label file",
        )


class LabelTextInvalid(DataError):
    """A field of a file of labels or of names is empty, or no terminal can show it."""

    def __init__(self, path: str | Path, line: str) -> None:
        super().__init__(
            path,
            f"has an empty field or a control character: {line[:100]!r}",
            "Give each class a name of plain text.",
            what="label file",
        )


class LabelRepeated(DataError):
    """Two classes of a file of labels cannot be told apart.

    Args:
        path: The file.
        name: What both are called.
        first: The index of the one, from 0.
        second: That of the other.
    """

    def __init__(self, path: str | Path, name: str, first: int, second: int) -> None:
        super().__init__(
            path,
            f"cannot be used, since {name!r} names classes {first} and {second}",
            "Give each class an identifier of its own: a line of identifier, tab and name.",
            what="label file",
        )
