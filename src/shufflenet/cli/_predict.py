"""``shufflenet predict``."""

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from shufflenet.cli._images import add_images, batch_size, list_images, with_standard_input
from shufflenet.cli._options import Commands, add_command, add_model, open_chosen, positive
from shufflenet.cli._output import add_json, print_json, print_line, print_note, progress
from shufflenet.labels import printable

if TYPE_CHECKING:
    from shufflenet.errors import ImageError
    from shufflenet.runtimes import Prediction

    _Result = tuple[Prediction, ...] | ImageError

__all__ = ["add_predict"]


def add_predict(commands: Commands) -> None:
    """Add ``shufflenet predict``."""
    parser = add_command(
        commands,
        _predict,
        "predict",
        "print the most probable classes of each image",
        "  shufflenet predict cat.jpg --top 3\n"
        "  shufflenet predict photos/ 'more/**/*.png' --csv > predictions.csv\n"
        "  shufflenet predict photos/ --model runs/photos/best.safetensors --json\n"
        "  shufflenet predict - < cat.jpg\n",
    )
    add_images(parser)
    parser.add_argument(
        "--top",
        type=positive,
        default=5,
        metavar="K",
        help="classes per image, the most probable (default: 5); of a multi-label model each has a "
        "probability of its own, to be there at all, and they do not sum to 1",
    )
    add_model(parser)
    formats = parser.add_mutually_exclusive_group()
    add_json(formats)
    formats.add_argument("--csv", action="store_true", help="print CSV, one row per class")


def _predict(args: argparse.Namespace) -> int:
    from shufflenet.errors import ImageError
    from shufflenet.runtimes import classify

    paths = list(list_images(args.images))
    show = _print_as_json if args.json else _csv_writer() if args.csv else _print_for_people
    model = open_chosen(args, images=len(paths))
    started, failed = time.perf_counter(), 0
    output_shows_progress = show is _print_for_people and sys.stdout.isatty()
    with progress(len(paths), "images", hidden=output_shows_progress) as bar:
        batch = batch_size(len(paths))
        answers = classify(model, with_standard_input(paths), k=args.top, batch=batch)
        for path, (_, result) in zip(paths, answers, strict=True):
            if isinstance(result, ImageError):
                result = ImageError(str(path), result.problem)  # standard input has no name
                failed += 1
                print_note(str(result))
            show(str(path), result)
            bar.update()
    if len(paths) > 1:
        seconds = time.perf_counter() - started
        rate = f"{len(paths)} files in {seconds:.2f} s, {len(paths) / seconds:.0f} per second"
        print_note(f"{rate}; {failed} could not be read." if failed else f"{rate}.")
    return 1 if failed else 0


def _print_as_json(path: str, result: "_Result") -> None:
    if isinstance(result, tuple):
        predictions = [dataclasses.asdict(prediction) for prediction in result]
        print_json({"path": path, "predictions": predictions})
    else:
        print_json({"path": path, "error": str(result)})


def _csv_writer() -> "Callable[[str, _Result], None]":
    """Return a function that prints an image's rows: names as they are, but not on a terminal."""
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("path", "rank", "index", "label", "probability"))
    name = printable if sys.stdout.isatty() else _unchanged

    def write(path: str, result: "_Result") -> None:
        if isinstance(result, tuple):
            for rank, prediction in enumerate(result, 1):
                probability = f"{prediction.probability:.6f}"
                label = name(prediction.label)
                writer.writerow((name(path), rank, prediction.index, label, probability))

    return write


def _unchanged(text: str) -> str:
    return text


def _print_for_people(path: str, result: "_Result") -> None:
    if isinstance(result, tuple):
        print_line(path)
        for prediction in result:
            print_line(f"  {prediction.probability:6.1%}  {prediction.label}")
