"""``shufflenet evaluate``."""

import argparse
import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._evaluate_boxes import evaluate_boxes
from shufflenet.cli._evaluate_label_sets import evaluate_label_sets
from shufflenet.cli._evaluate_tables import (
    DETAIL_COLUMNS,
    MISTAKE_COLUMNS,
    detail_row,
    mistake_row,
)
from shufflenet.cli._measured import open_measured
from shufflenet.cli._options import Commands, add_command, add_model, open_chosen, positive
from shufflenet.cli._output import add_json, print_accuracy, print_json, print_note, progress
from shufflenet.cli._trained import count_trained

if TYPE_CHECKING:
    from collections.abc import Callable

    from shufflenet.data import ImageSet
    from shufflenet.data.boxes import BoxSet
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
        "measure the accuracy of a model on labeled images, or of a detector on images with boxes",
        "  shufflenet evaluate --data val/\n"
        "  shufflenet evaluate --data val.tar.gz --model runs/photos/best.safetensors --json\n"
        "  shufflenet evaluate --data runs/photos --errors wrong.csv\n"
        "  shufflenet evaluate --data val/ --details all.csv\n"
        "  shufflenet evaluate --data cells/ --model runs/cells/best.onnx --json\n",
    )
    parser.add_argument(
        "--data",
        required=True,
        help="labeled images that the model was not trained on: a folder with one folder per "
        "class, or any other form that `shufflenet train --data` takes; the folders must have the "
        "identifiers or names of the model's classes, and images of other classes are left out; "
        "for a multi-label model, a CSV of path and labels separated by |; for a detector, images "
        "with boxes as `shufflenet boxes` takes them. "
        "The folder of a training run stands for the "
        "images that the run held out, and for its model unless --model is given",
    )
    parser.add_argument(
        "--batch",
        type=positive,
        default=50,
        metavar="N",
        help="images per batch (default: 50)",
    )
    parser.add_argument(
        "--errors",
        type=Path,
        metavar="FILE.csv",
        help="also write the images that are answered wrongly, with their label, the predicted "
        "class and its probability; of a detector, the boxes that are missed and those that are "
        "wrong, as --details has them (default: not written)",
    )
    parser.add_argument(
        "--details",
        type=Path,
        metavar="FILE.csv",
        help="also write a row for every image: its label, the predicted class and its "
        "probability, the rank and the probability of its own class, its size in pixels and its "
        "brightness from 0 to 255; of a detector, a row for every box: found, missed or wrong, at "
        "an IoU of 0.5 and a score of at least 0.3 (default: not written)",
    )
    add_model(parser)
    add_json(parser)


def _evaluate(args: argparse.Namespace) -> int:
    from shufflenet.data import check_one_label, label_as, multi_label
    from shufflenet.data.boxes import BoxSet

    if args.errors and args.details and args.errors.absolute() == args.details.absolute():
        print_note("--errors and --details must name two files.")
        return 2
    _check_tables(args)
    images, unlabeled = _open(args)
    model = open_chosen(args, images=len(images))
    if isinstance(images, BoxSet) or model.card.detector:
        evaluate_boxes(args, model, images)
        return 0
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
    if not (args.errors or args.details):
        return
    from shufflenet.evaluate import BOX_COLUMNS
    from shufflenet.files import check_replaceable, is_csv_of

    for option, columns in (("errors", MISTAKE_COLUMNS), ("details", DETAIL_COLUMNS)):
        if file := getattr(args, option):
            ours = is_csv_of(columns), is_csv_of(BOX_COLUMNS)
            check_replaceable(file, partial(_any_of, ours), f"--{option}")


def _any_of(ours: "tuple[Callable[[bytes], bool], ...]", begin: bytes) -> bool:
    """Return whether the begin of a file is that of one of our tables."""
    return any(is_ours(begin) for is_ours in ours)


def _open(args: argparse.Namespace) -> "tuple[ImageSet | BoxSet, UnlabeledImage | None]":
    """Open images with labels or boxes; the folder of a run stands for its model, too.

    Returns:
        The images, and the error for a model that answers with one class: only a multi-label set
        may hold images of which some have no label.

    Raises:
        HeldOutWithoutBoxes: the run is one of a detector, on an archive.
        DataError: the images cannot be read.
    """
    from shufflenet.data import open_images
    from shufflenet.errors import UnlabeledImage
    from shufflenet.runs import is_run

    data: str = args.data
    if is_run(data) and "model" not in args.given:
        args.model = data
    try:
        return open_measured(data), None
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
