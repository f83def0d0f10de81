"""The page's charts: reliability, accuracy by a property, accuracies of classes, a run's curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shufflenet.analyze import ReliabilityBin, Share
from shufflenet.report.page._html import Html, element, join, name, text
from shufflenet.report.page._svg import (
    Frame,
    axes,
    bar,
    chart,
    curve,
    diagonal,
    dot,
    ticks,
    whisker,
)
from shufflenet.report.page._words import counted, percent

__all__ = [
    "Part",
    "draw_class_accuracies",
    "draw_curves",
    "draw_parts",
    "draw_reliability",
    "figure",
]

_SHARES = [(0.0, "0 %"), (0.25, "25 %"), (0.5, "50 %"), (0.75, "75 %"), (1.0, "100 %")]
_BINS = 20


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the images.

    Attributes:
        name: What the part is called.
        right: How many of its images are answered correctly; its total is at least 1.
    """

    name: str
    right: Share

    @property
    def accuracy(self) -> float:
        """The share of images answered correctly."""
        return self.right.count / self.right.total

    @property
    def told(self) -> str:
        """What was measured, in words."""
        interval = f"95 % interval {percent(self.right.low)} to {percent(self.right.high)}"
        images = counted(self.right.total, "image")
        return f"{self.name}: {percent(self.accuracy)} of {images} correct, {interval}"


def figure(drawn: Html, caption: str, keys: tuple[str, ...] = ()) -> Html:
    """Return a chart with its caption, and what its first and second line are."""
    kinds = zip(("key", "key two"), keys, strict=False)
    shown = [element("div", {}, element("span", {"class": kind}, name(key))) for kind, key in kinds]
    return element("figure", {}, drawn, element("figcaption", {}, *shown, text(caption)))


def draw_reliability(bins: Sequence[ReliabilityBin]) -> Html:
    """Return how often answers of a probability are correct, with intervals."""
    frame = Frame((0.0, 1.0), (0.0, 1.0))
    drawn = [axes(frame, _SHARES, _SHARES, ("probability of the answer", "correct answers"))]
    told = []
    for each in bins:
        if not each.accuracy.total:
            continue
        part = Part(f"{percent(each.low)} to {percent(each.high)}", each.accuracy)
        told.append(part.told)
        drawn.append(bar(frame, (each.low, each.high), part.accuracy, "pale", part.told))
        middle = (each.low + each.high) / 2
        drawn.append(whisker(frame, middle, part.right.low, part.right.high, "first"))
    drawn.append(diagonal(frame))
    return chart(frame, "Reliability", ". ".join(told) + ".", *drawn)


def draw_parts(title: str, x_name: str, parts: Sequence[Part], others: Sequence[Part] = ()) -> Html:
    """Return the accuracy of parts of the images as points with intervals, from left to right.

    Args:
        title: What is shown.
        x_name: By what the images are divided.
        parts: The parts, in order.
        others: The same parts with a second model.
    """
    frame = Frame((-0.5, len(parts) - 0.5), (0.0, 1.0), height=250)
    labels = [(float(at), part.name) for at, part in enumerate(parts)]
    drawn = [axes(frame, labels, _SHARES, (x_name, "correct answers"))]
    shift = 0.1 if others else 0.0
    for kind, measured, aside in (("first", parts, -shift), ("second", others, shift)):
        for at, part in enumerate(measured):
            drawn.append(whisker(frame, at + aside, part.right.low, part.right.high, kind))
            drawn.append(dot(frame, at + aside, part.accuracy, kind, part.told))
    told = ". ".join(part.told for part in (*parts, *others))
    return chart(frame, title, f"{told}.", *drawn)


def draw_class_accuracies(accuracies: Sequence[float]) -> Html:
    """Return how many classes have which accuracy, as bars of a twentieth each."""
    counts, edges = np.histogram(accuracies, _BINS, (0.0, 1.0))
    frame = Frame((0.0, 1.0), (0.0, float(counts.max(initial=1)) * 1.05), height=200)
    marks = [(at, f"{at:g}") for at in ticks(*frame.y, most=4) if at == int(at)]
    drawn = [axes(frame, _SHARES, marks, ("accuracy of a class", "classes"))]
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        if count:
            what = (
                f"{counted(int(count), 'class', 'classes')} from {percent(low)} to {percent(high)}"
            )
            drawn.append(bar(frame, (float(low), float(high)), float(count), "first", what))
    half = float(np.median(accuracies))
    told = f"The median class has an accuracy of {percent(half)}."
    return chart(frame, "Accuracies of the classes", told, *drawn)


def draw_curves(rows: Sequence[Mapping[str, Any]]) -> Html:
    """Return a training run's loss and accuracy after each epoch, from its ``metrics.jsonl``.

    Args:
        rows: At least one epoch, each with epoch, loss, top1, top5 and images.
    """
    epochs = [float(row["epoch"]) for row in rows]
    span = (min(epochs), max(max(epochs), min(epochs) + 1))
    losses = [(float(row["epoch"]), float(row["loss"])) for row in rows if np.isfinite(row["loss"])]
    drawn = []
    if losses:
        top = max(loss for _, loss in losses) * 1.05 or 1.0
        frame = Frame(span, (0.0, top))
        lines = curve(frame, losses, "first")
        told = f"From {losses[0][1]:.3f} in epoch {losses[0][0]:g} to {losses[-1][1]:.3f}."
        drawn.append(_panel(frame, "training loss", told, lines))
    drawn.append(_accuracies(rows, Frame(span, (0.0, 1.0))))
    return element("div", {"class": "charts"}, *drawn)


def _accuracies(rows: Sequence[Mapping[str, Any]], frame: Frame) -> Html:
    """Return top-1 accuracy, and top-5 accuracy where it is not always 100 %."""
    lines, told, keys = [], [], []
    for k, kind in ((1, "first"), (5, "second")):
        points = [(float(row["epoch"]), row[f"top{k}"] / row["images"]) for row in rows]
        if k == 1 or min(share for _, share in points) < 1:
            lines.append(curve(frame, points, kind))
            best = max(points, key=lambda point: (point[1], point[0]))
            told.append(f"At most {percent(best[1])} top-{k}, in epoch {best[0]:g}.")
            keys.append(f"top-{k}")
    return _panel(frame, "validation accuracy", " ".join(told), join(lines), tuple(keys))


def _panel(frame: Frame, title: str, told: str, lines: Html, keys: tuple[str, ...] = ()) -> Html:
    marks = _SHARES if keys else [(at, f"{at:g}") for at in ticks(*frame.y)]
    whole = [(at, f"{at:g}") for at in ticks(*frame.x) if at == int(at)]
    drawn = chart(frame, title, told, axes(frame, whole, marks, ("epoch", title)), lines)
    return figure(drawn, told, keys)
