"""Print results as JSON or as tables on stdout, progress and remarks on stderr."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shufflenet.spec import Accuracy

__all__ = ["add_json", "print_accuracy", "print_json", "print_note", "print_table", "progress"]

_TOP5_CLASSES = 6  # with fewer, top-5 accuracy is always or almost always 100 %


def add_json(parser: argparse._ActionsContainer) -> None:
    """Add ``--json``, which every command has."""
    parser.add_argument(
        "--json", action="store_true", help="print the result as JSON, and nothing else on stdout"
    )


def print_note(text: str) -> None:
    """Print a sentence that is not a result, on stderr."""
    print(text, file=sys.stderr)


def print_json(value: object) -> None:
    """Print a value as JSON on one line; a dataclass as an object of its fields."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    print(json.dumps(value))


def print_accuracy(accuracy: "Accuracy", classes: int) -> None:
    """Print top-1 accuracy and, if there are at least six classes, top-5 accuracy."""
    print(f"top-1  {accuracy.top1_percent:.2f} %  {accuracy.top1} of {accuracy.images}")
    if classes >= _TOP5_CLASSES:
        print(f"top-5  {accuracy.top5_percent:.2f} %  {accuracy.top5} of {accuracy.images}")


def print_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Print rows below their field names; columns of numbers are aligned to the right."""
    columns = [[name, *(row[name] for row in rows)] for name in rows[0]]
    widths = [max(map(len, column)) for column in columns]
    right = [all(cell[:1].isdigit() or cell in ("", "-") for cell in c[1:]) for c in columns]
    for line in zip(*columns, strict=True):
        cells = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        )
        print("  ".join(cells).rstrip())


def progress(total: int | None, unit: str) -> Any:  # noqa: ANN401  # tqdm has no types
    """Return a progress bar on stderr that appears after a second; none for a single item."""
    if total == 1:
        return _NoBar()
    from tqdm import tqdm

    interval = 0.2 if sys.stderr.isatty() else 30.0  # in a log, a line each half minute is enough
    return tqdm(
        total=total, unit=f" {unit}", delay=1, file=sys.stderr,
        mininterval=interval, dynamic_ncols=True,
    )  # fmt: skip


class _NoBar:
    """The bar of work that has no parts, for which importing tqdm would take long."""

    disable = True

    def update(self, count: int = 1) -> None:
        """Count nothing."""

    def __enter__(self) -> "_NoBar":
        return self

    def __exit__(self, *error: object) -> None:
        return None
