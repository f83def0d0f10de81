"""``shufflenet convert``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from shufflenet.cli._options import Commands, add_command
from shufflenet.cli._output import add_json, print_json, print_line, print_note

if TYPE_CHECKING:
    from shufflenet.convert import Converted
    from shufflenet.zoo import Weights

__all__ = ["add_convert"]

_SOURCES = ("auto", "torchvision", "mmpretrain", "paddle", "megvii", "onnx")
_SUFFIXES = (".pth", ".tar", ".pkl", ".pt", ".pdparams", ".onnx", ".safetensors")
_LAYOUTS = ("torchvision", "mmpretrain", "paddle", "paddlevision", "megvii")


def add_convert(commands: Commands) -> None:
    """Add ``shufflenet convert``."""
    parser = add_command(
        commands,
        _convert,
        "convert",
        "convert another project's file to a checkpoint, or a checkpoint to another project's file",
        "  shufflenet convert shufflenetv2_x1-5666bf0f80.pth --to v2.safetensors\n"
        "  shufflenet convert ShuffleNetV2_swish_pretrained.pdparams --to swish.safetensors\n"
        "  shufflenet convert photos.pth --labels classes.txt --to photos.safetensors\n"
        "  shufflenet convert shufflenetv2_x1_fbgemm-1e62bb32.pth --to int8.onnx\n"
        "  shufflenet convert runs/photos/best.safetensors --layout torchvision --to photos.pth\n",
    )
    parser.add_argument(
        "file",
        metavar="FOREIGN",
        help="a .pth, .pth.tar, .pkl, .pdparams, .onnx or .safetensors file of another project, "
        "or the name of a published checkpoint; with --layout, a checkpoint's name or a "
        ".safetensors file of this package",
    )
    parser.add_argument(
        "--to",
        required=True,
        type=Path,
        metavar="FILE",
        help="where to write: a .safetensors file; an int8 .onnx file, of torchvision's quantized "
        "weights; or with --layout a file of that project",
    )
    parser.add_argument(
        "--layout",
        choices=_LAYOUTS,
        help="write a file that this project's code loads; paddle is PaddleClas, paddlevision is "
        "paddle.vision (default: write a checkpoint of this package)",
    )
    _add_reading(parser)
    add_json(parser)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("reading a file of another project")
    group.add_argument(
        "--source",
        choices=_SOURCES,
        default="auto",
        help="the project that wrote the file (default: auto, recognized by its tensors' names)",
    )
    group.add_argument(
        "--network",
        metavar="NAME",
        help="a network of `shufflenet list --networks`; needed only where names and shapes fit "
        "several, such as PaddleClas's swish (default: recognized)",
    )
    group.add_argument(
        "--key",
        metavar="KEY",
        help="which weights to take of a file that holds several, by the key they are under, such "
        "as model or state_dict_ema (default: averaged ones, if there are)",
    )
    group.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="the classes in order, one per line: an identifier, or an identifier, tab, display "
        "name; or JSON, a list or an object with the classes' numbers (default: the 1000 "
        "classes of ImageNet)",
    )


def _convert(args: argparse.Namespace) -> int:
    if refusal := _wrong_usage(args):
        print_note(refusal)
        return 2
    if args.layout:
        return _write_layout(args)
    return _write_int8(args) if args.to.suffix.lower() == ".onnx" else _write_checkpoint(args)


def _wrong_usage(args: argparse.Namespace) -> str:
    """Return what is wrong with the options; empty if nothing is."""
    if args.to.absolute() == Path(args.file).absolute():
        return f"--to {str(args.to)!r} is the file that is read. Name another file to write."
    if args.layout and (args.network or args.labels or args.key or args.source != "auto"):
        return (
            "--source, --network, --key and --labels are of no use with --layout. Leave them out."
        )
    if not args.layout and args.to.suffix.lower() not in (".safetensors", ".onnx"):
        return (
            f"--to {str(args.to)!r} must end in .safetensors, or in .onnx for quantized weights of "
            "torchvision's."
        )
    if not args.layout and args.to.suffix.lower() == ".onnx" and (args.network or args.key):
        return "--network and --key are of no use for quantized weights. Leave them out."
    return ""


def _write_checkpoint(args: argparse.Namespace) -> int:
    from shufflenet.files import write_checkpoint

    converted = _read(args)
    write_checkpoint(args.to, converted.checkpoint)
    card = converted.checkpoint.card
    for remark in converted.remarks:
        print_note(remark)
    if args.json:
        print_json(
            {
                "path": str(args.to),
                "max_abs_difference": converted.max_abs_difference,
                "layout": converted.layout,
                "name": card.name,
                "network": card.network.name,
                "classes": card.network.classes,
                "remarks": converted.remarks,
            }
        )
    else:
        print_line(f"{args.to}: {card.network.name} with {card.network.classes} classes")
    return 0


def _write_int8(args: argparse.Namespace) -> int:
    from shufflenet.convert import convert_quantized
    from shufflenet.hub import published_file
    from shufflenet.labels import read_labels

    published = _published(args.file)
    source = published_file(published) if published else args.file
    labels = read_labels(args.labels) if args.labels else None
    done = convert_quantized(source, args.to, labels=labels, weights=published)
    for remark in done.remarks:
        print_note(remark)
    network = done.card.network
    if args.json:
        print_json(
            {
                "path": done.path,
                "bytes": done.bytes,
                "layout": "torchvision, quantized",
                "name": done.card.name,
                "network": network.name,
                "classes": network.classes,
                "remarks": done.remarks,
            }
        )
    else:
        print_line(f"{args.to}: {network.name} in int8 with {network.classes} classes")
    return 0


def _read(args: argparse.Namespace) -> "Converted":
    from shufflenet.convert import convert_checkpoint
    from shufflenet.hub import convert_published
    from shufflenet.labels import read_labels

    if published := _published(args.file):
        return convert_published(published)
    labels = read_labels(args.labels) if args.labels else None
    return convert_checkpoint(
        args.file, source=args.source, network=args.network, labels=labels, key=args.key
    )


def _published(name: str) -> "Weights | None":
    """Return the published weights of that name; None if it names a file.

    Raises:
        AlreadyConverted: it is the name of the model in the package.
    """
    from shufflenet.errors import AlreadyConverted
    from shufflenet.zoo import find_weights

    file = Path(name)
    if file.exists() or file.suffix.lower() in _SUFFIXES:  # an existing file may have any name
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
        print_line(f"{written.path}: {written.network}, for the code of {args.layout}")
    return 0
