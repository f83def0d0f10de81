"""What a training run wrote of its epochs, read back."""

import math
from pathlib import Path
from typing import Any

from shufflenet.errors import ShuffleNetError
from shufflenet.outside import read_json

__all__ = ["read_metrics"]

_ONE_LABEL = ("top1", "top5")
_BOXES = ("map", "map50")
_SEVERAL_LABELS = ("map", "found", "answers", "right")


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Read the epochs of a run from its ``metrics.jsonl``, none if there is no such file.

    The loss of epoch 0, the network before it is trained, is NaN. Lines that are damaged are left
    out, and so are those of another task than the first.
    """
    path = run / "metrics.jsonl"
    lines = path.read_bytes().splitlines() if path.is_file() else []
    rows = [row for line in lines if (row := _read_row(line))]
    return [row for row in rows if _measured(row) == _measured(rows[0])]


def _measured(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of what is measured of a network of the row's task."""
    if "map50" in row:
        return _BOXES
    return _SEVERAL_LABELS if "map" in row else _ONE_LABEL


def _read_row(line: bytes) -> dict[str, Any] | None:
    """Return what a line tells of an epoch, or None where a number is not one."""
    try:
        row = read_json(line)
    except ShuffleNetError:
        return None
    if not isinstance(row, dict):
        return None
    if row.get("loss", 0) is None:  # nothing was trained yet
        row["loss"] = math.nan
    numbers = [row.get(name) for name in ("epoch", "loss", "images", *_measured(row))]
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in numbers):
        return None
    return row if row["images"] > 0 else None
