"""Errors in tables of images: parquet, .csv, and files that label the images beside them."""

from collections.abc import Sequence
from pathlib import Path

from shufflenet.errors._base import count_of, first_line
from shufflenet.errors._data import DataError

__all__ = [
    "GroundTruthInvalid",
    "ImageLabeledTwice",
    "ParquetColumnMissing",
    "ParquetColumnWithoutBytes",
    "ParquetPathOutside",
    "ParquetRowEmpty",
    "ParquetUnreadable",
    "SeveralTables",
    "TableColumnsMissing",
    "TableImagesMissing",
    "TableOfAddresses",
    "TableRowLength",
    "TableUnreadable",
]

_PARQUET = "Expected: a column image of bytes and path, and a column label, as on the Hub."
_TABLE = "Give a .csv with the columns path and label; paths are relative to its folder."


class ParquetUnreadable(DataError):
    """Reading a parquet file fails."""

    def __init__(self, path: str | Path, cause: Exception) -> None:
        super().__init__(path, f"cannot be read as parquet ({first_line(cause)})", _PARQUET)


class ParquetColumnMissing(DataError):
    """A parquet file lacks a column."""

    def __init__(self, path: str | Path, column: str) -> None:
        super().__init__(path, f"has no column {column!r}", _PARQUET)


class ParquetColumnWithoutBytes(DataError):
    """A parquet file's image column is not of bytes and paths."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "has a column 'image' without bytes and path", _PARQUET)


class ParquetPathOutside(DataError):
    """A row of a parquet file names a file elsewhere on this machine."""

    def __init__(self, path: str | Path, name: str) -> None:
        problem = f"names a file outside its own folder, {name!r}"
        super().__init__(path, problem, "Put the images below the folder of the parquet file.")


class ParquetRowEmpty(DataError):
    """A row of a parquet file has neither bytes nor a path."""

    def __init__(self, path: str | Path, row: int) -> None:
        super().__init__(path, f"has no image in row {row}", _PARQUET)


class TableUnreadable(DataError):
    """Reading a .csv file fails."""

    def __init__(self, source: str | Path, reason: object) -> None:
        super().__init__(source, f"cannot be read ({reason})", _TABLE)


class TableColumnsMissing(DataError):
    """A .csv file has no columns path and label."""

    def __init__(self, source: str | Path) -> None:
        super().__init__(source, "has no columns path and label", _TABLE)


class TableRowLength(DataError):
    """A row of a .csv file has another number of fields than the first."""

    def __init__(self, source: str | Path, row: int, fields: int, expected: int) -> None:
        problem = (
            f"has {count_of(fields, 'field')} in row {row}, where the first row has {expected}"
        )
        super().__init__(source, problem, _TABLE)


class TableImagesMissing(DataError):
    """A .csv file names images that do not exist."""

    def __init__(self, source: str | Path, missing: Sequence[str]) -> None:
        count = count_of(len(missing), "image")
        problem = f"names {count} of which there is no file, such as {missing[0]!r}"
        super().__init__(source, problem, _TABLE)


class ImageLabeledTwice(DataError):
    """A table labels one image in two ways."""

    def __init__(self, source: str | Path, image: str, first: str, second: str) -> None:
        problem = f"labels {image!r} as {first[:40]!r} and as {second[:40]!r}"
        remedy = "Leave one row for each image; where several labels are right, join them by |."
        super().__init__(source, problem, remedy)


class SeveralTables(DataError):
    """A folder of images holds several files that may label them."""

    def __init__(self, source: str | Path, first: str, second: str) -> None:
        problem = f"holds images without class folders, and {first!r} and {second!r} may label them"
        super().__init__(source, problem, "Give the file that does.")


class TableOfAddresses(DataError):
    """A table names addresses on the web, which nothing here opens."""

    def __init__(self, source: str | Path, address: str) -> None:
        remedy = "Download the images, and name the files."
        super().__init__(source, f"names addresses, such as {address!r}", remedy)


class GroundTruthInvalid(DataError):
    """A line of ILSVRC's ground truth is no class's number."""

    def __init__(self, source: str | Path, line: int, text: str) -> None:
        super().__init__(
            source,
            f"has no number from 1 to 1000 in line {line}, but {text[:40]!r}",
            "Give ILSVRC's ground truth as published, in the folder of the validation images.",
        )
