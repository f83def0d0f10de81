"""``shufflenet predict``."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._answers import TOP, Answer, Asked, answers_of
from shufflenet.cli._images import add_images, batch_size, list_images
from shufflenet.cli._options import (
    Commands,
    add_command,
    add_model,
    number_up_to,
    open_chosen,
    positive,
)
from shufflenet.cli._output import add_json, print_json, print_line, print_note, progress
from shufflenet.labels import printable

if TYPE_CHECKING:
    from shufflenet.errors import ImageError

__all__ = ["add_predict"]


def add_predict(commands: Commands) -> None:
    """Add ``shufflenet predict``."""
    parser = add_command(
        commands,
        _predict,
        "predict",
        "print the most probable classes of each image, or the boxes that a detector finds",
        "  shufflenet predict cat.jpg --top 3\n"
        "  shufflenet predict photos/ 'more/**/*.png' --csv > predictions.csv\n"
        "  shufflenet predict photos/ --model runs/photos/best.safetensors --json\n"
        "  shufflenet predict photos/ --model runs/cells/best.onnx --draw drawn/\n"
        "  shufflenet predict - < cat.jpg\n",
    )
    add_images(parser)
    parser.add_argument(
        "--top",
        type=positive,
        metavar="K",
        help=f"classes per image, the most probable (default: {TOP}); of a multi-label model each "
        "has a probability of its own, to be there at all, and they do not sum to 1; of a detector "
        "the boxes per image with the highest scores (default: 100)",
    )
    parser.add_argument(
        "--min-score",
        type=number_up_to(1, "a score"),
        metavar="SCORE",
        help="of a detector, the least score of a box, 0 to 1 (default: 0.3)",
    )
    parser.add_argument(
        "--draw",
        type=Path,
        metavar="FOLDER",
        help="of a detector, where to write each image with its boxes, IMAGE.jpg; other files "
        "there stay (default: nothing is drawn)",
    )
    add_model(parser)
    formats = parser.add_mutually_exclusive_group()
    add_json(formats)
    formats.add_argument(
        "--csv", action="store_true", help="print CSV, one row per class or per box"
    )


def _predict(args: argparse.Namespace) -> int:
    from shufflenet.errors import ImageError

    drawn = _drawings(args.draw)
    paths = [path for path in list_images(args.images) if not drawn(path)]
    model = open_chosen(args, images=len(paths))
    asked = Asked(args.top, args.min_score, args.draw)
    answers = answers_of(model.card)
    show = _print_as_json if args.json else _csv_writer(answers.columns) if args.csv else _print
    started, failed = time.perf_counter(), 0
    output_shows_progress = show is _print and sys.stdout.isatty()
    with progress(len(paths), "images", hidden=output_shows_progress) as bar:
        results = answers.answer(model, paths, asked, batch_size(len(paths)))
        for path, result in zip(paths, results, strict=True):
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


def _drawings(folder: Path | None) -> "Callable[[Path], bool]":
    """Return whether a file is a picture that an earlier call drew into the folder."""
    if folder is None:
        return lambda path: False
    from shufflenet.draw import is_drawing
    from shufflenet.files import check_place

    check_place(folder / "picture")
    place = os.path.abspath(folder)
    return lambda path: os.path.abspath(path.parent) == place and is_drawing(path)


def _print_as_json(path: str, result: "Answer | ImageError") -> None:
    if isinstance(result, Answer):
        print_json({"path": path, **result.fields})
    else:
        print_json({"path": path, "error": str(result)})


def _csv_writer(columns: tuple[str, ...]) -> "Callable[[str, Answer | ImageError], None]":
    """Return a function that prints an image's rows: names as they are, but not on a terminal."""
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("path", *columns))
    is_terminal = sys.stdout.isatty()

    def write(path: str, result: "Answer | ImageError") -> None:
        if isinstance(result, Answer):
            for row in result.rows:
                cells = (path, *row)
                writer.writerow([printable(str(each)) for each in cells] if is_terminal else cells)

    return write


def _print(path: str, result: "Answer | ImageError") -> None:
    if isinstance(result, Answer):
        print_line(path)
        for line in result.lines:
            print_line(f"  {line}")
