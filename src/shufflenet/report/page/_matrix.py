"""The confusion matrix: a table of few classes, a picture of many; its order shows groups."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shufflenet.labels import printable
from shufflenet.report.page._html import Html, element, join, name, shorten, text
from shufflenet.report.page._order import order_by_confusion
from shufflenet.report.page._parts import data_block, sentence, unsaid
from shufflenet.report.page._words import counted, whole

__all__ = ["draw_confusion"]

_TABLE_CLASSES = 20  # at most: on a phone a table of ten shows whole, one of twenty is scrolled
_MOST_CLASSES = 1000  # of the picture
_LEVELS = 7  # of color in the table
_HELP = (
    "A row is a class, a column an answer: what is on the diagonal is right (blue), all else is "
    "wrong (orange, by its logarithm: the darkest is {most}). Classes that are confused with each "
    "other lie together."
)
_KEYS = (
    "Arrow keys go from cell to cell, Enter from error to error, the most frequent first; + and - "
    "change the scale, 0 shows all."
)


def draw_confusion(labels: Sequence[str], counts: npt.NDArray[np.integer]) -> Html:
    """Return the confusion matrix as markup.

    Args:
        labels: The name of each class.
        counts: ``(classes, classes)``: how many images of a row's class got a column's answer.
    """
    kept, told = _kept(counts)
    counts = counts[np.ix_(kept, kept)]
    order = order_by_confusion(counts)
    counts = counts[np.ix_(order, order)]
    names = [labels[kept[at]] for at in order]
    errors = counts - np.diag(np.diag(counts))
    most = counted(int(errors.max(initial=0)), "image")
    help_text = sentence(text(_HELP.format(most=most)), kind="quiet")
    small = len(kept) <= _TABLE_CLASSES
    return join([help_text, *told, _table(names, counts) if small else _picture(names, counts)])


def _kept(counts: npt.NDArray[np.integer]) -> tuple[list[int], list[Html]]:
    """Return the classes that are shown, and sentences about those that are not."""
    total = counts.sum(axis=0) + counts.sum(axis=1)
    kept, told = np.flatnonzero(total), []
    if empty := len(counts) - len(kept):
        which = counted(empty, "class is", "classes are")
        told.append(unsaid(f"{which} left out: no image is of them or answered so."))
    if len(kept) > _MOST_CLASSES:
        others = counted(len(kept) - _MOST_CLASSES, "other class", "other classes")
        errors = (total - 2 * np.diag(counts))[kept]
        kept = np.sort(kept[np.argsort(-errors, kind="stable")[:_MOST_CLASSES]])
        most = whole(_MOST_CLASSES)
        told.append(unsaid(f"Shown are the {most} classes with the most errors, not {others}."))
    return kept.tolist(), told


def _table(names: Sequence[str], counts: npt.NDArray[np.integer]) -> Html:
    """Return a table with a count in each cell."""
    most = max(1, int((counts - np.diag(np.diag(counts))).max(initial=0)))
    heads = [
        element("th", {"scope": "col"}, element("span", {}, name(shorten(each, 40))))
        for each in names
    ]
    corner = element("td", {}, element("span", {"class": "unseen"}, text("class, then answer")))
    rows = []
    for at, each in enumerate(names):
        cells = [_cell(counts, at, answer, most) for answer in range(len(names))]
        head = element("th", {"scope": "row"}, name(shorten(each, 40)))
        rows.append(element("tr", {}, head, *cells))
    caption = "Images of a class (row) by answer (column)"
    whole_table = element(
        "table",
        {"class": "counts"},
        element("caption", {}, text(caption)),
        element("thead", {}, element("tr", {}, corner, *heads)),
        element("tbody", {}, *rows),
    )
    box = {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": caption}
    return element("div", {"id": "matrix"}, element("div", box, whole_table))


def _cell(counts: npt.NDArray[np.integer], row: int, column: int, most: int) -> Html:
    count = int(counts[row, column])
    if not count:
        return element("td", {}, text("·" if row != column else "0"))
    if row == column:
        kind, strength = "right", count / int(counts[row].sum())
    else:
        kind, strength = "wrong", float(np.log1p(count) / np.log1p(most))
    return element("td", {"class": f"{kind}-{round(strength * (_LEVELS - 1))}"}, text(whole(count)))


def _picture(names: Sequence[str], counts: npt.NDArray[np.integer]) -> Html:
    """Return what the page's script draws, and the counts that it draws."""
    rows, columns = np.nonzero(counts)
    cells = np.stack([rows, columns, counts[rows, columns]], axis=1).ravel().tolist()
    shown = [shorten(printable(each), 80) for each in names]
    field = element(
        "label", {}, text("Find a class"),
        element("input", {"type": "search", "list": "matrix-classes", "data-do": "find"}),
    )  # fmt: skip
    buttons = [
        element("button", {"type": "button", "class": "button", "data-do": key}, text(label))
        for key, label in (("closer", "Closer"), ("wider", "Wider"), ("whole", "All"))
    ]
    canvas = element("canvas", {
        "tabindex": "0", "role": "application", "aria-label": "Confusion matrix",
        "aria-describedby": "matrix-keys matrix-told",
    })  # fmt: skip
    hint = "Point at a cell to read what it counts."
    return element(
        "figure",
        {"id": "matrix", "class": "matrix"},
        element(
            "div",
            {"class": "tools"},
            field,
            element("datalist", {"id": "matrix-classes"}),
            *buttons,
        ),
        canvas,
        element("p", {"id": "matrix-told", "role": "status"}, text(hint)),
        element("figcaption", {"id": "matrix-keys"}, text(_KEYS)),
        element(
            "noscript", {}, text("The picture is drawn by a script. The table below needs none.")
        ),
        data_block("matrix-counts", {"names": shown, "cells": cells}),
    )
