"""``shufflenet quantize``."""

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._options import Commands, add_command, not_negative, positive
from shufflenet.cli._output import add_json, print_json, print_table, progress, say

if TYPE_CHECKING:
    from shufflenet.quantize import Quantized
    from shufflenet.spec import Accuracy

__all__ = ["add_quantize"]


def add_quantize(commands: Commands) -> None:
    """Add ``shufflenet quantize``."""
    parser = add_command(
        commands,
        _quantize,
        "quantize",
        "put a model in int8, calibrated on your images and judged on others of them",
        "  shufflenet quantize default --data train/ --to int8.onnx\n"
        "  shufflenet quantize photos.onnx --data photos/ --to int8.onnx --max-drop 0.3 --layers\n",
    )
    parser.add_argument(
        "model", metavar="NAME|FILE", help="a checkpoint's name, a .onnx or a .safetensors file"
    )
    parser.add_argument(
        "--data",
        required=True,
        help="real images: a folder, .tar or .tar.gz with a folder a class; some are calibrated "
        "on, others are judged by",
    )
    parser.add_argument(
        "--to", required=True, type=Path, metavar="FILE.onnx", help="where to write"
    )
    parser.add_argument(
        "--max-drop",
        type=_percent,
        default=1.0,
        metavar="PERCENT",
        help="how many of the right answers in float may be lost; layers are kept in float until "
        "no more are, or the command fails (default: 1)",
    )
    parser.add_argument(
        "--images",
        type=positive,
        metavar="N",
        help="images to calibrate on (default: 2000, or as many as hold 12 million pixels)",
    )
    parser.add_argument(
        "--range",
        choices=["portable", "full"],
        default="portable",
        help="portable: weights for which every processor computes the same; full: all of -127 "
        "to 127, for processors with VNNI, AMX or ARM's only (default: portable)",
    )
    parser.add_argument(
        "--pixels",
        action="store_true",
        help="write a file that takes bytes, (n, 3, height, width) in RGB, and normalises inside",
    )
    parser.add_argument(
        "--layers", action="store_true", help="report what each layer loses when it alone is int8"
    )
    parser.add_argument(
        "--seed", type=not_negative, default=0, metavar="N", help="draws the images (default: 0)"
    )
    add_json(parser)


def _percent(text: str) -> float:
    """Read a share of 0 to 100.

    Raises:
        ArgumentTypeError: it is something else.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage from 0 to 100")
    return value


def _quantize(args: argparse.Namespace) -> int:
    if args.to.suffix != ".onnx":
        say(f"--to {str(args.to)!r} must end in .onnx, the one format there is.")
        return 2
    from shufflenet.data import open_images
    from shufflenet.hub import ONNX, resolve
    from shufflenet.quantize import QuantizeOptions, quantize_onnx

    images = open_images(args.data)
    options = QuantizeOptions(
        max_drop_percent=args.max_drop,
        calibration_images=args.images,
        weight_range=args.range,
        pixels=args.pixels,
        report_layers=args.layers,
        seed=args.seed,
    )
    with tempfile.TemporaryDirectory(prefix="shufflenet-") as folder:
        source = resolve(args.model, (ONNX,), folder=Path(folder))
        with progress(None, "images") as bar:
            done = quantize_onnx(source, images, args.to, options, on_progress=bar.update)
    if args.json:
        print_json(_fields(done))
    else:
        _tell(done, layers=args.layers)
    return 0


def _fields(done: "Quantized") -> dict[str, object]:
    facts = dataclasses.asdict(done.facts)
    counts = {"float": facts.pop("float_accuracy"), "int8": facts.pop("int8_accuracy")}
    rest = {k: v for k, v in dataclasses.asdict(done).items() if k not in ("path", "facts")}
    return {"path": done.path, **counts, **facts, **rest}


def _tell(done: "Quantized", *, layers: bool) -> None:
    facts = done.facts
    if layers:
        print_table(
            [
                {"layer": x.layer, "kind": x.kind, "signal to noise, dB": f"{x.signal_to_noise_db}"}
                for x in done.layers
            ]
        )
    right = "answered as in float" if facts.judged_by == "float" else "right"
    print(f"{done.path}: {done.bytes:,} bytes; float has {done.float_bytes:,}")
    for name, counts in (("float", facts.float_accuracy), ("int8", facts.int8_accuracy)):
        print(f"{name:5}  top-1 {_share(counts)} {right}")
    print(
        f"{done.agreement} answers are the same; {facts.calibrator} ranges of "
        f"{facts.calibration_images} images; kept in float: "
        f"{', '.join(facts.kept_in_float) or 'nothing'}"
    )


def _share(counts: "Accuracy") -> str:
    return f"{counts.top1_percent:.2f} %  {counts.top1} of {counts.images}"
