"""``shufflenet evaluate``."""

import argparse
import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._images import model_file
from shufflenet.cli._options import Commands, add_command, add_model, open_chosen, positive
from shufflenet.cli._output import add_json, print_accuracy, print_json, print_note, progress

if TYPE_CHECKING:
    from shufflenet.data import ImageSet
    from shufflenet.evaluate import Mistake
    from shufflenet.spec import Card

__all__ = ["add_evaluate"]

_COLUMNS = ("path", "label", "predicted", "probability", "error")


def add_evaluate(commands: Commands) -> None:
    """Add ``shufflenet evaluate``."""
    parser = add_command(
        commands,
        _evaluate,
        "evaluate",
        "measure the accuracy of a model on labeled images",
        "  shufflenet evaluate --data val/\n"
        "  shufflenet evaluate --data val.tar.gz --model runs/photos/best.safetensors --json\n"
        "  shufflenet evaluate --data runs/photos --errors wrong.csv\n",
    )
    parser.add_argument(
        "--data",
        required=True,
        help="labeled images that the model was not trained on: a folder with one folder per "
        "class, or any other form that `shufflenet train --data` takes; the folders must have the "
        "identifiers or names of the model's classes, and images of other classes are left out. "
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
    add_model(parser)
    add_json(parser)


def _evaluate(args: argparse.Namespace) -> int:
    from shufflenet.data import label_as, open_images
    from shufflenet.evaluate import evaluate
    from shufflenet.runs import held_out, is_run

    if args.errors:
        _check_replaceable(args.errors)
    if is_run(args.data):
        images = held_out(args.data)
        if "model" not in args.given:
            args.model = args.data
    else:
        images = open_images(args.data, "val")
    model = open_chosen(args, images=len(images))
    images = label_as(images, model.card.labels, partial=True)
    for sentence in images.findings.sentences(images.source):
        print_note(sentence)
    mistakes: list[Mistake] = []
    with progress(len(images), "images") as bar:
        accuracy = evaluate(
            model, images, batch=args.batch, on_progress=bar.update, on_mistake=mistakes.append
        )
    trained_on = _count_trained_on(args, images, model.card)
    if args.errors:
        _write_mistakes(args.errors, mistakes, model.card)
    if args.json:
        percent = {"top1_percent": accuracy.top1_percent, "top5_percent": accuracy.top5_percent}
        unreadable = sum(mistake.error is not None for mistake in mistakes)
        left_out = sum(images.findings.unknown_classes.values()) + images.findings.unlabeled
        others = {"unreadable": unreadable, "left_out": left_out, "trained_on": trained_on}
        counts = {**dataclasses.asdict(accuracy), **percent, **others}
        print_json({**counts, "model": model.card.name})
    else:
        print_accuracy(accuracy, model.card.network.classes)
    return 0


def _count_trained_on(args: argparse.Namespace, images: "ImageSet", card: "Card") -> int:
    """Return how many images the model was trained on, as far as its run tells, and warn of it.

    Outside of its run's folder, a file knows no more than what its training data were called.
    """
    from shufflenet.runs import count_trained_on, is_run, lists_images
    from shufflenet.spec import RUNTIMES

    path = Path(args.model)
    opened = {suffix for runtime in RUNTIMES.values() for suffix in runtime.suffixes}
    file = path if path.suffix.lower() in opened and path.exists() else model_file(args.model)
    if file is None:
        return 0
    count = count_trained_on(file, images)
    same_name = card.origin.data.startswith(f"{Path(images.source).absolute().name}: ")
    if count:
        print_note(
            f"The model was trained on {count} of these {len(images)} images, so this accuracy is "
            f"too high. Measure it on others, as on those its run held out: --data {file.parent}."
        )
    elif same_name and not is_run(args.data) and not lists_images(file.parent):
        print_note(
            f"The model was trained on {card.origin.data}. If these are the same, this accuracy is "
            "too high: measure it on others, or on those its run held out, --data RUN."
        )
    return count


def _check_replaceable(to: Path) -> None:
    """Check that nothing is replaced but what an earlier call wrote: not the labels, not a photo.

    Raises:
        WriteError: there is another file.
    """
    from shufflenet.errors import WriteError
    from shufflenet.outside import open_regular

    try:
        with open_regular(to) as file:
            start = file.readline(1 << 10)
    except FileNotFoundError:
        return
    except OSError as error:
        raise WriteError(to, error.strerror or str(error)) from error
    if start.strip() not in (b"", ",".join(_COLUMNS).encode()):
        raise WriteError(to, "there is a file that --errors did not write")


def _write_mistakes(to: Path, mistakes: "Sequence[Mistake]", card: "Card") -> None:
    """Write a row for each image that is answered wrongly.

    Raises:
        WriteError: the disk is full or the place cannot be written.
    """
    from shufflenet.files import write_atomic

    content = io.StringIO(newline="")
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for mistake in mistakes:
        sample, answer = mistake.sample, mistake.predicted
        writer.writerow((
            sample.path if sample.size == -1 else sample.name,  # in an archive, its name there
            card.labels[sample.label].name,
            answer.label if answer else "",
            f"{answer.probability:.6f}" if answer else "",
            mistake.error.problem if mistake.error else "",
        ))  # fmt: skip
    write_atomic(to, content.getvalue().encode("utf-8", "surrogateescape"))
