"""``shufflenet list`` and ``shufflenet show``."""

import argparse
import dataclasses
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from shufflenet.cli._layers import add_layers, layer_fields, print_layers, time_named
from shufflenet.cli._look_up import Entry, look_up
from shufflenet.cli._options import Commands, add_command, image_size
from shufflenet.cli._output import add_json, print_json, print_line, print_note, print_table
from shufflenet.labels import printable

if TYPE_CHECKING:
    from shufflenet.benchmark import Cost
    from shufflenet.report import Row
    from shufflenet.zoo import Weights

__all__ = ["add_list", "add_show"]

_WIDTH = 100  # characters in a line of `show`
_DEFAULT_PX = 224  # for networks without weights


def add_list(commands: Commands) -> None:
    """Add ``shufflenet list``."""
    parser = add_command(
        commands,
        _list,
        "list",
        "list every network and every published checkpoint",
        "  shufflenet list\n"
        "  shufflenet list megvii --checkpoints\n"
        "  shufflenet list ShuffleNetV2 1.0x\n"
        "  shufflenet list shufflenetv2_x1-5666bf0f80.pth\n"
        "  shufflenet list 'shufflenet_v2_*' --networks --json\n",
    )
    parser.add_argument(
        "patterns",
        nargs="*",
        metavar="PATTERN",
        help="words, in any order, or a pattern with * and ?; it is compared with names, sources "
        "and names of published files, and only entries that match every PATTERN are listed "
        "(default: list all)",
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--networks", action="store_true", help="list networks only")
    only.add_argument("--checkpoints", action="store_true", help="list checkpoints only")
    add_json(parser)


def _list(args: argparse.Namespace) -> int:
    rows = _rows(args)
    if args.json:
        print_json([dataclasses.asdict(row) for row in rows])
    else:
        _print_groups(rows)
    if not rows:
        print_note(
            f"No entry matches {' '.join(args.patterns)!r}. `shufflenet list` prints all entries."
        )
    return 0 if rows else 1


def _rows(args: argparse.Namespace) -> "list[Row]":
    from shufflenet.files import read_card
    from shufflenet.report import list_models, matches
    from shufflenet.zoo import DEFAULT, NETWORKS, SHIPPED, WEIGHTS

    rows = list_models(NETWORKS, WEIGHTS.values(), read_card(str(SHIPPED.checkpoint)), DEFAULT)
    return [
        row
        for row in rows
        if not (args.networks if row.source else args.checkpoints)
        and all(matches(row, pattern) for pattern in args.patterns)
    ]


def _print_groups(rows: "Sequence[Row]") -> None:
    """Print one table per source, each below its title."""
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for number, (source, group) in enumerate(groupby(rows, key=lambda row: row.source)):
        table = list(_cells(list(group)))
        title = f"checkpoints of {source}" if source else "networks"
        if number:
            print_line()
        print_line(f"{title} ({len(table)})")
        if columns is not None and _table_width(table) > columns:
            table = [{name: row[name] for name in row if name != "file"} for row in table]
        print_table(table)
    if any(row.defects for row in rows):
        print_line()
        print_line("! has a known defect or doubt: `shufflenet show NAME` explains it.")


def _cells(rows: "Sequence[Row]") -> Iterator[dict[str, str]]:
    from shufflenet.report import format_percent

    for row in rows:
        cells = {
            "name": f"{row.name}, or {row.alias}" if row.alias else row.name,
            "M params": f"{row.parameters / 1e6:.2f}",
            "M mult-adds": f"{row.multiply_adds / 1e6:.1f}",
        }
        if row.source:
            cells |= {
                "top-1": format_percent(row.top1_percent, row.source),
                "top-5": format_percent(row.top5_percent, row.source),
                "licence": row.licence or "-",
                "get": row.get or "-",
                "!": "!" if row.defects else "",
                "file": row.filename or "-",
            }
        yield cells


def _table_width(table: Sequence[dict[str, str]]) -> int:
    columns = [max(len(name), *(len(row[name]) for row in table)) for name in table[0]]
    return sum(columns) + 2 * (len(columns) - 1)


def add_show(commands: Commands) -> None:
    """Add ``shufflenet show``."""
    parser = add_command(
        commands,
        _show,
        "show",
        "print the architecture, cost and origin of a network or a model",
        "  shufflenet show default\n"
        "  shufflenet show shufflenet_v2_x0_5 --size 160 --layers\n"
        "  shufflenet show default --time\n"
        "  shufflenet show shufflenet_v2_x1_0.torchvision_in1k\n",
    )
    parser.add_argument(
        "name",
        metavar="NAME|FILE",
        help="a name of `shufflenet list`, a file of a model, or the folder of a training run",
    )
    parser.add_argument(
        "--size",
        type=image_size,
        metavar="H[,W]",
        help="image side for which costs are counted, or height and width (default: the model's "
        "own, or 224)",
    )
    add_layers(parser)
    add_json(parser)


def _show(args: argparse.Namespace) -> int:
    from shufflenet.benchmark import cost
    from shufflenet.layers import layers

    entry = look_up(args.name)
    model = entry.card or entry.weights
    sides = args.size or (model.preprocess.size_px if model else (_DEFAULT_PX, _DEFAULT_PX))
    size = sides if len({*sides}) > 1 else sides[0]
    detector = entry.card.detector if entry.card else None
    height, width = sides
    if detector:
        detector.check_size(height, width)
    costs = cost(entry.network, height, width, detector)
    all_layers = list(layers(entry.network, height, width, detector))
    times = time_named(args.name, entry.network, all_layers) if args.time else None
    if args.json:
        print_json({
            "name": entry.name,
            "image_px": size,
            **dataclasses.asdict(costs),
            **_json_fields(entry),
            **layer_fields(all_layers, times),
        })  # fmt: skip
        return 0
    _print_facts(_facts(entry, costs, size))
    if args.layers or args.time:
        print_line()
        print_layers(all_layers, times)
    return 0


def _json_fields(entry: Entry) -> dict[str, object]:
    return {
        "network": dataclasses.asdict(entry.network),
        "card": dataclasses.asdict(entry.card) if entry.card else None,
        "weights": _published_fields(entry.weights) if entry.weights else None,
    }


def _facts(entry: Entry, costs: "Cost", size: int | tuple[int, int]) -> dict[str, str]:
    from shufflenet.report import describe_card, describe_network, describe_weights

    detector = entry.card.detector if entry.card else None
    facts = {"name": entry.name, **describe_network(entry.network, costs, size, detector)}
    if entry.card:
        facts |= describe_card(entry.card)
    if entry.weights:
        facts |= describe_weights(entry.weights)
    return facts


# Keys of `show --json` that are older than the names of their fields.
_KEYS = {"output": "gives", "quantized": "quantised", "onnxruntime_reads": "runs"}


def _published_fields(weights: "Weights") -> dict[str, object]:
    """Return the fields of a published file; unknown ones are None, as in ``list``."""
    fields = {_KEYS.get(name, name): value for name, value in dataclasses.asdict(weights).items()}
    unknown = ("url", "page", "mirror", "sha256", "md5", "bytes", "defects")
    return fields | {name: fields[name] or None for name in unknown}


def _print_facts(facts: dict[str, str]) -> None:
    """Print each fact on a line; long ones continue below, and long words are not broken."""
    indent = max(map(len, facts)) + 2
    for name, text in facts.items():
        for line in textwrap.wrap(
            printable(text),
            _WIDTH,
            initial_indent=name.ljust(indent),
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        ):
            print_line(line)
