"""``shufflenet report`` of a detector."""

import argparse
import dataclasses
from typing import TYPE_CHECKING

from shufflenet.cli._output import print_json, print_line, print_note, progress
from shufflenet.cli._trained import count_trained

if TYPE_CHECKING:
    from shufflenet.data.boxes import BoxSet
    from shufflenet.report.page import BoxSubject

__all__ = ["report_boxes"]


def report_boxes(args: argparse.Namespace, images: "BoxSet") -> None:
    """Write the page about a detector, and print where it is.

    Raises:
        SpecError: ``--compare`` or ``--train`` is given.
        FindsNoBoxes: the model is a classifier.
        DataError: its classes are others than those of the data.
        WriteError: the page cannot be written.
    """
    from shufflenet.errors import SpecError
    from shufflenet.report.page import write_report

    for option, what in (("compare", "compared"), ("train", "looked for in training data")):
        if getattr(args, option):
            expected = f"left out for a detector, whose answers cannot be {what}"
            raise SpecError(f"--{option}", getattr(args, option), expected)
    subject = _subject(args, images)
    page = write_report(args.to, subject)
    accuracy = subject.measures.accuracy
    if args.json:
        unreadable = len(subject.unread) + subject.images.findings.unreadable.count
        others = {"unreadable": unreadable, "model": subject.card.name}
        print_json({"path": str(page), **dataclasses.asdict(accuracy), **others})
    else:
        found = f"{subject.count('found')} of {accuracy.boxes} boxes are found"
        print_line(f"mAP50 {accuracy.map50:.3f}, mAP {accuracy.map:.3f}; {found}: open {page}")


def _subject(args: argparse.Namespace, images: "BoxSet") -> "BoxSubject":
    """Compute what the page is about.

    Raises:
        FindsNoBoxes: the model is a classifier.
        DataError: its classes are others than those of the data.
    """
    from shufflenet import open_model
    from shufflenet.boxes import Search
    from shufflenet.evaluate import (
        check_measures,
        find_boxes,
        fit_boxes,
        judge_boxes,
        match_boxes,
    )
    from shufflenet.report.page import BoxSubject
    from shufflenet.runtimes import check_detector

    model = open_model(args.model, threads=1)  # every core computes a batch of its own
    check_detector(model.card)
    check_measures()
    images = fit_boxes(images, model.card)
    notes = images.findings.sentences(images.source)
    batch = args.batch if "batch" in args.given else 8  # a detector's input is large
    with progress(len(images), "images") as bar:
        answers = find_boxes(model, images, batch=batch, on_progress=bar.update)
    _, warning = count_trained(args.model, args.data, images, model.card)
    notes += [warning] if warning else []
    for sentence in notes:
        print_note(sentence)
    least = Search().min_score
    return BoxSubject(
        card=model.card,
        images=images,
        measures=judge_boxes(answers.found, images),
        matches=match_boxes(answers.found, images, min_score=least),
        min_score=least,
        unread=answers.unread,
        notes=tuple(notes),
    )
