"""The parts of a detector's page about numbers: its precision, by class, by size, as curves."""

from collections.abc import Sequence

import numpy as np

from shufflenet.evaluate import RECALLS, ClassOfFound
from shufflenet.report.page._box_subject import BoxSubject
from shufflenet.report.page._charts import figure
from shufflenet.report.page._html import Html, element, join, name, text
from shufflenet.report.page._parts import Cell, Section, number, sentence, table, unsaid
from shufflenet.report.page._svg import Frame, axes, bar, chart, curve, dot, words
from shufflenet.report.page._words import counted, whole

__all__ = ["box_class_section", "box_curve_section", "box_size_section", "box_summary_section"]

_SHARES = [(0.0, "0"), (0.25, "0.25"), (0.5, "0.5"), (0.75, "0.75"), (1.0, "1")]
_WORST = 3  # classes that are named
_CURVES = 12  # classes whose curves are drawn
_MANY = 20  # classes, from which one is found by its name
_SMALL, _LARGE = 32**2, 96**2  # px, of a box that is no longer small, and of one that is large


def precision(value: float) -> str:
    """Return an average precision as people compare them.

    >>> precision(0.8765)
    '0.876'
    """
    return f"{value:.3f}"


def box_summary_section(subject: BoxSubject) -> Section:
    """Return COCO's measures, and sentences about what stands out."""
    accuracy = subject.measures.accuracy
    if not accuracy.boxes:
        told = [unsaid("There are no boxes to find, so nothing can be said of precision.")]
    else:
        tiles = [
            _tile(precision(accuracy.map50), "mAP50: at an overlap (IoU) of 0.5 or more"),
            _tile(precision(accuracy.map), "mAP: the mean over IoU of 0.5, 0.55, … 0.95"),
            _tile(precision(accuracy.map75), "mAP75: at an IoU of 0.75 or more"),
        ]
        told = [element("ul", {"class": "tiles"}, *tiles), sentence(text(_at_score(subject)))]
    told += [unsaid(each) for each in _unread(subject)]
    told += [sentence(text(each), kind="quiet") for each in subject.notes]
    told += _worst(subject.measures.classes)
    return Section("accuracy", "Average precision", join(told))


def _tile(figure: str, what: str) -> Html:
    return element("li", {}, element("strong", {}, text(figure)), text(what))


def _at_score(subject: BoxSubject) -> str:
    found, wrong = subject.count("found"), subject.count("wrong")
    of = counted(subject.measures.accuracy.boxes, "box", "boxes")
    images = counted(len(subject.images), "image")
    return (
        f"With a score of {subject.min_score:g} or more, {whole(found)} of {of} in {images} are "
        f"found, and {counted(wrong, 'box is', 'boxes are')} found where there is none."
    )


def _unread(subject: BoxSubject) -> list[str]:
    if not subject.unread:
        return []
    count = counted(len(subject.unread), "image cannot be read", "images cannot be read")
    return [f"{count}; all boxes there count as missed. errors.csv names them."]


def _worst(classes: Sequence[ClassOfFound]) -> list[Html]:
    measured = _measured(classes)
    if len(measured) <= _WORST:
        return []
    named = [
        join([name(each.label), text(f" ({precision(ap)})")]) for ap, each in measured[:_WORST]
    ]
    link = element("a", {"href": "#classes"}, text("lowest average precision"))
    return [sentence(text("The classes of "), link, text(" are "), join(named, ", "), text("."))]


def _measured(classes: Sequence[ClassOfFound]) -> list[tuple[float, ClassOfFound]]:
    """Return the classes that have boxes to find, with their precisions, the lowest first."""
    measured = [(each.ap, each) for each in classes if each.ap is not None]
    return sorted(measured, key=lambda pair: (pair[0], pair[1].index))


def box_class_section(subject: BoxSubject) -> Section:
    """Return a table of the classes that have boxes, those with the lowest precision first."""
    classes, parts = subject.measures.classes, list[Html]()
    measured = _measured(classes)
    if len(measured) < len(classes):
        without = counted(len(classes) - len(measured), "class has", "classes have")
        parts.append(unsaid(f"{without} no boxes here, so nothing is said of them."))
    if len(measured) >= _MANY:
        field = element("input", {"type": "search", "data-filters": "class-table"})
        label = element("label", {}, text("Show classes called"), field)
        parts.append(element("div", {"class": "tools"}, label))
    if measured:
        rows = [_row(subject, ap, each) for ap, each in measured]
        parts.append(table("class-table", _caption(subject), _COLUMNS, rows))
    return Section("classes", "Average precision by class", join(parts))


_COLUMNS = [
    Cell(text("Class")),
    Cell(text("AP"), kind="number"),
    Cell(text("AP50"), kind="number"),
    Cell(text("Boxes"), kind="number"),
    Cell(text("Found"), kind="number"),
    Cell(text("Wrong"), kind="number"),
]


def _caption(subject: BoxSubject) -> str:
    return (
        "AP50 is the average precision at an IoU of 0.5, AP the mean over 0.5 to 0.95, from 0 to "
        f"1. Found are boxes, and wrong is what is none, with a score of {subject.min_score:g} or "
        "more at an IoU of 0.5."
    )


def _row(subject: BoxSubject, ap: float, of_class: ClassOfFound) -> list[Cell]:
    ap50 = of_class.ap50 or 0.0
    counts = [of_class.boxes]
    counts += [subject.counts[of_class.index, "found"], subject.counts[of_class.index, "wrong"]]
    return [
        Cell(name(of_class.label)),
        number(precision(ap), ap),
        number(precision(ap50), ap50),
        *(number(whole(each), each) for each in counts),
    ]


def box_curve_section(subject: BoxSubject) -> Section:
    """Return the precision at each recall, for the classes with the lowest average precision."""
    measured = _measured(subject.measures.classes)
    shown = measured[:_CURVES]
    if not shown:
        return Section("curves", _CURVES_TITLE, unsaid("There are no boxes to find."))
    told = (
        "Of the boxes found down to a score, precision is the share that is right, and recall the "
        "share of all boxes that is among them, at an IoU of 0.5. As COCO draws it, precision is "
        f"the best at that recall or more. The point is a score of {subject.min_score:g}."
    )
    parts = [sentence(text(told), kind="quiet")]
    if len(shown) < len(measured):
        left = counted(len(measured) - len(shown), "class", "classes")
        parts.append(unsaid(f"{left} with a higher average precision are not drawn."))
    charts = [_curve(subject, each) for _, each in shown]
    return Section(
        "curves", _CURVES_TITLE, join([*parts, element("div", {"class": "charts"}, *charts)])
    )


_CURVES_TITLE = "Precision and recall"


def _curve(subject: BoxSubject, of_class: ClassOfFound) -> Html:
    frame = Frame((0.0, 1.0), (0.0, 1.0))
    pairs = zip(RECALLS, of_class.curve or (), strict=False)
    points = [(recall, share) for recall, share in pairs if share > 0]
    drawn = [axes(frame, _SHARES, _SHARES, ("recall", "precision"))]
    if points:
        drawn.append(curve(frame, [*points, (points[-1][0], 0.0)], "first"))
    found = subject.counts[of_class.index, "found"]
    given = found + subject.counts[of_class.index, "wrong"]
    told = f"{of_class.label}: average precision {precision(of_class.ap50 or 0)} at an IoU of 0.5"
    if given:
        at = found / of_class.boxes, found / given
        at_score = f"recall {at[0]:.2f} and precision {at[1]:.2f}"
        told += f"; with a score of {subject.min_score:g} or more {at_score}"
        drawn.append(dot(frame, *at, "second", at_score))
    return figure(chart(frame, of_class.label, f"{told}.", *drawn), f"{told}.")


def box_size_section(subject: BoxSubject) -> Section:
    """Return the average precision of small, medium and large boxes."""
    accuracy = subject.measures.accuracy
    boxes = zip(subject.images.boxes, subject.images.ignored, strict=True)
    areas = [(each[:, 2] * each[:, 3])[~ignored] for each, ignored in boxes]
    places = np.digitize(np.concatenate([np.empty(0), *areas]), (_SMALL, _LARGE))
    counts = np.bincount(places, minlength=3).tolist()
    values = (accuracy.map_small, accuracy.map_medium, accuracy.map_large)
    frame = Frame((-0.5, 2.5), (0.0, 1.0))
    names = ("small", "medium", "large")
    drawn = [axes(frame, list(enumerate(names)), _SHARES, ("size of the box", "mAP"))]
    told = []
    for at, (size, value, count) in enumerate(zip(names, values, counts, strict=True)):
        if value is None:
            told.append(f"{size}: no boxes")
            continue
        told.append(f"{size}: {precision(value)}, {counted(count, 'box', 'boxes')}")
        drawn.append(bar(frame, (at - 0.3, at + 0.3), value, "first", told[-1]))
        drawn.append(words(frame.at_x(at), frame.at_y(value) - 4, precision(value), "middle"))
    whole_told = f"{'; '.join(told)}."
    caption = f"{whole_told} Small are boxes of less than 32 x 32 px, large those from 96 x 96 px."
    charts = figure(chart(frame, _SIZES_TITLE, whole_told, *drawn), caption)
    return Section("sizes", _SIZES_TITLE, element("div", {"class": "charts"}, charts))


_SIZES_TITLE = "Average precision by size"
