"""Print results as JSON or as tables on stdout, progress and remarks on stderr.

What people read is printed by ``print_line``, ``print_table`` and ``print_note``, which show
control characters as escapes: labels, cards and file names come from others.
"""

import argparse
import contextlib
import dataclasses
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shufflenet.labels import printable

if TYPE_CHECKING:
    from shufflenet.spec import AnyAccuracy, DetectionAccuracy, MultiLabelAccuracy

__all__ = [
    "add_json",
    "print_accuracy",
    "print_json",
    "print_line",
    "print_note",
    "print_table",
    "progress",
]


def add_json(parser: argparse._ActionsContainer) -> None:
    """Add ``--json``, which every command has."""
    parser.add_argument(
        "--json", action="store_true", help="print the result as JSON, and nothing else on stdout"
    )


def print_line(text: str = "") -> None:
    """Print a line for people on stdout."""
    print(printable(text))


def print_note(text: str) -> None:
    """Print a sentence that is not a result, on stderr."""
    print(printable(text), file=Notes())


def print_json(value: object) -> None:
    """Print a value as JSON on one line; a dataclass as an object of its fields.

    What is no finite number becomes null, for JSON has neither NaN nor infinity.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), allow_nan=False)
    print(text.replace("\x7f", r"\u007f"))  # the one control character that json leaves as it is


def _finite(value: object) -> object:
    """Return a value of JSON with None for every number that is infinite or NaN."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_accuracy(accuracy: "AnyAccuracy", classes: int) -> None:
    """Print top-1 accuracy and top-5 accuracy, unless the latter is 100 % of few classes.

    Of a multi-label network print mean average precision, F1 and exact answers.
    """
    from shufflenet.spec import TOP5_CLASSES, DetectionAccuracy, MultiLabelAccuracy

    if isinstance(accuracy, MultiLabelAccuracy):
        _print_multi_label(accuracy)
        return
    if isinstance(accuracy, DetectionAccuracy):
        _print_detection(accuracy)
        return
    print_line(f"top-1  {accuracy.top1_percent:.2f} %  {accuracy.top1} of {accuracy.images}")
    if classes >= TOP5_CLASSES or accuracy.top5 < accuracy.images:  # some could not be read
        print_line(f"top-5  {accuracy.top5_percent:.2f} %  {accuracy.top5} of {accuracy.images}")


def _print_multi_label(accuracy: "MultiLabelAccuracy") -> None:
    counts = f"{accuracy.found} of {accuracy.answers} answers right, of {accuracy.right} labels"
    exact = 100 * accuracy.exact / max(1, accuracy.images)
    print_line(f"mAP    {100 * accuracy.map:.2f} %  mean of {accuracy.classes} classes")
    print_line(f"F1     {100 * accuracy.f1:.2f} %  {counts}, at a probability of 1/2")
    print_line(f"exact  {exact:.2f} %  {accuracy.exact} of {accuracy.images} images")


def _print_detection(accuracy: "DetectionAccuracy") -> None:
    counts = f"{accuracy.boxes} boxes in {accuracy.images} images"
    print_line(f"mAP    {accuracy.map:.3f}  {counts}")
    print_line(f"mAP50  {accuracy.map50:.3f}")


def print_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Print rows below their field names; columns of numbers are aligned to the right."""
    columns = [[name, *(printable(row[name]) for row in rows)] for name in rows[0]]
    widths = [max(map(len, column)) for column in columns]
    right = [all(cell[:1].isdigit() or cell in ("", "-") for cell in c[1:]) for c in columns]
    for line in zip(*columns, strict=True):
        cells = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        )
        print_line("  ".join(cells).rstrip())


def progress(total: int | None, unit: str, *, hidden: bool = False) -> Any:  # noqa: ANN401  # tqdm has no types
    """Return a progress bar on stderr that appears after a second; none for a single item.

    There is none either where ``TQDM_DISABLE`` is set, as tqdm's own users do.
    """
    if total == 1 or hidden or os.environ.get("TQDM_DISABLE", "0") not in ("", "0"):
        return _NoBar()
    from tqdm import tqdm

    notes = Notes()
    interval = 0.2 if notes.isatty() else 30.0  # in a log, a line each half minute is enough
    return tqdm(
        total=total, unit=f" {unit}", delay=1, file=notes,
        mininterval=interval, dynamic_ncols=True, disable=False,
    )  # fmt: skip


class Notes:
    """The present stderr; what cannot be written there is left out, as nobody would read it."""

    def write(self, text: str) -> None:
        """Write a text, if stderr is open and has room."""
        with contextlib.suppress(OSError, ValueError):
            if sys.stderr is not None:
                sys.stderr.write(text)

    def flush(self) -> None:
        """Write what is still buffered."""
        with contextlib.suppress(OSError, ValueError):
            if sys.stderr is not None:
                sys.stderr.flush()

    def isatty(self) -> bool:
        """Whether stderr is a terminal."""
        return sys.stderr is not None and sys.stderr.isatty()

    def fileno(self) -> int:
        """Return stderr's descriptor, from which tqdm reads the width of the terminal."""
        return sys.stderr.fileno()


class _NoBar:
    """The bar of work that has no parts, for which importing tqdm would take long."""

    total: int | None = None
    initial = n = last_print_n = 0

    def update(self, count: int = 1) -> None:
        """Count nothing."""

    def set_postfix_str(self, text: str, *, refresh: bool = True) -> None:
        """Show nothing."""

    def clear(self) -> None:
        """Clear nothing."""

    def __enter__(self) -> "_NoBar":
        return self

    def __exit__(self, *error: object) -> None:
        return None
