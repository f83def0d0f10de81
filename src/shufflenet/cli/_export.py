"""``shufflenet export``."""

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._options import Commands, add_command, image_size, positive
from shufflenet.cli._output import add_json, print_json, print_line, print_note
from shufflenet.errors import MissingDependency
from shufflenet.spec import FORMATS

if TYPE_CHECKING:
    from shufflenet.export import Exported, ExportOptions

__all__ = ["add_export"]


def add_export(commands: Commands) -> None:
    """Add ``shufflenet export``."""
    forms = list(FORMATS.values())
    parser = add_command(
        commands,
        _export,
        "export",
        "write a model in a device's format, and check that the file computes the same",
        "  shufflenet export default --to model.onnx\n"
        "  shufflenet export runs/photos/best.safetensors --to photos.onnx\n"
        + "".join(
            f"  shufflenet export default --to {form.name}/model{form.suffix}\n"
            for form in forms[1:]
        ),
    )
    parser.add_argument(
        "model",
        metavar="NAME|FILE",
        help="a checkpoint's name from `shufflenet list`, a .safetensors file, the folder of a "
        "training run, or an .onnx file that export or quantize wrote",
    )
    endings = "; ".join(f"{form.suffix}: {form.title}" for form in forms)
    parser.add_argument(
        "--to",
        required=True,
        type=Path,
        metavar="FILE",
        help=f"where to write; the suffix chooses the format ({endings})",
    )
    _add_options(parser)
    add_json(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--shuffle",
        choices=["free", "keep"],
        default="free",
        help="free: reorder stored channels so that no shuffle remains, which is faster; keep: "
        "export the shuffle as in the paper (default: free)",
    )
    precisions = dict.fromkeys(each for form in FORMATS.values() for each in form.tolerances)
    rounded = [form.suffix for form in FORMATS.values() if next(iter(form.tolerances)) == "float16"]
    parser.add_argument(
        "--precision",
        choices=list(precisions),
        help="the numbers in which the file computes; int8 needs a file that quantize wrote "
        f"(default: the model's own; of float networks float16 in {', '.join(rounded)})",
    )
    parser.add_argument(
        "--opset",
        type=int,
        metavar="N",
        help="version of the ONNX operator set (default: 18, or that of an .onnx file)",
    )
    _add_sizes(parser)
    parser.add_argument(
        "--nms",
        action="store_true",
        help="of a detector: add an output of the boxes that remain of overlapping ones "
        "(default: all boxes, among which predict chooses)",
    )
    parser.add_argument(
        "--photos",
        nargs="+",
        type=Path,
        default=[],
        metavar="PHOTO",
        help="photos on which file and network are compared too, beside drawn images (default: "
        "none)",
    )


def _add_sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--image-px",
        type=image_size,
        metavar="H[,W]",
        help="height and width of the images that the file takes (default: any where the format "
        "can, else the model's own)",
    )
    parser.add_argument(
        "--batch",
        type=positive,
        metavar="N",
        help="number of images of each call (default: any where the format can, else 1)",
    )


def _export(args: argparse.Namespace) -> int:
    forms = {form.suffix: form for form in FORMATS.values()}
    suffix = args.to.suffix.lower()
    if suffix not in forms:
        print_note(f"--to {str(args.to)!r} must end in {' or '.join(forms)}.")
        return 2
    form = forms[suffix]
    foreign = {"opset", "batch", "image_px"} & args.given - set(form.options)
    if foreign:
        print_note(f"{form.title} files have no --{min(foreign).replace('_', '-')}; leave it out.")
        return 2
    if args.precision and args.precision not in form.tolerances:
        offered = " or ".join(form.tolerances)
        print_note(f"{form.title} files have no --precision {args.precision}; choose {offered}.")
        return 2
    if find_spec(form.package) is None:  # so that the first error names the extra that has all
        raise MissingDependency(f"Writing {form.title} files", form.package, form.extra)
    from shufflenet.export import ExportOptions

    options = ExportOptions(
        shuffle=args.shuffle,
        opset=args.opset,
        precision=args.precision,
        batch=args.batch,
        image_px=args.image_px,
        photos=tuple(args.photos),
        nms=args.nms,
    )
    exported = _write(args.model, args.to, options)
    if args.json:
        print_json(exported)
    else:
        _print(exported)
    return 0


def _write(model: str, to: Path, options: "ExportOptions") -> "Exported":
    from shufflenet.export import export_file, export_onnx_file
    from shufflenet.hub import ONNX, find_source

    source = find_source(model, keep_shuffle=options.shuffle == "keep")
    if source.suffix.lower() == ONNX:
        return export_onnx_file(source, to, options)
    from shufflenet.models import load_model_and_card

    print_note("Exporting takes torch some seconds ...")
    return export_file(*load_model_and_card(source), to, options)


def _print(exported: "Exported") -> None:
    most = f"at most {exported.max_abs_difference:.1e}"
    if exported.task == "detection":
        differs = f"scores, and boxes in shares of the image, differ from the network's by {most}"
    else:
        largest = f"the largest logit is {exported.max_abs_logit:.1f}"
        differs = f"logits differ from the network's by {most}, {largest}"
    print_line(f"{exported.path}: {exported.bytes:,} bytes; {differs}")
    beside = [each for each in exported.files if each != exported.path]
    if beside:
        print_line(f"It needs beside it: {', '.join(beside)}")
