"""The tables beside a detector's page: every box missed or found wrongly, and every class."""

from shufflenet.evaluate import BOX_COLUMNS, box_row
from shufflenet.files import csv_content
from shufflenet.report.page._box_subject import BoxSubject

__all__ = ["BOX_CLASS_COLUMNS", "box_class_table", "box_error_table"]

BOX_CLASS_COLUMNS = ("index", "class", "boxes", "ap", "ap50", "found", "missed", "wrong")


def box_error_table(subject: BoxSubject) -> bytes:
    """Return a row of CSV for each box that is missed or found where there is none."""
    wrong = [each for each in subject.matches if each.kind != "found"]
    rows = [box_row(each, subject.images, subject.unread) for each in wrong]
    return csv_content(BOX_COLUMNS, rows)


def box_class_table(subject: BoxSubject) -> bytes:
    """Return a row of CSV for each class; what cannot be said of one without boxes is empty.

    ``ap`` and ``ap50`` are from 0 to 1; what is found, missed and wrong is counted from the score
    of the page on.
    """
    rows = [
        (
            each.index,
            each.label,
            each.boxes,
            *("" if value is None else f"{value:.6f}" for value in (each.ap, each.ap50)),
            *(subject.counts[each.index, kind] for kind in ("found", "missed", "wrong")),
        )
        for each in subject.measures.classes
    ]
    return csv_content(BOX_CLASS_COLUMNS, rows)
