"""Tables of CSV as bytes, and files of which only those of an earlier call may be replaced."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from shufflenet.errors import WriteError
from shufflenet.files._atomic import check_place
from shufflenet.outside import open_regular

__all__ = ["check_replaceable", "csv_content", "is_csv_of"]

_BEGIN_BYTES = 1 << 10  # of a file, by which it is recognized


def csv_content(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    r"""Return a table as CSV; bytes of paths that are not UTF-8 stay as they are.

    >>> csv_content(["path", "label"], [("a,b.jpg", "cat")])
    b'path,label\n"a,b.jpg",cat\n'
    """
    content = io.StringIO(newline="")
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return content.getvalue().encode("utf-8", "surrogateescape")


def is_csv_of(columns: Sequence[str]) -> Callable[[bytes], bool]:
    r"""Return what tells by the begin of a file whether it is a table of these columns.

    >>> is_csv_of(["path", "label"])(b"path,label\na.jpg,cat\n")
    True
    >>> is_csv_of(["path", "label"])(b"path,label,note\na.jpg,cat,\n")
    False
    """
    header = ",".join(columns).encode()
    return lambda begin: begin.partition(b"\n")[0].strip() == header


def check_replaceable(path: Path, is_ours: Callable[[bytes], bool], by: str) -> None:
    """Check that a file can be written, and replaces none but an empty one or an earlier one.

    Args:
        path: Where the file is to be written.
        is_ours: Whether the begin of a file there shows that it may be replaced.
        by: What writes it, as an error names it.

    Raises:
        WriteError: there is another file, or the place cannot be written.
    """
    check_place(path)
    try:
        with open_regular(path) as file:
            begin = file.read(_BEGIN_BYTES)
    except FileNotFoundError:
        return
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error
    if begin.strip() and not is_ours(begin):
        raise WriteError(path, f"there is a file that {by} did not write")
