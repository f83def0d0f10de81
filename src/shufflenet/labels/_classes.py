"""The names of classes: read from files, and looked up."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from shufflenet.errors import LabelFileUnreadable, LabelLineInvalid, NameLineInvalid
from shufflenet.spec import Label

__all__ = ["class_index", "name_classes", "read_labels", "read_names"]


def read_names(path: str | Path) -> dict[str, str]:
    """Read the names of classes from a file of ``identifier<TAB>name`` lines.

    Raises:
        NameLineInvalid: a line does not hold two fields.
        LabelFileUnreadable: the file cannot be read.
    """
    rows = _rows(path)
    for row in rows:
        if len(row) != 2:
            raise NameLineInvalid(path, " ".join(row))
    return dict(rows)


def read_labels(path: str | Path) -> tuple[Label, ...]:
    """Read classes in the order of their indices: lines of ``identifier<TAB>name`` or of either.

    Raises:
        LabelLineInvalid: a line holds more than two fields.
        LabelFileUnreadable: the file cannot be read.
    """
    rows = _rows(path)
    for row in rows:
        if len(row) > 2:
            raise LabelLineInvalid(path, " ".join(row))
    return tuple(Label(row[0], row[-1]) for row in rows)


def _rows(path: str | Path) -> list[list[str]]:
    """Return the fields of every line that is not empty.

    Raises:
        LabelFileUnreadable: the file cannot be read, or is not a regular file.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise LabelFileUnreadable(path, "it is not a regular file")
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            return [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row]
    except (OSError, UnicodeDecodeError) as error:
        raise LabelFileUnreadable(path, error) from error


def name_classes(identifiers: Sequence[str], names: dict[str, str]) -> tuple[Label, ...]:
    """Return classes with their names; a class without a name is named by its identifier.

    >>> name_classes(["n01443537"], {"n01443537": "goldfish"})
    (Label(id='n01443537', name='goldfish'),)
    """
    return tuple(Label(identifier, names.get(identifier, identifier)) for identifier in identifiers)


def class_index(labels: Sequence[Label]) -> dict[str, int]:
    """Map identifiers to class indices, and every name that only one class has.

    >>> class_index([Label("n01443537", "goldfish")])
    {'goldfish': 0, 'n01443537': 0}
    """
    counts = Counter(label.name for label in labels)
    by_name = {label.name: i for i, label in enumerate(labels) if counts[label.name] == 1}
    return by_name | {label.id: index for index, label in enumerate(labels)}
