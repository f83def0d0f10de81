"""The part of the page about classes that are confused: the matrix, and a table of the pairs."""

from collections.abc import Sequence

from shufflenet.analyze import Answers, ConfusedPair, Confusion, confused_pairs
from shufflenet.report.page._html import Html, join, name, text
from shufflenet.report.page._matrix import draw_confusion
from shufflenet.report.page._parts import Cell, Section, number, table, unsaid
from shufflenet.report.page._words import counted, percent, whole

__all__ = ["confusion_section"]

_PAIRS = 100  # rows of the table


def confusion_section(answers: Answers, confusion: Confusion) -> Section:
    """Return the matrix and the pairs confused most."""
    title = "Classes that are confused"
    if not len(answers):
        return Section("confused", title, unsaid("No image could be read, so none is confused."))
    labels = [label.name for label in answers.card.labels]
    matrix = draw_confusion(labels, confusion.counts)
    pairs = confused_pairs(confusion, _PAIRS)
    return Section("confused", title, join([matrix, _pairs(pairs, labels)]))


def _pairs(pairs: Sequence[ConfusedPair], labels: Sequence[str]) -> Html:
    if not pairs:
        return unsaid("No class is taken for another: every image that could be read is correct.")
    columns = [
        Cell(text("Class")),
        Cell(text("taken for")),
        Cell(text("Images"), kind="number"),
        Cell(text("of the class"), kind="number"),
    ]
    rows = [
        [
            Cell(name(labels[pair.label])),
            Cell(name(labels[pair.predicted])),
            number(whole(pair.images), pair.images),
            number(percent(pair.images / pair.of), pair.images / pair.of),
        ]
        for pair in pairs
    ]
    caption = f"The {counted(len(rows), 'pair')} confused most"
    return table("pairs", caption, columns, rows)
