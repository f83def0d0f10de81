"""How commands print: values as JSON, tables for people, progress and remarks on stderr."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["add_json", "print_json", "print_table", "progress", "say"]


def add_json(parser: argparse._ActionsContainer) -> None:
    """Add the option that every command has."""
    parser.add_argument("--json", action="store_true", help="print JSON on stdout and nothing else")


def say(text: str) -> None:
    """Tell something that is not a result."""
    print(text, file=sys.stderr)


def print_json(value: object) -> None:
    """Print a value's own fields on one line."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    print(json.dumps(value))


def print_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Print rows under their field names; what reads as a number is set to the right."""
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
    """Make a progress bar on stderr that shows once work has taken a second."""
    from tqdm import tqdm

    interval = 0.2 if sys.stderr.isatty() else 30.0  # in a log a line each half minute is enough
    return tqdm(
        total=total, unit=f" {unit}", delay=1, file=sys.stderr,
        mininterval=interval, dynamic_ncols=True,
    )  # fmt: skip
