"""``shufflenet evaluate``."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._evaluate_label_sets import evaluate_label_sets
from shufflenet.cli._evaluate_tables import (
    DETAIL_COLUMNS,
    MISTAKE_COLUMNS,
    detail_row,
    mistake_row,
)
from shufflenet.cli._options import Commands, add_command, add_model, open_chosen, positive
from shufflenet.cli._output import add_json, print_accuracy, print_json, print_note, progress
from shufflenet.cli._trained import count_trained

if TYPE_CHECKING:
    from shufflenet.data import ImageSet
    from shufflenet.errors import UnlabeledImage
    from shufflenet.evaluate import Detail, Mistake
    from shufflenet.runtimes import Model

__all__ = ["add_evaluate"]


def add_evaluate(commands: Commands) -> None:
    """Add ``shufflenet evaluate``."""
    parser = add_command(
        commands,
        _evaluate,
        "evaluate",
        "measure the accuracy of a model on labeled images",
        "  shufflenet evaluate --data val/\n"
        "  shufflenet evaluate --data val.tar.gz --model runs/photos/best.safetensors --json\n"
        "  shufflenet evaluate --data runs/photos --errors wrong.csv\n"
        "  shufflenet evaluate --data val/ --details all.csv\n",
    )
    parser.add_argument(
        "--data",
        required=True,
        help="labeled images that the model was not trained on: a folder with one folder per "
        "class, or any other form that `shufflenet train --data` takes; the folders must have the "
        "identifiers or names of the model's classes, and images of other classes are left out; "
        "for a multi-label model, a CSV of path and labels separated by |. "
        "The folder of a training run stands for the "
        "images that the run held out, and for its model unless --model is given",
    )
    parser.add_argument(
        "--batch", type=positive, default=50, metavar="N", help="images per batch (default: 50)"
    )
    parser.add_argument(
        "--errors",
        type=Path,
        metavar="FILE.csv",
        help="also write the images that are answered wrongly, with their label, the predicted "
        "class and its probability (default: not written)",
    )
    parser.add_argument(
        "--details",
        type=Path,
        metavar="FILE.csv",
        help="also write a row for every image: its label, the predicted class and its "
        "probability, the rank and the probability of its own class, its size in pixels and its "
        "brightness from 0 to 255 (default: not written)",
    )
    add_model(parser)
    add_json(parser)


def _evaluate(args: argparse.Namespace) -> int:
    from shufflenet.data import check_one_label, label_as, multi_label
    from shufflenet.runs import held_out, is_run

    if args.errors and args.details and args.errors.absolute() == args.details.absolute():
        print_note("--errors and --details must name two files.")
        return 2
    _check_tables(args)
    if is_run(args.data):
        images, unlabeled = held_out(args.data), None
        if "model" not in args.given:
            args.model = args.data
    else:
        images, unlabeled = _open_images(args.data)
    model = open_chosen(args, images=len(images))
    if model.card.task == "multi-label":
        images = multi_label(images)
    elif unlabeled:
        raise unlabeled
    else:
        check_one_label(images, model.card)
    images = label_as(images, model.card.labels, partial=True)
    for sentence in images.findings.sentences(images.source):
        print_note(sentence)
    measure = evaluate_label_sets if model.card.task == "multi-label" else _measure
    measure(args, model, images)
    return 0


def _check_tables(args: argparse.Namespace) -> None:
    """Check that tables replace nothing but earlier ones: not the labels, not a photo.

    Raises:
        WriteError: there is another file, or the place cannot be written.
    """
    from shufflenet.files import check_replaceable, is_csv_of

    if args.errors:
        check_replaceable(args.errors, is_csv_of(MISTAKE_COLUMNS), "--errors")
    if args.details:
        check_replaceable(args.details, is_csv_of(DETAIL_COLUMNS), "--details")


def _open_images(data: str) -> tuple["ImageSet", "UnlabeledImage | None"]:
    """Open images; also those of which some have no label, which only a multi-label set may hold.

    Returns:
        The images, and the error for a model that answers with one class.
    """
    from shufflenet.data import open_images
    from shufflenet.errors import UnlabeledImage

    try:
        return open_images(data, "val"), None
    except UnlabeledImage as error:
        return open_images(data, "val", "multi-label"), error


def _measure(args: argparse.Namespace, model: "Model", images: "ImageSet") -> None:
    """Measure a model that answers with one class, and print what was found."""
    from shufflenet.evaluate import evaluate
    from shufflenet.files import csv_content, write_atomic

    mistakes: list[Mistake] = []
    details: list[tuple[object, ...]] = []

    def on_detail(detail: "Detail") -> None:
        details.append(detail_row(detail, model.card))

    with progress(len(images), "images") as bar:
        accuracy = evaluate(
            model,
            images,
            batch=args.batch,
            on_progress=bar.update,
            on_mistake=mistakes.append,
            on_detail=on_detail if args.details else None,
        )
    trained_on, warning = count_trained(args.model, args.data, images, model.card)
    if warning:
        print_note(warning)
    if args.errors:
        rows = [mistake_row(mistake, model.card) for mistake in mistakes]
        write_atomic(args.errors, csv_content(MISTAKE_COLUMNS, rows))
    if args.details:
        write_atomic(args.details, csv_content(DETAIL_COLUMNS, details))
    if args.json:
        percent = {"top1_percent": accuracy.top1_percent, "top5_percent": accuracy.top5_percent}
        unreadable = sum(mistake.error is not None for mistake in mistakes)
        left_out = sum(images.findings.unknown_classes.values()) + images.findings.unlabeled
        others = {"unreadable": unreadable, "left_out": left_out, "trained_on": trained_on}
        counts = {**dataclasses.asdict(accuracy), **percent, **others}
        print_json({**counts, "model": model.card.name})
    else:
        print_accuracy(accuracy, model.card.network.classes)
