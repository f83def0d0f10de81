"""``shufflenet export``."""

import argparse
from pathlib import Path

from shufflenet.cli._options import Commands, add_command
from shufflenet.cli._output import add_json, print_json, print_line, print_note
from shufflenet.spec import FORMATS

__all__ = ["add_export"]


def add_export(commands: Commands) -> None:
    """Add ``shufflenet export``."""
    parser = add_command(
        commands,
        _export,
        "export",
        "write a model as ONNX without its shuffle, and check that the file computes the same",
        "  shufflenet export default --to model.onnx\n"
        "  shufflenet export runs/photos/best.safetensors --to photos.onnx\n",
    )
    parser.add_argument(
        "model",
        metavar="NAME|FILE",
        help="a checkpoint's name from `shufflenet list`, a .safetensors file, or the folder of a "
        "training run",
    )
    endings = "|".join(f"FILE{form.suffix}" for form in FORMATS.values())
    parser.add_argument("--to", required=True, type=Path, metavar=endings, help="where to write")
    parser.add_argument(
        "--shuffle",
        choices=["free", "keep"],
        default="free",
        help="free: reorder stored channels so that no shuffle remains, which is faster; keep: "
        "export the shuffle as in the paper (default: free)",
    )
    parser.add_argument(
        "--opset",
        type=int,
        default=18,
        metavar="N",
        help="version of the ONNX operator set (default: 18)",
    )
    add_json(parser)


def _export(args: argparse.Namespace) -> int:
    formats = {form.suffix: form for form in FORMATS.values()}
    if args.to.suffix not in formats:
        print_note(f"--to {str(args.to)!r} must end in {' or '.join(formats)}.")
        return 2
    form = formats[args.to.suffix]
    foreign = {"shuffle", "opset"} & args.given - set(form.options)
    if foreign:
        print_note(f"{form.title} files have no --{min(foreign)}; leave it out.")
        return 2
    from shufflenet.export import ExportOptions, export_file
    from shufflenet.models import load_model_and_card

    print_note("Exporting takes torch some seconds ...")
    net, card = load_model_and_card(args.model)
    options = ExportOptions(shuffle=args.shuffle, opset=args.opset)
    exported = export_file(net, card, args.to, options)
    if args.json:
        print_json(exported)
    else:
        print_line(
            f"{exported.path}: {exported.bytes:,} bytes; logits differ from the network's by at "
            f"most {exported.max_abs_difference:.1e}, the largest logit is "
            f"{exported.max_abs_logit:.1f}"
        )
    return 0
