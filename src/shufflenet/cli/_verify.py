"""``shufflenet verify``."""

import argparse
from pathlib import Path

from shufflenet.cli._options import Commands, add_command
from shufflenet.cli._output import add_json, print_json, print_line
from shufflenet.spec import RUNTIMES

__all__ = ["add_verify"]


def add_verify(commands: Commands) -> None:
    """Add ``shufflenet verify``."""
    parser = add_command(
        commands,
        _verify,
        "verify",
        "compute an exported or compiled file, and compare with the logits that it holds",
        "  shufflenet verify default\n"
        "  shufflenet verify model.onnx\n"
        "  shufflenet verify model.onnx --runtime llvm\n"
        "  shufflenet verify model.tflite\n"
        "  shufflenet verify model.so\n",
    )
    parser.add_argument(
        "model",
        metavar="NAME|FILE",
        help="a file that export, quantize or compile wrote, or a model's name",
    )
    parser.add_argument(
        "--runtime",
        default="auto",
        choices=["auto", *RUNTIMES],
        help="the program that computes it (default: auto, the first that opens such files)",
    )
    add_json(parser)


def _verify(args: argparse.Namespace) -> int:
    from shufflenet.hub import resolve
    from shufflenet.runtimes import find_runtimes, verify_file

    path = Path(args.model)
    if not path.is_file():
        suffixes = [each for runtime in find_runtimes(args.runtime) for each in runtime.suffixes]
        path = resolve(args.model, suffixes)
    found = verify_file(path, args.runtime)
    if args.json:
        print_json(found)
    else:
        says = "agrees" if found.agrees else "does not agree: write it again"
        print_line(
            f"{found.path}, by {RUNTIMES[found.runtime].title}: {says}; outputs differ by at most "
            f"{found.max_abs_difference:.1e}, up to {found.tolerance:.1e} is rounding"
        )
    return 0 if found.agrees else 1
