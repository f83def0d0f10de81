"""The part of the page about classes: the accuracy of each, with its interval."""

from collections.abc import Sequence

from shufflenet.analyze import ClassRow, Share
from shufflenet.report.page._charts import draw_class_accuracies, figure
from shufflenet.report.page._html import Html, element, join, name, text
from shufflenet.report.page._parts import Cell, Section, number, table, unsaid
from shufflenet.report.page._words import counted, percent, whole

__all__ = ["class_section"]

_MANY = 20  # classes, from which their accuracies are drawn as a distribution, too
_WIDTH, _HEIGHT = 120, 16  # of the picture of an interval, whose CSS is .interval


def class_section(rows: Sequence[ClassRow]) -> Section:
    """Return a table of all classes that have images, those with the lowest accuracy first."""
    title = "Accuracy by class"
    measured = [row for row in rows if row.accuracy.total]
    parts: list[Html] = []
    if len(measured) < len(rows):
        without = counted(len(rows) - len(measured), "class has", "classes have")
        parts.append(unsaid(f"{without} no images here, so nothing is said of them."))
    if len(measured) >= _MANY:
        shares = [row.accuracy.count / row.accuracy.total for row in measured]
        drawn = draw_class_accuracies(shares)
        chart = figure(drawn, "How many classes have which accuracy.")
        parts.append(element("div", {"class": "charts"}, chart))
    if measured:
        ordered = sorted(measured, key=lambda row: row.accuracy.count / row.accuracy.total)
        parts += [_finder(len(ordered)), _table(ordered, rows)]
    return Section("classes", title, join(parts))


def _finder(classes: int) -> Html:
    if classes < _MANY:
        return text("")
    field = element("input", {"type": "search", "data-filters": "class-table"})
    label = element("label", {}, text("Show classes called"), field)
    return element("div", {"class": "tools"}, label)


def _table(rows: Sequence[ClassRow], all_rows: Sequence[ClassRow]) -> Html:
    columns = [
        Cell(text("Class")),
        Cell(text("Accuracy"), kind="number"),
        Cell(text("95 % interval")),
        Cell(text("Images"), kind="number wide"),
        Cell(text("Precision"), kind="number wide"),
        Cell(text("Most often taken for"), kind="wide"),
    ]
    cells = [_row(row, all_rows) for row in rows]
    caption = (
        "Accuracy is the share of a class's images that are answered correctly, precision the "
        "share of the answers of a class that are correct."
    )
    return table("class-table", caption, columns, cells)


def _row(row: ClassRow, all_rows: Sequence[ClassRow]) -> list[Cell]:
    share, precision = row.accuracy, row.precision
    accuracy = share.count / share.total
    if row.confused_with is None:
        confused = Cell(text("-"), "0", "wide")
    else:
        other = name(all_rows[row.confused_with].name)
        confused = Cell(join([other, text(f" ({whole(row.confused)})")]), str(row.confused), "wide")
    named = percent(precision.count / precision.total) if precision.total else "-"
    return [
        Cell(name(row.name)),
        number(percent(accuracy), accuracy),
        Cell(_interval(share), f"{share.low:.6g}"),
        Cell(text(whole(share.total)), str(share.total), "number wide"),
        Cell(text(named), f"{precision.value or 0:.6g}", "number wide"),
        confused,
    ]


def _interval(share: Share) -> Html:
    """Return an interval as a line from 0 to 100 %, with the share itself as a point."""
    middle, inside = _HEIGHT / 2, _WIDTH - 8
    low, at, high = (4 + each * inside for each in (share.low, share.value or 0.0, share.high))
    told = f"{percent(share.low)} to {percent(share.high)}"
    return element(
        "svg",
        {"viewBox": f"0 0 {_WIDTH} {_HEIGHT}", "class": "interval", "role": "img"},
        element("title", {}, text(told)),
        element("rect", {"class": "track", "x": 4, "y": middle - 1, "width": inside, "height": 2}),
        element("line", {"class": "first", "x1": low, "y1": middle, "x2": high, "y2": middle}),
        element("circle", {"class": "first", "cx": at, "cy": middle, "r": 4}),
    )
