"""``shufflenet list`` and ``shufflenet show``."""

import argparse
import dataclasses

from shufflenet.cli._options import Commands, add_command, positive
from shufflenet.cli._output import add_json, print_json, print_table
from shufflenet.spec import Card, NetworkSpec

__all__ = ["add_list", "add_show"]


def add_list(commands: Commands) -> None:
    """Add ``shufflenet list``."""
    parser = add_command(
        commands,
        _list,
        "list",
        "list every network and every published checkpoint",
        "  shufflenet list\n  shufflenet list --json\n",
    )
    add_json(parser)


def _list(args: argparse.Namespace) -> int:
    from shufflenet.benchmark import cost
    from shufflenet.checkpoint import read_card
    from shufflenet.zoo import DEFAULT, NETWORKS, SHIPPED

    rows: list[dict[str, str | int | float | None]] = [
        {
            "name": spec.name,
            "alias": None,
            "network": spec.name,
            "source": None,
            "parameters": cost(spec).parameters,
            "top1_percent": None,
        }
        for spec in NETWORKS.values()
    ]
    if SHIPPED.checkpoint is not None:
        card = read_card(SHIPPED.checkpoint)
        rows.append(
            {
                "name": SHIPPED.name,
                "alias": DEFAULT,
                "network": card.network.name,
                "source": "shufflenet",
                "parameters": cost(card.network).parameters,
                "top1_percent": round(card.accuracy.top1_percent, 3) if card.accuracy else None,
            }
        )
    if args.json:
        print_json(rows)
    else:
        print_table(
            [
                {key: "-" if value is None else str(value) for key, value in row.items()}
                for row in rows
            ]
        )
    return 0


def add_show(commands: Commands) -> None:
    """Add ``shufflenet show``."""
    parser = add_command(
        commands,
        _show,
        "show",
        "show what a network or a model is, and what it costs",
        "  shufflenet show default\n  shufflenet show shufflenet_v2_x0_5 --size 160\n",
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
    add_json(parser)


def _show(args: argparse.Namespace) -> int:
    from shufflenet.benchmark import cost

    spec, card = _look_up(args.name)
    size = args.size or (card.preprocess.crop_px if card else 224)
    costs = cost(spec, size, size)
    if args.json:
        shown = {"name": card.name if card else spec.name, "image_px": size}
        network = dataclasses.asdict(spec)
        described = dataclasses.asdict(card) if card else None
        print_json({**shown, **dataclasses.asdict(costs), "network": network, "card": described})
        return 0
    stages = ", ".join(f"{stage.repeats} x {stage.channels}" for stage in spec.stages)
    head = getattr(spec, "head_channels", None)
    rows = {
        "name": card.name if card else spec.name,
        "network": spec.name,
        "stem": f"{spec.stem_channels} channels, stride {spec.stem_stride}",
        "stages": f"{stages} channels" + (f"; head {head}" if head else ""),
        "classes": str(spec.classes),
        "parameters": f"{costs.parameters:,}",
        "multiply-adds": f"{costs.multiply_adds:,} at {size} px",
        "memory access": f"{costs.memory_access_bytes:,} bytes at {size} px in float32",
        **(_card_rows(card) if card else {}),
    }
    width = max(map(len, rows))
    for name, text in rows.items():
        print(f"{name.ljust(width)}  {text}")
    return 0


def _look_up(name: str) -> tuple[NetworkSpec, Card | None]:
    """Find a network by its name, or a model and its card by its name or file."""
    from shufflenet.checkpoint import read_card
    from shufflenet.zoo import NETWORKS, find_weights

    if name in NETWORKS:
        return NETWORKS[name], None
    weights = find_weights(name)
    if weights.checkpoint is not None:
        card = read_card(weights.checkpoint)
    else:
        from shufflenet.engine import OnnxClassifier

        card = OnnxClassifier(weights.onnx or name).card
    return card.network, card


def _card_rows(card: Card) -> dict[str, str]:
    how, accuracy, origin = card.preprocess, card.accuracy, card.origin
    rows = {
        "input": f"RGB, shorter side {how.resize_px} px ({how.interpolation}), "
        f"centre {how.crop_px} px, mean {how.mean}, std {how.std}",
        "labels": f"{card.labels[0].name!r} to {card.labels[-1].name!r}",
        "trained on": origin.data,
        **({"started from": origin.started_from} if origin.started_from else {}),
        "recipe": f"{origin.recipe}; {origin.steps:,} steps; {origin.software}",
        "licence": origin.licence or "not stated",
    }
    if accuracy:
        rows["accuracy"] = (
            f"top-1 {accuracy.top1_percent:.2f} % ({accuracy.top1} of {accuracy.images}), "
            f"top-5 {accuracy.top5_percent:.2f} % ({accuracy.top5} of {accuracy.images})"
        )
    return rows
