"""``shufflenet evaluate`` of a detector."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._measured import with_boxes
from shufflenet.cli._output import (
    print_accuracy,
    print_json,
    print_line,
    print_note,
    print_table,
    progress,
)
from shufflenet.cli._trained import count_trained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shufflenet.data import ImageSet
    from shufflenet.data.boxes import BoxSet
    from shufflenet.evaluate import ClassOfFound, FoundBoxes
    from shufflenet.runtimes import Model
    from shufflenet.spec import DetectionAccuracy

__all__ = ["evaluate_boxes"]

_SHOWN = 20  # classes that people are shown, those found least well


def evaluate_boxes(args: argparse.Namespace, model: "Model", images: "BoxSet | ImageSet") -> None:
    """Measure a detector, print what was found, and write the tables that are asked for.

    Raises:
        HoldsNoBoxes: the images have classes, not boxes.
        HeldOutWithoutBoxes: they are those of a run.
        FindsNoBoxes: the model is a classifier.
        DataError: the classes of the boxes are not the model's.
        WriteError: a table cannot be written.
    """
    from shufflenet.evaluate import check_measures, find_boxes, fit_boxes, judge_boxes
    from shufflenet.runtimes import check_detector

    check_detector(model.card)
    check_measures()
    images = fit_boxes(with_boxes(args.data, images), model.card)
    for sentence in images.findings.sentences(images.source):
        print_note(sentence)
    with progress(len(images), "images") as bar:
        answers = find_boxes(model, images, batch=args.batch, on_progress=bar.update)
    measures = judge_boxes(answers.found, images)
    trained_on, warning = count_trained(args.model, args.data, images, model.card)
    if warning:
        print_note(warning)
    _write_tables(args, answers, images)
    if not args.json:
        print_accuracy(measures.accuracy, len(images.classes))
        _print_sizes(measures.accuracy)
        _print_classes(measures.classes)
        return
    others = {
        "classes": [_class_fields(each) for each in measures.classes],
        "unreadable": len(answers.unread) + images.findings.unreadable.count,
        "left_out": sum(images.findings.other_classes.values()),
        "trained_on": trained_on,
        "model": model.card.name,
    }
    print_json({**dataclasses.asdict(measures.accuracy), **others})


def _class_fields(of_class: "ClassOfFound") -> dict[str, object]:
    fields = dataclasses.asdict(of_class)
    return {name: fields[name] for name in ("index", "label", "boxes", "ap", "ap50")}


def _print_sizes(accuracy: "DetectionAccuracy") -> None:
    for name, value in (
        ("mAP75", accuracy.map75),
        ("small", accuracy.map_small),
        ("medium", accuracy.map_medium),
        ("large", accuracy.map_large),
    ):
        print_line(f"{name:6} {'no such box' if value is None else f'{value:.3f}'}")


def _print_classes(classes: "Sequence[ClassOfFound]") -> None:
    """Print the classes that are found least well, of those that have a box to find."""
    measured = [(each.ap, each) for each in classes if each.ap is not None]
    worst = sorted(measured, key=lambda pair: (pair[0], pair[1].index))
    rows = [
        {
            "class": each.label,
            "AP": f"{ap:.3f}",
            "AP50": f"{each.ap50:.3f}",
            "boxes": str(each.boxes),
        }
        for ap, each in worst[:_SHOWN]
    ]
    if rows:
        print_line()
        print_table(rows)
    if len(worst) > _SHOWN:
        print_line(f"and {len(worst) - _SHOWN} classes with more; --json has all of them")


def _write_tables(args: argparse.Namespace, answers: "FoundBoxes", images: "BoxSet") -> None:
    from shufflenet.boxes import Search
    from shufflenet.evaluate import BOX_COLUMNS, box_row, match_boxes
    from shufflenet.files import csv_content, write_atomic

    if not (args.errors or args.details):
        return
    matches = match_boxes(answers.found, images, min_score=Search().min_score)
    for file, shown in ((args.details, "found missed wrong"), (args.errors, "missed wrong")):
        if file:
            rows = [box_row(each, images, answers.unread) for each in matches if each.kind in shown]
            write_atomic(Path(file), csv_content(BOX_COLUMNS, rows))
