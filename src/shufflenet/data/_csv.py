"""A table of paths and labels, as text."""

import csv
from pathlib import Path

from shufflenet.data._labelled import labelled
from shufflenet.data._sets import ImageSet, Sample
from shufflenet.errors import DataError

__all__ = ["read_csv"]

_REMEDY = "Give a .csv with the columns path and label; paths start at the folder it lies in."


def read_csv(source: str, path: Path) -> ImageSet:
    """List the images that a table names: its columns ``path`` and ``label``, or its only two.

    Raises:
        DataError: it cannot be read, a row does not hold both, or an image is not there.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(source, f"cannot be read ({error})", _REMEDY) from error
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    at = (0, 1)
    if "path" in header and "label" in header:
        at, rows = (header.index("path"), header.index("label")), rows[1:]
    elif len(header) != 2:
        raise DataError(source, "has no columns path and label", _REMEDY)
    for number, row in enumerate(rows):
        if len(row) != len(header):
            problem = f"has {len(row)} fields in row {number + 1} where others have {len(header)}"
            raise DataError(source, problem, _REMEDY)
    files = [(row[at[0]], path.parent / row[at[0]], row[at[1]].strip()) for row in rows]
    missing = [name for name, file, _ in files if not file.is_file()]
    if missing:
        problem = f"names {len(missing)} images that are not there, such as {missing[0]!r}"
        raise DataError(source, problem, _REMEDY)
    return labelled(source, [(Sample(name, -1, str(file)), label) for name, file, label in files])
