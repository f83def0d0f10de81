"""``shufflenet list`` and ``shufflenet show``."""

import argparse
import dataclasses
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from shufflenet.cli._layers import add_layers, layer_fields, print_layers, timed
from shufflenet.cli._options import Commands, add_command, positive
from shufflenet.cli._output import add_json, print_json, print_table, say
from shufflenet.spec import Card, NetworkSpec

if TYPE_CHECKING:
    from shufflenet.report import Row
    from shufflenet.zoo import Weights

__all__ = ["add_list", "add_show"]

_WIDTH = 100  # of the lines of `show`


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
        help="only what has these words, in any order, or fits this pattern of * and ?, in its "
        "name, its source or the name of the published file; of several patterns, all",
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--networks", action="store_true", help="no checkpoints")
    only.add_argument("--checkpoints", action="store_true", help="no networks")
    add_json(parser)


def _list(args: argparse.Namespace) -> int:
    rows = _rows(args)
    if args.json:
        print_json([dataclasses.asdict(row) for row in rows])
    else:
        _print_groups(rows)
    if not rows:
        say(
            f"Nothing is called {' '.join(args.patterns)!r}; `shufflenet list` shows what there is."
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
        if not (args.networks if row.source else args.checkpoints)  # each leaves the other out
        and all(matches(row, pattern) for pattern in args.patterns)
    ]


def _print_groups(rows: "Sequence[Row]") -> None:
    """Print a table a source, each under its name."""
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for number, (source, group) in enumerate(groupby(rows, key=lambda row: row.source)):
        table = list(_cells(list(group)))
        title = f"checkpoints of {source}" if source else "networks"
        print(f"{'' if number == 0 else chr(10)}{title} ({len(table)})")
        if room is not None and _width(table) > room:
            table = [{name: row[name] for name in row if name != "file"} for row in table]
        print_table(table)
    if any(row.defects for row in rows):
        print("\n! something is wrong or uncertain: `shufflenet show NAME` tells what.")


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


def _width(table: Sequence[dict[str, str]]) -> int:
    columns = [max(len(name), *(len(row[name]) for row in table)) for name in table[0]]
    return sum(columns) + 2 * (len(columns) - 1)


def add_show(commands: Commands) -> None:
    """Add ``shufflenet show``."""
    parser = add_command(
        commands,
        _show,
        "show",
        "show what a network or a model is, and what it costs",
        "  shufflenet show default\n"
        "  shufflenet show shufflenet_v2_x0_5 --size 160 --layers\n"
        "  shufflenet show default --time\n"
        "  shufflenet show shufflenet_v2_x1_0.torchvision_in1k\n",
    )
    parser.add_argument(
        "name", metavar="NAME|FILE", help="a name of `shufflenet list`, or a model file"
    )
    parser.add_argument(
        "--size",
        type=positive,
        metavar="PX",
        help="side of the images that costs are counted for (default: the model's own, or 224)",
    )
    add_layers(parser)
    add_json(parser)


class _Found(NamedTuple):
    """What a name stands for: a network, and what there is besides."""

    name: str
    network: NetworkSpec
    card: Card | None = None
    weights: "Weights | None" = None


def _show(args: argparse.Namespace) -> int:
    from shufflenet.benchmark import cost
    from shufflenet.layers import layers

    found = _look_up(args.name)
    known = found.card or found.weights
    size = args.size or (known.preprocess.crop_px if known else 224)
    costs = cost(found.network, size, size)
    all_layers = list(layers(found.network, size, size))
    times = timed(args.name, found.network, all_layers) if args.time else None
    if args.json:
        print_json({
            "name": found.name,
            "image_px": size,
            **dataclasses.asdict(costs),
            "network": dataclasses.asdict(found.network),
            "card": dataclasses.asdict(found.card) if found.card else None,
            "weights": _known(found.weights) if found.weights else None,
            **layer_fields(all_layers, times),
        })  # fmt: skip
        return 0
    from shufflenet.report import describe_card, describe_network, describe_weights

    facts = {"name": found.name, **describe_network(found.network, costs, size)}
    if found.card:
        facts |= describe_card(found.card)
    if found.weights:
        facts |= describe_weights(found.weights)
    _print_facts(facts)
    if args.layers or args.time:
        print()
        print_layers(all_layers, times)
    return 0


def _known(weights: "Weights") -> dict[str, object]:
    """Give the fields of a published file; None is what is not known of it, as in ``list``."""
    fields = dataclasses.asdict(weights)
    unknown = ("url", "page", "mirror", "sha256", "md5", "bytes", "defects")
    return fields | {name: fields[name] or None for name in unknown}


def _print_facts(facts: dict[str, str]) -> None:
    """Print a fact a line; long ones go on below themselves, and nothing long is broken."""
    indent = max(map(len, facts)) + 2
    for name, text in facts.items():
        print(
            textwrap.fill(
                text,
                _WIDTH,
                initial_indent=name.ljust(indent),
                subsequent_indent=" " * indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )


def _look_up(name: str) -> _Found:
    """Find a network or a published file by its name, or a model and its card by name or file."""
    from shufflenet.files import read_card
    from shufflenet.zoo import NETWORKS, WEIGHTS, find_weights

    if name in NETWORKS:
        return _Found(name, NETWORKS[name])
    if name in WEIGHTS:
        return _Found(name, NETWORKS[WEIGHTS[name].network], weights=WEIGHTS[name])
    files = find_weights(name)
    if files.checkpoint is not None:
        card = read_card(files.checkpoint)
    else:
        from shufflenet.runtimes import OnnxClassifier

        card = OnnxClassifier(files.onnx or name).card
    return _Found(card.name, card.network, card)
