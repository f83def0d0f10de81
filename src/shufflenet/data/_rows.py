"""Text as rows of cells: .csv, .tsv and lists of path and label, however a program wrote them."""

import codecs
import csv
import io
import re
from pathlib import Path

from shufflenet.errors import TableRowLength, TableUnreadable
from shufflenet.outside import read_regular
from shufflenet.preprocess import IMAGE_SUFFIXES

__all__ = ["read_rows"]

_LARGEST_BYTES = 1 << 28  # a million paths take 100 MB
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DELIMITERS = {".csv": ",;\t", ".tsv": "\t,;", ".txt": "\t,;"}
_ENDINGS = "|".join(sorted(re.escape(suffix) for suffix in IMAGE_SUFFIXES))
_SEPARATOR_LINE = re.compile(r'\A"?sep=."?[\r\n]+', re.IGNORECASE)  # by which Excel is told
_PATH_THEN_LABEL = re.compile(rf"(.*?(?:{_ENDINGS}))\s+(.*\S)", re.IGNORECASE)


def read_rows(source: str, path: Path) -> list[list[str]]:
    """Read the cells of a table, without empty rows; every row has as many as the first.

    Cells are separated by commas, semicolons or tabs, whichever the first row has; in a ``.txt``
    also by white space after the name of an image, or before the last word. The text is UTF-8, or
    UTF-16 with a byte order mark.

    Raises:
        TableRowLength: a row has another number of cells than the first.
        TableUnreadable: the file cannot be read, or is no text.
    """
    text = _SEPARATOR_LINE.sub("", _text(source, path), count=1)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = next((d for d in _DELIMITERS[path.suffix.lower()] if d in first), None)
    if delimiter is None and path.suffix.lower() == ".txt":
        rows = [_words(line) for line in text.splitlines() if line.strip()]
    else:
        rows = _cells(source, text, delimiter or ",")
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise TableRowLength(source, number + 1, len(row), len(rows[0]))
    return rows


def _text(source: str, path: Path) -> str:
    try:
        content = read_regular(path, _LARGEST_BYTES)
        wide = content.startswith(_UTF_16) and b"\0" in content  # every character of ASCII has one
        return content.decode("utf-16" if wide else "utf-8-sig")
    except OSError as error:
        raise TableUnreadable(source, error.strerror) from error
    except UnicodeDecodeError as error:
        raise TableUnreadable(source, "it is not UTF-8") from error


def _cells(source: str, text: str, delimiter: str) -> list[list[str]]:
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        return [row for row in rows if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise TableUnreadable(source, error) from error


def _words(line: str) -> list[str]:
    """Split a line into path and label.

    >>> _words("my cat.JPEG tabby cat"), _words("photos/1 cat"), _words("26")
    (['my cat.JPEG', 'tabby cat'], ['photos/1', 'cat'], ['26'])
    """
    match = _PATH_THEN_LABEL.fullmatch(line.strip())
    return list(match.groups()) if match else line.rsplit(maxsplit=1)
