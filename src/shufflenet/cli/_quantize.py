"""``shufflenet quantize``."""

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._images import model_file
from shufflenet.cli._options import Commands, add_command, not_negative, number_up_to, positive
from shufflenet.cli._output import (
    add_json,
    print_json,
    print_line,
    print_note,
    print_table,
    progress,
)
from shufflenet.spec import Accuracy, AnyAccuracy, DetectionAccuracy

if TYPE_CHECKING:
    from shufflenet.data import ImageSet
    from shufflenet.data.boxes import BoxSet
    from shufflenet.quantize import Quantized, QuantizeOptions

__all__ = ["add_quantize"]

_MOST_LOOKED_AT = 1000  # images, whether the model was trained on them


def add_quantize(commands: Commands) -> None:
    """Add ``shufflenet quantize``."""
    parser = add_command(
        commands,
        _quantize,
        "quantize",
        "convert a model to int8, calibrated on some of your images and tested on others",
        "  shufflenet quantize default --data train/ --to int8.onnx\n"
        "  shufflenet quantize photos.onnx --data photos/ --to int8.onnx --max-drop 0.3 --layers\n",
    )
    parser.set_defaults(extra="quantize")
    parser.add_argument(
        "model",
        metavar="NAME|FILE",
        help="a checkpoint's name from `shufflenet list`, a float .onnx or .safetensors file, or "
        "the folder of a training run",
    )
    parser.add_argument(
        "--data",
        required=True,
        help="real images of the kind that the model will see, in any form that `shufflenet train "
        "--data` takes, with boxes for a detector; the model is calibrated on some and tested on "
        "others",
    )
    parser.add_argument(
        "--to", required=True, type=Path, metavar="FILE.onnx", help="where to write"
    )
    _add_calibration(parser)
    parser.add_argument(
        "--pixels",
        action="store_true",
        help="write a file whose input is bytes, (n, channels, height, width), of photos in RGB, "
        "normalized inside the file",
    )
    parser.add_argument(
        "--layers",
        action="store_true",
        help="also print the noise that each layer causes if it alone is int8",
    )
    add_json(parser)


def _add_calibration(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-drop",
        type=number_up_to(100, "a percentage"),
        default=1.0,
        metavar="PERCENT",
        help="how many percent of the float model's correct answers, or of a detector's mean "
        "average precision, may be lost on the test images; at most a tenth of all answers may "
        "change; one or two answers, or 0.005 of a detector's precision, always may, unless this "
        "is 0; layers are kept in float until that holds, or the command fails (default: 1)",
    )
    parser.add_argument(
        "--images",
        type=positive,
        metavar="N",
        help="images to calibrate on (default: 2000, or as many as have 12 million pixels)",
    )
    parser.add_argument(
        "--range",
        choices=["portable", "full"],
        default="portable",
        help="range of int8 weights; portable: small enough for every processor to compute the "
        "same; full: -127 to 127, only for processors with VNNI, AMX or Arm's dot products "
        "(default: portable)",
    )
    parser.add_argument(
        "--seed",
        type=not_negative,
        default=0,
        metavar="N",
        help="seed of the choice of images (default: 0)",
    )


def _quantize(args: argparse.Namespace) -> int:
    if args.to.suffix.lower() != ".onnx":
        print_note(f"--to {str(args.to)!r} must end in .onnx.")
        return 2
    from shufflenet.hub import ONNX, resolve
    from shufflenet.quantize import quantize_onnx

    with tempfile.TemporaryDirectory(prefix="shufflenet-") as folder:
        source = resolve(args.model, (ONNX,), folder=Path(folder))
        images = _open_data(args.data, source)
        for sentence in images.findings.sentences(images.source):
            print_note(sentence)
        with progress(None, "images") as bar:
            options = _options(args)
            done = quantize_onnx(source, images, args.to, options, on_progress=bar.update)
    _note_images_trained_on(args.model, images)
    if args.json:
        print_json(_fields(done))
    else:
        _print_result(done, args)
    return 0


def _open_data(data: str, source: Path) -> "ImageSet | BoxSet":
    """Open images, with boxes if the model of a file finds boxes."""
    from shufflenet.data import open_images
    from shufflenet.data.boxes import open_boxes
    from shufflenet.files import read_onnx_card

    if read_onnx_card(source).task == "detection":
        return open_boxes(data, "train")
    return open_images(data)


def _options(args: argparse.Namespace) -> "QuantizeOptions":
    from shufflenet.quantize import QuantizeOptions

    return QuantizeOptions(
        max_drop_percent=args.max_drop,
        calibration_images=args.images,
        weight_range=args.range,
        pixels=args.pixels,
        report_layers=args.layers,
        seed=args.seed,
    )


def _note_images_trained_on(model: str, images: "ImageSet | BoxSet") -> None:
    """Print that accuracies are those on images trained on, as far as the model's run tells."""
    from shufflenet.runs import count_trained_on

    file = model_file(model)
    step = max(1, len(images) // _MOST_LOOKED_AT)
    some = dataclasses.replace(images, samples=tuple(images.samples[::step]))
    if file and (count := count_trained_on(file, some)):
        print_note(
            f"The model was trained on {count} of {len(some.samples)} of these images: both "
            "accuracies are too high, and only their difference counts."
        )


def _fields(done: "Quantized") -> dict[str, object]:
    facts = dataclasses.asdict(done.facts)
    counts = {"float": facts.pop("float_accuracy"), "int8": facts.pop("int8_accuracy")}
    of_boxes = isinstance(done.facts.int8_accuracy, DetectionAccuracy)
    same = "same_boxes" if of_boxes else "top1"
    agree = {"images": done.facts.int8_accuracy.images, same: done.agreement}
    rest = {k: v for k, v in dataclasses.asdict(done).items() if k not in ("path", "facts")}
    return {"path": done.path, **counts, "agree": agree, **facts, **rest}


def _print_result(done: "Quantized", args: argparse.Namespace) -> None:
    facts = done.facts
    if args.layers:
        print_table(
            [
                {"layer": x.layer, "kind": x.kind, "signal to noise, dB": f"{x.signal_to_noise_db}"}
                for x in done.layers
            ]
        )
    print_line(f"{done.path}: {_megabytes(done.bytes)}; float has {_megabytes(done.float_bytes)}")
    found = isinstance(facts.int8_accuracy, DetectionAccuracy)
    right = "to find" if found else "correct"
    correct = "answered as by float" if facts.judged_by == "float" else right
    for name, counts in (("float", facts.float_accuracy), ("int8", facts.int8_accuracy)):
        print_line(f"{name:5}  {_share(counts)} {correct}")
    images = facts.int8_accuracy.images
    unchanged = f"All {images}" if done.agreement == images else f"{done.agreement} of {images}"
    alike = "test images have the same boxes, of a score of 0.3 or more"
    print_line(f"{unchanged} {alike if found else 'test answers unchanged'}.")
    print_line(f"Calibrated on {facts.calibration_images} images, ranges by {facts.calibrator}.")
    print_line(_float_layers_sentence(done, args.max_drop))
    before = facts.float_accuracy
    if isinstance(before, Accuracy) and (sentence := _few_images_sentence(before, args.max_drop)):
        print_line(sentence)


def _float_layers_sentence(done: "Quantized", max_drop: float) -> str:
    names = done.facts.kept_in_float
    is_larger = done.bytes >= done.float_bytes
    sizes = (
        f"the file is {_megabytes(done.bytes)}, larger than float's {_megabytes(done.float_bytes)}"
    )
    if not names:
        return f"All layers are int8.{f' Still {sizes}.' if is_larger else ''}"
    number = "1 layer" if len(names) == 1 else f"{len(names)} layers"
    remedy = f"give more images or --max-drop {3 * max_drop or 1:g}"
    therefore = f", so {sizes}: {remedy}" if is_larger else ""
    return f"{number} stayed float{therefore}. In float: {', '.join(names)}."


def _few_images_sentence(before: Accuracy, max_drop: float) -> str:
    """Return what few test images cannot show; empty if there are enough."""
    images = f"{before.images} test images" if before.images > 1 else "1 test image"
    if not before.top1:
        return f"Float answers none of the {images} correctly: only changed answers were judged."
    if not 0 < before.top1 * max_drop < 100:
        return ""
    return (
        f"Too few images to judge by: {max_drop:g} % of float's {before.top1} correct answers is "
        "less than one. One or two that differ count as chance; give more images."
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2f} MB"


def _share(counts: AnyAccuracy) -> str:
    if isinstance(counts, Accuracy):
        return f"top-1 {counts.top1_percent:.2f} %  {counts.top1} of {counts.images}"
    if isinstance(counts, DetectionAccuracy):
        return f"mAP {counts.map:.4f}  mAP50 {counts.map50:.4f}  {counts.boxes} boxes"
    return f"mAP {100 * counts.map:.2f} %  {counts.found} of {counts.answers} answers"
