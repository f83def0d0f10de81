"""``shufflenet report``."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._measured import open_measured, with_boxes
from shufflenet.cli._options import Commands, add_command, positive
from shufflenet.cli._output import add_json, print_json, print_line, print_note, progress
from shufflenet.cli._report_boxes import report_boxes
from shufflenet.cli._trained import count_trained
from shufflenet.spec import RUNTIMES
from shufflenet.zoo import DEFAULT, run_checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shufflenet.analyze import Answers, Duplicate
    from shufflenet.data import ImageSet
    from shufflenet.data.boxes import BoxSet
    from shufflenet.report.page import Heat, Subject
    from shufflenet.runtimes import Answering

__all__ = ["add_report"]

_MODEL = (
    "a checkpoint's name from `shufflenet list`, the folder of a training run, or a model's file"
)


def add_report(commands: Commands) -> None:
    """Add ``shufflenet report``."""
    parser = add_command(
        commands,
        _report,
        "report",
        "show which images and classes a model gets wrong, or which boxes, as a page",
        "  shufflenet report --data val/ --to report\n"
        "  shufflenet report --data runs/photos --to report\n"
        "  shufflenet report --data val/ --model runs/new --compare runs/old --to report\n"
        "  shufflenet report --data cells/ --model runs/cells/best.onnx --to report\n",
    )
    parser.add_argument(
        "--data",
        required=True,
        help="labeled images that the model was not trained on, as `shufflenet evaluate --data` "
        "takes them. The folder of a training run stands for the images that the run held out, for "
        "its model unless --model is given, and its curves are shown",
    )
    parser.add_argument(
        "--to",
        required=True,
        type=Path,
        metavar="FOLDER",
        help="where index.html, errors.csv and classes.csv are written; an earlier report there is "
        "replaced, other files are not",
    )
    parser.add_argument(
        "--model",
        default=DEFAULT,
        metavar="NAME|FILE",
        help=f"{_MODEL} (default: the model that ships in the package)",
    )
    parser.add_argument(
        "--compare",
        metavar="NAME|FILE",
        help="a second model, to compare with the first on the same images; not of detectors "
        "(default: none)",
    )
    parser.add_argument(
        "--train",
        metavar="DATA",
        help="the images that the model was trained on, to find those that are in --data, too; "
        "not for detectors (default: none)",
    )
    parser.add_argument(
        "--batch",
        type=positive,
        default=50,
        metavar="N",
        help="images per batch (default: 50; for a detector 8)",
    )
    add_json(parser)


def _report(args: argparse.Namespace) -> int:
    from shufflenet.data.boxes import BoxSet
    from shufflenet.report.page import check_report_folder, write_report

    check_report_folder(args.to)
    # Both are kept until the page is written: the photos of a compressed archive go with its set.
    images, training = _open_data(args)
    if isinstance(images, BoxSet):
        report_boxes(args, images)
        return 0
    network = _open(args.model)
    if network.card.detector:
        report_boxes(args, with_boxes(args.data, images))
        return 0
    subject = _subject(args, network, images, training)
    page = write_report(args.to, subject)
    answers = subject.answers
    count, correct = len(answers) + len(answers.unread), int(answers.correct.sum())
    if args.json:
        counts = {"images": count, "top1": correct, "top5": int((answers.rank <= 5).sum())}
        others = {"unreadable": len(answers.unread), "model": answers.card.name}
        print_json({"path": str(page), **counts, **others, **_compared(subject)})
    else:
        for line in _comparison_lines(subject):
            print_line(line)
        print_line(f"{correct} of {count} images are answered correctly: open {page}")
    return 0


def _compared(subject: "Subject") -> dict[str, object]:
    """Return how a second model answers, for programs; nothing where there is none."""
    from shufflenet.analyze import compare

    if subject.other is None:
        return {}
    found = compare(subject.answers, subject.other)
    counts = {"images": found.images, "both": found.both, "neither": found.neither}
    alone = {"first_only": found.first_only, "second_only": found.second_only}
    model = subject.other.card.name
    return {"compared": {"model": model, **counts, **alone, "p_value": found.p_value}}


def _comparison_lines(subject: "Subject") -> list[str]:
    """Return how many images each of two models answers correctly; none where there is one."""
    from shufflenet.analyze import compare

    if subject.other is None:
        return []
    found = compare(subject.answers, subject.other)
    return [
        f"Of the {found.images} images that both answered, {found.both + found.first_only} are "
        f"correct by the first model and {found.both + found.second_only} by the second "
        f"(McNemar's exact test, p {found.p_value:.3g})."
    ]


def _open_data(args: argparse.Namespace) -> tuple["ImageSet | BoxSet", "ImageSet | None"]:
    """Open the images to measure on, and those trained on; a run stands for its model too."""
    from shufflenet.data import open_images
    from shufflenet.data.boxes import BoxSet
    from shufflenet.runs import is_run

    if is_run(args.data) and "model" not in args.given:
        args.model = args.data
    images = open_measured(args.data)
    if isinstance(images, BoxSet) or not args.train:
        return images, None
    return images, open_images(args.train, "train")


def _subject(
    args: argparse.Namespace,
    network: "Answering",
    images: "ImageSet",
    training: "ImageSet | None",
) -> "Subject":
    """Compute what the page is about."""
    from shufflenet.analyze import suspects
    from shufflenet.report.metrics import read_metrics
    from shufflenet.report.page import Subject
    from shufflenet.runs import is_run

    answers, notes = _answers(args, args.model, network, images)
    other: Answers | None = None
    if args.compare:
        other, others = _answers(
            args, args.compare, _open(args.compare), images, notes, "The second model: "
        )
        notes += others
    within, leaked = _duplicates(network, answers, training, args.batch)
    return Subject(
        answers=answers,
        heat=_heat(args.model),
        suspects=suspects(answers, len(answers)),
        duplicates=within,
        leaked=leaked,
        other=other,
        epochs=read_metrics(Path(args.data)) if is_run(args.data) else (),
        notes=notes,
    )


def _answers(
    args: argparse.Namespace,
    model: str,
    network: "Answering",
    images: "ImageSet",
    told: tuple[str, ...] = (),
    who: str = "",
) -> tuple["Answers", tuple[str, ...]]:
    """Return a model's answers to images, and sentences about those that it was not asked about.

    Of a second model, sentences that were ``told`` of the first are left out, and ``who`` stands
    before the others.
    """
    from shufflenet.analyze import answer
    from shufflenet.data import label_as

    labeled = label_as(images, network.card.labels, partial=True)
    sentences = labeled.findings.sentences(labeled.source)
    notes = tuple(f"{who}{each}" for each in sentences if each not in told)
    for sentence in notes:
        print_note(sentence)
    with progress(len(labeled), "images") as bar:
        answers = answer(network, labeled, batch=args.batch, on_progress=bar.update)
    _, warning = count_trained(model, args.data, labeled, network.card)
    if warning:
        print_note(who + warning)
        notes += (who + warning,)
    return answers, notes


def _duplicates(
    network: "Answering", answers: "Answers", training: "ImageSet | None", batch: int
) -> tuple["Sequence[Duplicate] | str", "Sequence[Duplicate] | str"]:
    """Return the photos that are there twice, and those that are in the training data too."""
    from shufflenet.analyze import duplicates, duplicates_between
    from shufflenet.data import label_as

    within = duplicates(answers)
    if within is None:
        return (
            "The model's file tells no embeddings, so nothing is known of photos that are there "
            "twice. An .onnx file of it tells them.",
            "",
        )
    if training is None:
        return within, "No photos were looked for in the training data: name them with --train."
    labeled = label_as(training, network.card.labels, partial=True)
    with progress(len(labeled), "training images") as bar:
        leaked = duplicates_between(answers, network, labeled, batch=batch, on_progress=bar.update)
    return within, leaked or ()


def _open(model: str) -> "Answering":
    """Open a model: one whose embeddings can be had, with them."""
    from shufflenet import open_model
    from shufflenet.hub import CHECKPOINT, ONNX, resolve
    from shufflenet.runtimes import answering, open_answering

    if _is_compiled(model):
        return answering(open_model(model, threads=1))
    path = resolve(model, (ONNX, CHECKPOINT))
    if path.suffix.lower() == CHECKPOINT:
        os.getcwd()  # the MKL inside torch ends the process where the current folder was removed
    return open_answering(path, threads=1)  # every core computes a batch of its own


def _is_compiled(model: str) -> bool:
    """Return whether a model is a file of which no runtime tells embeddings."""
    from shufflenet.hub import CHECKPOINT, ONNX

    others = {end for each in RUNTIMES.values() for end in each.suffixes} - {ONNX, CHECKPOINT}
    return Path(model).suffix.lower() in others and not run_checkpoint(model)


def _heat(model: str) -> "Heat | str":
    """Return what draws heat maps of a model, or a sentence why there are none."""
    from shufflenet.errors import ShuffleNetError
    from shufflenet.explain import open_explainer
    from shufflenet.hub import CHECKPOINT, ONNX, resolve
    from shufflenet.report.page import heat_of

    if _is_compiled(model):
        ending = Path(model).suffix.lower()
        return f"There are no heat maps, for a file in {ending} does not tell its feature maps."
    try:
        return heat_of(open_explainer(resolve(model, (ONNX, CHECKPOINT)), threads=1))
    except ShuffleNetError as error:  # it was opened before, so all of these are about heat maps
        return f"There are no heat maps. {error}"
