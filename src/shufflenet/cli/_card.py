"""``shufflenet card``."""

import argparse
from pathlib import Path

from shufflenet.cli._look_up import look_up
from shufflenet.cli._options import Commands, add_command
from shufflenet.cli._output import add_json, print_json, print_line, print_note

__all__ = ["add_card"]


def add_card(commands: Commands) -> None:
    """Add ``shufflenet card``."""
    parser = add_command(
        commands,
        _card,
        "card",
        "write a model card for the Hugging Face Hub, of what a model's file says of itself",
        "  shufflenet card runs/photos --to README.md\n"
        "  shufflenet card model.onnx --to upload/README.md\n"
        "  shufflenet card shufflenet_v2_x1_0.torchvision_in1k --to README.md\n",
    )
    parser.add_argument(
        "name",
        metavar="NAME|FILE",
        help="a checkpoint's name from `shufflenet list`, a file of a model, or the folder of a "
        "training run",
    )
    parser.add_argument(
        "--to",
        required=True,
        type=Path,
        metavar="FILE",
        help="where to write the card; a file that this command did not write is kept",
    )
    add_json(parser)


def _card(args: argparse.Namespace) -> int:
    from shufflenet.errors import NoWeights
    from shufflenet.report.model_card import CardedModel, front_matter, not_stated, write_model_card
    from shufflenet.zoo import WEIGHTS, published_card

    entry = look_up(args.name)
    card = published_card(entry.weights) if entry.weights else entry.card
    if card is None:
        of_it = [name for name, each in WEIGHTS.items() if each.network == args.name]
        raise NoWeights(args.name, of_it)
    model = CardedModel(card, entry.file or args.name, entry.weights)
    write_model_card(model, args.to)
    missing = not_stated(card)
    if args.json:
        licence = front_matter(model).get("license")
        print_json(
            {"path": str(args.to), "name": card.name, "license": licence, "not_stated": missing}
        )
        return 0
    print_line(str(args.to))
    if missing:
        print_note(f"The model's file does not state its {', '.join(missing)}; add what you know.")
    return 0
