"""``shufflenet explain``."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._images import add_images, list_images, with_standard_input
from shufflenet.cli._options import Commands, add_command, add_feature_model, positive
from shufflenet.cli._output import add_json, print_json, print_line, print_note, progress

if TYPE_CHECKING:
    from shufflenet.explain import Explained, Explanations

__all__ = ["add_explain"]


def add_explain(commands: Commands) -> None:
    """Add ``shufflenet explain``."""
    parser = add_command(
        commands,
        _explain,
        "explain",
        "draw where in each image the model found a class",
        "  shufflenet explain cat.jpg --to maps/\n"
        "  shufflenet explain cat.jpg --class tabby --class 'Egyptian cat' --to maps/\n"
        "  shufflenet explain photos/ --model runs/photos/best.safetensors --top 3 --to maps/\n",
    )
    add_images(parser)
    parser.add_argument(
        "--to",
        required=True,
        type=Path,
        metavar="FOLDER",
        help="where to write a picture for each image and class, IMAGE.CLASS.jpg; other files "
        "there stay",
    )
    parser.add_argument(
        "--class",
        action="append",
        default=[],
        dest="classes",
        metavar="NAME|ID|INDEX",
        help="a class to look for; may be given several times (default: the most probable one)",
    )
    parser.add_argument(
        "--top",
        type=positive,
        metavar="K",
        help="draw the K most probable classes (default: 1, or none if --class is given)",
    )
    add_feature_model(parser)
    add_json(parser)


def _explain(args: argparse.Namespace) -> int:
    from shufflenet.errors import ImageError
    from shufflenet.explain import is_heat_map
    from shufflenet.files import check_place
    from shufflenet.labels import find_class

    check_place(args.to / "picture")
    model = _open(args.model)
    classes = [find_class(each, model.card.labels) for each in args.classes]
    top = args.top or (0 if classes else 1)
    paths = [
        path
        for path in list_images(args.images)
        if not (os.path.abspath(path.parent) == os.path.abspath(args.to) and is_heat_map(path))
    ]
    failed = 0
    with progress(len(paths), "images") as bar:
        results = model.explain_each(with_standard_input(paths), classes, top=top)
        for path, result in zip(paths, results, strict=True):
            if isinstance(result, ImageError):
                result = ImageError(str(path), result.problem)  # standard input has no name
                failed += 1
                print_note(str(result))
                if args.json:
                    print_json({"path": str(path), "error": str(result)})
            else:
                _write(args, model, str(path), result)
            bar.update()
    return 1 if failed else 0


def _open(name: str) -> "Explanations":
    """Open a model: by its ONNX file where that can be explained, or else by its checkpoint.

    Raises:
        NeedsGradients: an ONNX file is given that cannot be explained.
    """
    from shufflenet.errors import NeedsGradients
    from shufflenet.explain import open_explanations
    from shufflenet.hub import CHECKPOINT, ONNX, resolve

    path = resolve(name, (ONNX, CHECKPOINT))
    try:
        return open_explanations(path)
    except NeedsGradients:
        if Path(name).suffix.lower() == ONNX:
            raise
        return open_explanations(resolve(name, (CHECKPOINT,)))


def _write(args: argparse.Namespace, model: "Explanations", path: str, result: "Explained") -> None:
    """Write the pictures of a photo, and print where they are."""
    from shufflenet.explain import overlay, write_heat_map

    for each in result.explanations:
        prediction = each.prediction
        picture = overlay(result.photo, each.heat, model.card)
        file = write_heat_map(args.to, path, model.card.labels[prediction.index], picture)
        if args.json:
            print_json(
                {
                    "path": path,
                    "class": prediction.label,
                    "index": prediction.index,
                    "probability": prediction.probability,
                    "file": str(file),
                    "evidence": model.evidence,
                }
            )
        else:
            print_line(f"{file}: {prediction.label}, {prediction.probability:.1%}")
