"""The tables beside the page, for programs: every image that goes wrong, and every class."""

from collections.abc import Sequence

import numpy as np

from shufflenet.analyze import Answers, ClassRow, Suspect
from shufflenet.files import csv_content

__all__ = ["CLASS_COLUMNS", "ERROR_COLUMNS", "class_table", "error_table"]

ERROR_COLUMNS = (
    "path",
    "label",
    "predicted",
    "probability",
    "label_probability",
    "rank",
    "probable_label",
    "error",
)
CLASS_COLUMNS = (
    "id",
    "class",
    "images",
    "correct",
    "accuracy",
    "low",
    "high",
    "answers",
    "precision",
    "taken_for",
    "taken_for_images",
    "unreadable",
)


def error_table(answers: Answers, suspects: Sequence[Suspect]) -> bytes:
    """Return a row of CSV for each image that is answered wrongly or whose label looks wrong.

    ``rank`` is that of the label among all classes, from 1; ``probable_label`` is empty unless
    confident learning counts the label as wrong; ``error`` says why an image could not be read.
    """
    labels = answers.card.labels
    probable = {each.place: each for each in suspects if each.confident}
    places = sorted({*np.flatnonzero(~answers.correct).tolist(), *probable})
    rows: list[tuple[object, ...]] = [
        (
            answers.samples[at].place,
            labels[answers.labels[at]].name,
            labels[answers.predicted[at]].name,
            f"{answers.confidence[at]:.6f}",
            f"{answers.own_probability[at]:.6f}",
            int(answers.rank[at]),
            labels[probable[at].suggested].name if at in probable else "",
            "",
        )
        for at in places
    ]
    rows += [
        (each.sample.place, labels[each.sample.label].name, *[""] * 5, each.error.problem)
        for each in answers.unread
    ]
    return csv_content(ERROR_COLUMNS, rows)


def class_table(rows: Sequence[ClassRow]) -> bytes:
    """Return a row of CSV for each class; what cannot be said of one without images is empty.

    ``low`` and ``high`` are the ends of the 95 % interval of ``accuracy``, from 0 to 1.
    """
    return csv_content(CLASS_COLUMNS, [_class_row(row, rows) for row in rows])


def _class_row(row: ClassRow, rows: Sequence[ClassRow]) -> tuple[object, ...]:
    share, precision = row.accuracy, row.precision
    known = share.value is not None
    return (
        row.id,
        row.name,
        share.total,
        share.count,
        f"{share.value:.6f}" if known else "",
        f"{share.low:.6f}" if known else "",
        f"{share.high:.6f}" if known else "",
        row.named,
        "" if precision.value is None else f"{precision.value:.6f}",
        "" if row.confused_with is None else rows[row.confused_with].name,
        row.confused,
        row.unread,
    )
