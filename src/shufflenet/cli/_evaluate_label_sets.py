"""``shufflenet evaluate`` of a multi-label model."""

import argparse
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shufflenet.cli._evaluate_tables import MISTAKE_COLUMNS
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
    from shufflenet.data import ImageSet
    from shufflenet.evaluate import ClassPrecision, LabelMistake
    from shufflenet.runtimes import Model
    from shufflenet.spec import Card

__all__ = ["evaluate_label_sets"]

_SHOWN = 20  # classes that people are shown, those with the least precision


def evaluate_label_sets(args: argparse.Namespace, model: "Model", images: "ImageSet") -> None:
    """Measure a multi-label model, print what was found, and write the table of ``--errors``.

    Raises:
        SpecError: ``--details`` is given.
        WriteError: the table cannot be written.
    """
    from shufflenet.errors import SpecError
    from shufflenet.evaluate import (
        compute_logits,
        measure_label_sets,
        precision_of_classes,
        right_classes,
    )
    from shufflenet.files import csv_content, write_atomic

    if args.details:
        expected = "left out for a multi-label model; --errors writes its wrong answers"
        raise SpecError("details", str(args.details), expected)
    mistakes: list[LabelMistake] = []
    with progress(len(images), "images") as bar:
        logits = compute_logits(
            model, images, batch=args.batch, on_progress=bar.update, on_mistake=mistakes.append
        )
    if args.errors:
        rows = [_mistake_row(mistake, model.card) for mistake in mistakes]
        write_atomic(args.errors, csv_content(MISTAKE_COLUMNS, rows))
    right = right_classes(images)
    accuracy = measure_label_sets(logits, right)
    per_class = precision_of_classes(logits, right, model.card)
    trained_on, warning = count_trained(args.model, args.data, images, model.card)
    if warning:
        print_note(warning)
    if not args.json:
        print_accuracy(accuracy, len(model.card.labels))
        _print_classes(per_class)
        return
    others = {
        "f1": accuracy.f1,
        "unreadable": sum(mistake.error is not None for mistake in mistakes),
        "left_out": images.findings.unlabeled,
        "labels_left_out": sum(images.findings.unknown_labels.values()),
        "trained_on": trained_on,
        "model": model.card.name,
        "per_class": [dataclasses.asdict(each) for each in per_class],
    }
    print_json({**dataclasses.asdict(accuracy), **others})


def _print_classes(per_class: "Sequence[ClassPrecision]") -> None:
    """Print the classes that are found least well, of those that are right for an image at all."""
    measured = [(each.average_precision, each) for each in per_class if each.average_precision]
    worst = sorted(measured, key=lambda pair: (pair[0], pair[1].index))
    rows = [
        {
            "class": each.label,
            "average precision, %": f"{100 * precision:.2f}",
            "images": str(each.right),
        }
        for precision, each in worst[:_SHOWN]
    ]
    if rows:
        print_line()
        print_table(rows)
    if len(worst) > _SHOWN:
        print_line(f"and {len(worst) - _SHOWN} classes with more; --json has all of them")


def _mistake_row(mistake: "LabelMistake", card: "Card") -> tuple[object, ...]:
    """Return the row of an image whose answers are not its labels: each cell separated by bars."""
    from shufflenet.runtimes import top_k

    answers = () if mistake.logits is None else top_k(mistake.logits, card, len(card.labels))
    given = [answer for answer in answers if answer.probability >= 0.5]
    return (
        mistake.sample.place,
        "|".join(card.labels[label].name for label in mistake.sample.labels),
        "|".join(answer.label for answer in given),
        "|".join(f"{answer.probability:.6f}" for answer in given),
        mistake.error.problem if mistake.error else "",
    )
