"""A report as files in a folder: all of them or none, and none of anybody else's replaced."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from shufflenet.analyze import class_rows, count_confusion
from shufflenet.evaluate import BOX_COLUMNS
from shufflenet.files import check_replaceable, is_csv_of, write_together
from shufflenet.report.page._box_draw import draw_box_page
from shufflenet.report.page._box_subject import BoxSubject
from shufflenet.report.page._box_tables import (
    BOX_CLASS_COLUMNS,
    box_class_table,
    box_error_table,
)
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


def _is_table(*kinds: Sequence[str]) -> Callable[[bytes], bool]:
    """Return what tells whether a file is a table of a classifier or of a detector."""
    tellers = [is_csv_of(columns) for columns in kinds]
    return lambda begin: any(is_of(begin) for is_of in tellers)


# What tells by the begin of a file of each name whether it is of an earlier report.
_IS_OURS: dict[str, Callable[[bytes], bool]] = {
    _PAGE: lambda begin: _MARK in begin,
    _ERRORS: _is_table(ERROR_COLUMNS, BOX_COLUMNS),
    _CLASSES: _is_table(CLASS_COLUMNS, BOX_CLASS_COLUMNS),
}


def check_report_folder(folder: Path) -> None:
    """Check that a report can be written to a folder, which may hold an earlier one.

    Raises:
        WriteError: the folder cannot be written, or holds a file of one of the report's names that
            no report wrote.
    """
    for file, is_ours in _IS_OURS.items():
        check_replaceable(folder / file, is_ours, "`shufflenet report`")


def write_report(folder: Path, subject: Subject | BoxSubject) -> Path:
    """Write ``index.html``, ``errors.csv`` and ``classes.csv``, and return the page's path.

    Args:
        folder: Where they are written; made if there is none. An earlier report is replaced.
        subject: What the page is about.

    Raises:
        WriteError: see ``check_report_folder``, or the disk is full; nothing was replaced.
    """
    check_report_folder(folder)
    files = _of_boxes(subject) if isinstance(subject, BoxSubject) else _of_classes(subject)
    write_together({folder / name: content for name, content in files.items()})
    return folder / _PAGE


def _of_classes(subject: Subject) -> Mapping[str, bytes]:
    """Return the files about a classifier, the page last."""
    answers = subject.answers
    rows = class_rows(answers, count_confusion(answers))
    errors = error_table(answers, subject.suspects)
    return {_ERRORS: errors, _CLASSES: class_table(rows), _PAGE: draw_page(subject)}


def _of_boxes(subject: BoxSubject) -> Mapping[str, bytes]:
    """Return the files about a detector, the page last."""
    errors, classes = box_error_table(subject), box_class_table(subject)
    return {_ERRORS: errors, _CLASSES: classes, _PAGE: draw_box_page(subject)}
