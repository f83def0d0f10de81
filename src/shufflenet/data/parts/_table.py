"""Rows of a table as images: paths below its folder, or addresses."""

import codecs
import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import TextIO, cast

from shufflenet.data._tables import PATH_COLUMNS, header_cells
from shufflenet.data._walk import is_image
from shufflenet.data.parts._unit import Unit
from shufflenet.errors import TableUnreadable
from shufflenet.files.stores import Store, is_address, join

__all__ = ["list_rows"]

_ADDRESSES = ("url", "uri", "image_url", "img_url", "image_uri", "s3_uri", "address", "urls")
_DELIMITERS = {".csv": ",;\t", ".tsv": "\t,;", ".txt": "\t,;"}
_LOOKED_AT = 1 << 16  # bytes from which the encoding and the delimiter are known
_BUFFER_BYTES = 1 << 20
_LABEL_BEHIND = re.compile(r"\s+\S+\s*\Z")


def list_rows(store: Store, path: str, suffix: str) -> Iterator[Unit]:
    """List the images that the rows of a table name, in its order.

    The images are in the column called as such columns are (``path``, ``url``, ...); of a table
    without a header, in the first that holds names of images or addresses. Whether they exist is
    found out when they are read.

    Raises:
        TableUnreadable: it cannot be read, or is no text.
    """
    folder = path.rpartition("/")[0]
    try:
        with store.open(path) as content:
            buffered = io.BufferedReader(cast(io.RawIOBase, content), _BUFFER_BYTES)
            text = io.TextIOWrapper(buffered, _encoding(buffered.peek(_LOOKED_AT)), newline="")
            for name in _names(text, _DELIMITERS[suffix]):
                yield Unit(name, _place(folder, name))
    except OSError as error:
        raise TableUnreadable(path, error.strerror or error) from error
    except UnicodeDecodeError as error:
        raise TableUnreadable(path, "it is not UTF-8") from error
    except csv.Error as error:
        raise TableUnreadable(path, error) from error


def _encoding(start: bytes) -> str:
    wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and b"\0" in start
    return "utf-16" if wide else "utf-8-sig"


def _place(folder: str, name: str) -> str:
    if is_address(name) or os.path.isabs(name):
        return name
    return join(folder, name)


def _names(text: TextIO, delimiters: str) -> Iterator[str]:
    lines = iter(text)
    start = list(islice(lines, 1))
    delimiter = next((d for d in delimiters if start and d in start[0]), None)
    lines = chain(start, lines)
    if delimiter is None and "," not in delimiters[:1]:  # a list of paths, as .txt mostly is
        rows: Iterator[list[str]] = ([_path_of_line(line)] for line in lines)
    else:
        rows = csv.reader(lines, delimiter=delimiter or ",")
    rows = (row for row in rows if any(cell.strip() for cell in row))
    first = list(islice(rows, 2))
    if not first:
        return
    column, header = _column(first)
    for row in chain(first[header:], rows):
        name = row[column].strip(" ") if column < len(row) else ""
        if name:
            yield name


def _path_of_line(line: str) -> str:
    """Return the path of a line, which white space and a label may follow.

    >>> _path_of_line("my cat.jpg 3"), _path_of_line("my cat.jpg"), _path_of_line("a/1 cat")
    ('my cat.jpg', 'my cat.jpg', 'a/1')
    """
    line = line.strip()
    return line if is_image(line) or is_address(line) else _LABEL_BEHIND.sub("", line)


def _column(first: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Return the column of images, and how many of the first rows are a header."""
    header = header_cells(first)
    known = next((header.index(n) for n in (*PATH_COLUMNS, *_ADDRESSES) if n in header), None)
    if known is not None:
        return known, 1
    named = [at for at, cell in enumerate(first[-1]) if is_image(cell) or is_address(cell)]
    column = named[0] if named else 0
    in_first = column < len(first[0]) and (
        is_image(first[0][column]) or is_address(first[0][column])
    )
    return column, 1 if named and not in_first else 0
