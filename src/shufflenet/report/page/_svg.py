"""Charts as SVG, drawn by hand: 360 units wide, so that their text is legible on a phone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shufflenet.report.page._html import Html, element, join, text

__all__ = ["Frame", "axes", "bar", "chart", "curve", "diagonal", "dot", "ticks", "whisker", "words"]

_WIDTH = 360.0
_EDGES = (12.0, 20.0, 40.0, 52.0)  # above, right, below, left of the plot, as CSS orders them


@dataclass(frozen=True, slots=True)
class Frame:
    """The plot of a chart: what is at its edges.

    Attributes:
        x: The values at the left and right edge.
        y: The values at the lower and upper edge.
        height: Of the whole chart, in units of which it is 360 wide.
        edges: The room above, right of, below and left of the plot.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    height: float = 240.0
    edges: tuple[float, float, float, float] = _EDGES

    def at_x(self, value: float) -> float:
        """Return where a value is from left to right.

        >>> Frame((0, 1), (0, 1)).at_x(0.5)
        196.0
        """
        _, right, _, left = self.edges
        low, high = self.x
        return left + (value - low) / (high - low) * (_WIDTH - left - right)

    def at_y(self, value: float) -> float:
        """Return where a value is from top to bottom.

        >>> Frame((0, 1), (0, 1)).at_y(0.5)
        106.0
        """
        above, _, below, _ = self.edges
        low, high = self.y
        return self.height - below - (value - low) / (high - low) * (self.height - above - below)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers between two values: steps of 1, 2 or 5 times a power of ten.

    >>> ticks(0, 1), ticks(3, 47)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [10.0, 20.0, 30.0, 40.0])
    """
    rough = (high - low) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * 0.999)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [float(round(number * step, 10)) for number in range(first, last + 1)]


def chart(frame: Frame, title: str, description: str, *parts: Html) -> Html:
    """Return a chart; its title and what it shows are read out by screen readers."""
    attributes: dict[str, str | float] = {
        "viewBox": f"0 0 {_WIDTH:g} {frame.height:g}",
        "role": "img",
        "class": "chart",
    }
    told = (element("title", {}, text(title)), element("desc", {}, text(description)))
    return element("svg", attributes, *told, *parts)


def axes(
    frame: Frame,
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
    names: tuple[str, str],
) -> Html:
    """Return lines at ticks, what they stand for, and the names of both axes."""
    left, right = frame.at_x(frame.x[0]), frame.at_x(frame.x[1])
    lower, upper = frame.at_y(frame.y[0]), frame.at_y(frame.y[1])
    parts = []
    for value, label in x_ticks:
        at = frame.at_x(value)
        parts += [_line("grid", at, lower, at, upper), words(at, lower + 15, label, "middle")]
    for value, label in y_ticks:
        at = frame.at_y(value)
        parts += [_line("grid", left, at, right, at), words(left - 5, at + 4, label, "end")]
    parts.append(words((left + right) / 2, frame.height - 5, names[0], "middle"))
    if names[1]:
        turned = {"transform": f"translate(11 {(lower + upper) / 2:g}) rotate(-90)"}
        parts.append(element("g", turned, words(0, 0, names[1], "middle")))
    return element("g", {"class": "axes"}, *parts)


def words(x: float, y: float, label: str, anchor: str = "start", kind: str = "") -> Html:
    """Return a text in a chart; ``anchor`` is ``start``, ``middle`` or ``end``."""
    given: dict[str, str | float] = {"x": x, "y": y, "text-anchor": anchor}
    return element("text", {**given, "class": kind} if kind else given, text(label))


def bar(frame: Frame, span: tuple[float, float], height: float, kind: str, told: str) -> Html:
    """Return an upright bar between two values of x; what is told shows under a pointer."""
    left, right = frame.at_x(span[0]), frame.at_x(span[1])
    top, foot = frame.at_y(height), frame.at_y(frame.y[0])
    box: dict[str, str | float] = {
        "x": left + 1,
        "y": top,
        "width": max(0.5, right - left - 2),
        "height": max(0.0, foot - top),
        "class": kind,
    }
    return element("rect", box, element("title", {}, text(told)))


def whisker(frame: Frame, x: float, low: float, high: float, kind: str) -> Html:
    """Return an upright interval at a value of x."""
    at, lower, upper = frame.at_x(x), frame.at_y(low), frame.at_y(high)
    ends = [_line(kind, at - 4, y, at + 4, y) for y in (lower, upper)]
    return join([_line(kind, at, lower, at, upper), *ends])


def dot(frame: Frame, x: float, y: float, kind: str, told: str) -> Html:
    """Return a point; what is told shows under a pointer."""
    place: dict[str, str | float] = {
        "cx": frame.at_x(x),
        "cy": frame.at_y(y),
        "r": 4,
        "class": kind,
    }
    return element("circle", place, element("title", {}, text(told)))


def curve(frame: Frame, points: Sequence[tuple[float, float]], kind: str) -> Html:
    """Return a line through points."""
    path = " ".join(f"{frame.at_x(x):.1f},{frame.at_y(y):.1f}" for x, y in points)
    return element("polyline", {"points": path, "class": kind})


def diagonal(frame: Frame) -> Html:
    """Return the line on which both axes are equal, for axes of equal ranges."""
    (low, high), kind = frame.x, "diagonal"
    return _line(kind, frame.at_x(low), frame.at_y(low), frame.at_x(high), frame.at_y(high))


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Html:
    return element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": kind})
