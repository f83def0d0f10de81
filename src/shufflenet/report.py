"""What people look at: the curves of a run as a picture."""

import io
import json
from pathlib import Path

from matplotlib.figure import Figure

from shufflenet.checkpoint import write_atomic

__all__ = ["plot_curves"]


def plot_curves(run: Path) -> None:
    """Draw a run's ``metrics.jsonl`` as ``curves.png``: loss on the left, accuracy on the right.

    Raises:
        WriteError: the picture cannot be written.
    """
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    epochs = [row["epoch"] for row in rows]
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    losses.plot(epochs, [row["loss"] for row in rows], label="training loss")
    for k in (1, 5):
        percent = [100 * row[f"top{k}"] / row["images"] for row in rows]
        accuracies.plot(epochs, percent, label=f"validation top-{k}: {percent[-1]:.2f} %")
    losses.set_ylabel("loss")
    accuracies.set_ylabel("right answers, %")
    for axes in (losses, accuracies):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_atomic(run / "curves.png", buffer.getvalue())
