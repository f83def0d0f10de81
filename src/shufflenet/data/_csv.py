"""Reading a .csv of paths and labels."""

import csv
from pathlib import Path

from shufflenet.data._labels import with_labels
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.errors import (
    TableColumnsMissing,
    TableImagesMissing,
    TableRowLength,
    TableUnreadable,
)

__all__ = ["read_csv"]


def read_csv(source: str, path: Path) -> ImageSet:
    """List the images of a table, by its columns ``path`` and ``label`` or its only two columns.

    Raises:
        TableColumnsMissing: a .csv file has no columns path and label.
        TableImagesMissing: a .csv file names images that do not exist.
        TableRowLength: a row of a .csv file has another number of fields than the first.
        TableUnreadable: reading a .csv file fails.
        DataError: an image has no label.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TableUnreadable(source, error) from error
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    columns = (0, 1)
    if "path" in header and "label" in header:
        columns, rows = (header.index("path"), header.index("label")), rows[1:]
    elif len(header) != 2:
        raise TableColumnsMissing(source)
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise TableRowLength(source, number + 1, len(row), len(header))
    entries = [tuple(row[column] for column in columns) for row in rows]
    files = [(name, path.parent / name, label.strip()) for name, label in entries]
    missing = [name for name, file, _ in files if not file.is_file()]
    if missing:
        raise TableImagesMissing(source, missing)
    return with_labels(
        source, [(Sample(name, -1, str(file)), label) for name, file, label in files]
    )
