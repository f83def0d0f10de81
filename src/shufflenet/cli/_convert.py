"""``shufflenet convert``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._options import Commands, add_command
from shufflenet.cli._output import add_json, print_json, say

if TYPE_CHECKING:
    from shufflenet.zoo import Weights

__all__ = ["add_convert"]

_SOURCES = ("auto", "torchvision", "mmpretrain", "paddle", "megvii", "onnx")
_SUFFIXES = (".pth", ".tar", ".pkl", ".pt", ".pdparams", ".onnx", ".safetensors")  # of files
_LAYOUTS = ("torchvision", "mmpretrain", "paddle", "paddlevision", "megvii")


def add_convert(commands: Commands) -> None:
    """Add ``shufflenet convert``."""
    parser = add_command(
        commands,
        _convert,
        "convert",
        "make a checkpoint of another project's file, or a file for another project",
        "  shufflenet convert shufflenetv2_x1-5666bf0f80.pth --to v2.safetensors\n"
        "  shufflenet convert ShuffleNetV2_swish_pretrained.pdparams --to swish.safetensors\n"
        "  shufflenet convert photos.pth --labels classes.txt --to photos.safetensors\n"
        "  shufflenet convert runs/photos/best.safetensors --layout torchvision --to photos.pth\n",
    )
    parser.add_argument(
        "file",
        metavar="FOREIGN",
        help="a .pth, .pth.tar, .pkl, .pdparams, .onnx or .safetensors file, or a published "
        "checkpoint's name; with --layout a name or a .safetensors file of ours",
    )
    parser.add_argument("--to", required=True, type=Path, metavar="FILE", help="where to write")
    parser.add_argument(
        "--source",
        choices=_SOURCES,
        default="auto",
        help="whose file it must be (default: told by the names in it)",
    )
    parser.add_argument(
        "--network",
        metavar="NAME",
        help="the network, where names and shapes leave it open (PaddleClas's swish)",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="the classes in order, a line each: identifier, or identifier, tab, name "
        "(default: ImageNet's thousand)",
    )
    parser.add_argument(
        "--layout",
        choices=_LAYOUTS,
        help="write a file that this project loads, instead of reading one (paddle: PaddleClas; "
        "paddlevision: paddle.vision)",
    )
    add_json(parser)


def _convert(args: argparse.Namespace) -> int:
    if args.to.absolute() == Path(args.file).absolute():
        say(f"--to {str(args.to)!r} is the file that is read.")
        return 2
    if args.layout:
        if args.network or args.labels or args.source != "auto":
            say("--source, --network and --labels are of no use with --layout.")
            return 2
        return _write_layout(args)
    if args.to.suffix != ".safetensors":
        say(f"--to {str(args.to)!r} must end in .safetensors.")
        return 2
    from shufflenet.convert import convert_checkpoint
    from shufflenet.files import write_checkpoint
    from shufflenet.hub import convert_published
    from shufflenet.labels import read_labels

    published = _published(args.file)
    made = (
        convert_published(published)
        if published
        else convert_checkpoint(
            args.file,
            source=args.source,
            network=args.network,
            labels=read_labels(args.labels) if args.labels else None,
        )
    )
    write_checkpoint(args.to, made.checkpoint)
    card = made.checkpoint.card
    for remark in made.remarks:
        say(remark)
    if args.json:
        print_json(
            {
                "path": str(args.to),
                "max_abs_difference": made.max_abs_difference,
                "layout": made.layout,
                "name": card.name,
                "network": card.network.name,
                "classes": card.network.classes,
                "remarks": made.remarks,
            }
        )
    else:
        print(f"{args.to}: {card.network.name} with {card.network.classes} classes")
    return 0


def _published(name: str) -> "Weights | None":
    """Find what is published by that name; none where it is a file's.

    Raises:
        AlreadyConverted: it is the name of the model in the package.
    """
    from shufflenet.errors import AlreadyConverted
    from shufflenet.zoo import find_weights

    file = Path(name)
    if file.exists() or file.suffix in _SUFFIXES:  # whatever a file that is there is called
        return None
    weights = find_weights(name).published
    if weights is None:
        raise AlreadyConverted(name)
    return weights


def _write_layout(args: argparse.Namespace) -> int:
    from shufflenet.convert import write_layout
    from shufflenet.files import read_checkpoint
    from shufflenet.hub import CHECKPOINT, resolve

    checkpoint = read_checkpoint(resolve(args.file, (CHECKPOINT,)))
    written = write_layout(checkpoint, args.to, args.layout)
    if args.json:
        print_json(written)
    else:
        print(f"{written.path}: {written.network}, as {args.layout} loads it")
    return 0
