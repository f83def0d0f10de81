"""Pictures: the curves of a training run, and the speed of models."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from shufflenet.benchmark import Timing
from shufflenet.files import write_atomic
from shufflenet.labels import printable
from shufflenet.report.metrics import read_metrics
from shufflenet.spec import RUNTIMES

__all__ = ["plot_curves", "plot_timings"]

_OF_BOXES = {"mAP": "map", "mAP50": "map50"}


def plot_curves(run: Path) -> None:
    """Draw a run's ``metrics.jsonl`` as ``curves.png``: loss on the left, accuracy on the right.

    Named is the accuracy of the best epoch, the last of equal ones, whose network
    ``best.safetensors`` is. Top-5 is drawn where it is not always right. Of a multi-label network
    mean average precision is drawn, and F1; of a detector COCO's, and that at an overlap of a half.

    Raises:
        WriteError: the picture cannot be written.
    """
    rows = read_metrics(run)
    epochs = [row["epoch"] for row in rows]
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    losses.plot(epochs, [row["loss"] for row in rows], label="training loss")
    drawn = _percentages(rows)
    for name, percent in drawn.items():
        at = max(range(len(rows)), key=lambda i: (next(iter(drawn.values()))[i], epochs[i]))
        label = f"validation {name}: {percent[at]:.2f} % in epoch {epochs[at]}"
        accuracies.plot(epochs, percent, label=label)
    losses.set_ylabel("loss")
    accuracies.set_ylabel("accuracy, %")
    for axes in (losses, accuracies):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    _write(figure, run / "curves.png")


def _percentages(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return the figures of epochs to draw, by name, in percent; the best epoch is by the first."""
    if not rows:
        return {}
    if "map50" in rows[0]:
        return {name: [100 * row[key] for row in rows] for name, key in _OF_BOXES.items()}
    if "map" in rows[0]:
        f1 = [200 * row["found"] / max(1, row["answers"] + row["right"]) for row in rows]
        return {"mAP": [100 * row["map"] for row in rows], "F1": f1}
    top = {f"top-{k}": [100 * row[f"top{k}"] / row["images"] for row in rows] for k in (1, 5)}
    return top if min(top["top-5"]) < 100 else {"top-1": top["top-1"]}


def plot_timings(timings: Sequence[Timing], path: Path) -> None:
    """Draw milliseconds per image as bars, one panel for each batch and number of threads.

    A bar is the median; its error bar spans the middle half of the medians of rounds.

    Args:
        timings: The measurements.
        path: A ``.png`` or ``.svg`` file.

    Raises:
        WriteError: the picture cannot be written.
    """
    settings = list(dict.fromkeys((t.threads, t.batch) for t in timings))
    most = max(sum((t.threads, t.batch) == setting for t in timings) for setting in settings)
    size = (9, len(settings) * (1.2 + 0.3 * most))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(settings), squeeze=False)[:, 0]
    for axes, (threads, batch) in zip(panels, settings, strict=True):
        shown = [t for t in timings if (t.threads, t.batch) == (threads, batch)]
        medians = np.array([t.p50_ms / batch for t in shown])
        low, high = np.percentile([t.rounds_ms for t in shown], (25, 75), axis=1) / batch
        error = np.maximum(0, [medians - low, high - medians])
        names = [f"{printable(t.model)}, {RUNTIMES[t.runtime].title}, {t.precision}" for t in shown]
        colors = ["tab:orange" if t.precision == "int8" else "tab:blue" for t in shown]
        bars = axes.barh(range(len(shown)), medians, xerr=error, color=colors, ecolor="0.4")
        axes.bar_label(bars, fmt="%.2f", padding=4)
        axes.set_yticks(range(len(shown)), names, parse_math=False)  # a name may hold dollar signs
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_xlabel("milliseconds per image")
        axes.set_title(f"batch {batch}, {threads} thread{'' if threads == 1 else 's'}")
    _write(figure, path)


def _write(figure: Figure, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix[1:].lower(), dpi=120)
    write_atomic(path, buffer.getvalue())
