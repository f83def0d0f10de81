"""``shufflenet evaluate``."""

import argparse
import dataclasses

from shufflenet.cli._options import Commands, add_command, add_model, open_chosen, positive
from shufflenet.cli._output import add_json, print_accuracy, print_json, print_note, progress

__all__ = ["add_evaluate"]


def add_evaluate(commands: Commands) -> None:
    """Add ``shufflenet evaluate``."""
    parser = add_command(
        commands,
        _evaluate,
        "evaluate",
        "measure the accuracy of a model on labeled images",
        "  shufflenet evaluate --data val/\n"
        "  shufflenet evaluate --data val.tar.gz --model runs/photos/best.safetensors --json\n",
    )
    parser.add_argument(
        "--data",
        required=True,
        help="labeled images that the model was not trained on: a folder with one folder per "
        "class, or any other form that `shufflenet train --data` takes; the folders must have the "
        "identifiers or names of the model's classes",
    )
    parser.add_argument(
        "--batch", type=positive, default=50, metavar="N", help="images per batch (default: 50)"
    )
    add_model(parser)
    add_json(parser)


def _evaluate(args: argparse.Namespace) -> int:
    from shufflenet.data import label_as, open_images
    from shufflenet.evaluate import evaluate

    images = open_images(args.data, "val")
    model = open_chosen(args, images=len(images))
    images = label_as(images, model.card.labels, partial=True)
    for sentence in images.findings.sentences(images.source):
        print_note(sentence)
    with progress(len(images), "images") as bar:
        accuracy = evaluate(model, images, batch=args.batch, on_progress=bar.update)
    if args.json:
        percent = {"top1_percent": accuracy.top1_percent, "top5_percent": accuracy.top5_percent}
        print_json({**dataclasses.asdict(accuracy), **percent, "model": model.card.name})
    else:
        print_accuracy(accuracy, model.card.network.classes)
    return 0
