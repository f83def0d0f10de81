"""A report as files in a folder: all of them or none, and none of anybody else's replaced."""

from collections.abc import Callable
from pathlib import Path

from shufflenet.analyze import class_rows, count_confusion
from shufflenet.files import check_replaceable, is_csv_of, write_together
from shufflenet.report.page._draw import Subject, draw_page
from shufflenet.report.page._parts import GENERATOR
from shufflenet.report.page._tables import (
    CLASS_COLUMNS,
    ERROR_COLUMNS,
    class_table,
    error_table,
)

__all__ = ["check_report_folder", "write_report"]

_PAGE, _ERRORS, _CLASSES = "index.html", "errors.csv", "classes.csv"
_MARK = f'content="{GENERATOR}"'.encode()
# What tells by the begin of a file of each name whether it is of an earlier report.
_IS_OURS: dict[str, Callable[[bytes], bool]] = {
    _PAGE: lambda begin: _MARK in begin,
    _ERRORS: is_csv_of(ERROR_COLUMNS),
    _CLASSES: is_csv_of(CLASS_COLUMNS),
}


def check_report_folder(folder: Path) -> None:
    """Check that a report can be written to a folder, which may hold an earlier one.

    Raises:
        WriteError: the folder cannot be written, or holds a file of one of the report's names that
            no report wrote.
    """
    for file, is_ours in _IS_OURS.items():
        check_replaceable(folder / file, is_ours, "`shufflenet report`")


def write_report(folder: Path, subject: Subject) -> Path:
    """Write ``index.html``, ``errors.csv`` and ``classes.csv``, and return the page's path.

    Args:
        folder: Where they are written; made if there is none. An earlier report is replaced.
        subject: What the page is about.

    Raises:
        WriteError: see ``check_report_folder``, or the disk is full; nothing was replaced.
    """
    check_report_folder(folder)
    answers = subject.answers
    rows = class_rows(answers, count_confusion(answers))
    page = folder / _PAGE
    write_together({
        folder / _ERRORS: error_table(answers, subject.suspects),
        folder / _CLASSES: class_table(rows),
        page: draw_page(subject),
    })  # fmt: skip
    return page
