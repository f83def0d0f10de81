"""A table of paths and labels, as text."""

import csv
from pathlib import Path

from shufflenet.data._labelled import labelled
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.errors import (
    TableColumnsMissing,
    TableImagesMissing,
    TableRowLength,
    TableUnreadable,
)

__all__ = ["read_csv"]


def read_csv(source: str, path: Path) -> ImageSet:
    """List the images that a table names: its columns ``path`` and ``label``, or its only two.

    Raises:
        DataError: it cannot be read, a row does not hold both, or an image is not there.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TableUnreadable(source, error) from error
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    at = (0, 1)
    if "path" in header and "label" in header:
        at, rows = (header.index("path"), header.index("label")), rows[1:]
    elif len(header) != 2:
        raise TableColumnsMissing(source)
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise TableRowLength(source, number + 1, len(row), len(header))
    files = [(row[at[0]], path.parent / row[at[0]], row[at[1]].strip()) for row in rows]
    missing = [name for name, file, _ in files if not file.is_file()]
    if missing:
        raise TableImagesMissing(source, missing)
    return labelled(source, [(Sample(name, -1, str(file)), label) for name, file, label in files])
