"""``shufflenet export``."""

import argparse
from pathlib import Path

from shufflenet.cli._options import Commands, add_command
from shufflenet.cli._output import add_json, print_json, say
from shufflenet.spec import FORMATS

__all__ = ["add_export"]


def add_export(commands: Commands) -> None:
    """Add ``shufflenet export``."""
    parser = add_command(
        commands,
        _export,
        "export",
        "write a model as ONNX, without its shuffle, and prove the file equal to it",
        "  shufflenet export default --to model.onnx\n"
        "  shufflenet export runs/photos/best.safetensors --to photos.onnx\n",
    )
    parser.add_argument(
        "model", metavar="NAME|FILE", help="a checkpoint's name or .safetensors file"
    )
    endings = "|".join(f"FILE{form.suffix}" for form in FORMATS.values())
    parser.add_argument("--to", required=True, type=Path, metavar=endings, help="where to write")
    parser.add_argument(
        "--shuffle",
        choices=["free", "keep"],
        default="free",
        help="free: channels are stored so that no shuffle is left; keep: as the paper draws it "
        "(default: free)",
    )
    parser.add_argument(
        "--opset",
        type=int,
        default=18,
        metavar="N",
        help="version of ONNX's operators (default: 18)",
    )
    add_json(parser)


def _export(args: argparse.Namespace) -> int:
    suffixes = [form.suffix for form in FORMATS.values()]
    if args.to.suffix not in suffixes:
        say(f"--to {str(args.to)!r} must end in {' or '.join(suffixes)}.")
        return 2
    from shufflenet.export import export_onnx
    from shufflenet.models import load_model_and_card

    say("Exporting; torch takes some seconds for it ...")
    net, card = load_model_and_card(args.model)
    exported = export_onnx(net, card, args.to, shuffle=args.shuffle, opset=args.opset)
    if args.json:
        print_json(exported)
    else:
        print(
            f"{exported.path}: {exported.bytes:,} bytes, logits within "
            f"{exported.max_abs_difference:.1e} of the network's, which reach "
            f"{exported.max_abs_logit:.1f}"
        )
    return 0
