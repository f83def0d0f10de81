"""Options that several commands share."""

import argparse
import difflib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn, TypeAlias, get_args

from shufflenet.spec import RUNTIMES, Arithmetic
from shufflenet.zoo import DEFAULT

if TYPE_CHECKING:
    from shufflenet.runtimes import Model

__all__ = [
    "Commands",
    "add_command",
    "add_model",
    "not_negative",
    "open_chosen",
    "positive",
    "refuse_unknown",
]

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Run: TypeAlias = Callable[[argparse.Namespace], int]

# Images for which a runtime is looked for that is faster than ONNX Runtime: such a one takes a
# second or two longer to start, and saves about a millisecond an image.
_MANY = 500


def positive(text: str) -> int:
    """Read a whole number of at least 1.

    Raises:
        ArgumentTypeError: it is something else.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def not_negative(text: str) -> int:
    """Read a whole number of at least 0.

    Raises:
        ArgumentTypeError: it is something else.
    """
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def add_command(
    commands: Commands, run: Run, name: str, text: str, examples: str
) -> argparse.ArgumentParser:
    """Add a command whose help ends with examples that work."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, parser=parser)
    return parser


def refuse_unknown(parser: argparse.ArgumentParser, unknown: Sequence[str]) -> NoReturn:
    """Leave with code 2 for arguments that a command does not take; suggest the nearest option."""
    known = [option for action in parser._actions for option in action.option_strings]
    near = difflib.get_close_matches(unknown[0].partition("=")[0], known, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a classifier and what computes it."""
    parser.add_argument(
        "--model",
        default=DEFAULT,
        metavar="NAME|FILE",
        help="a name of `shufflenet list`, a .onnx or a .safetensors file (default: the model "
        "that ships in the package)",
    )
    parser.add_argument(
        "--runtime",
        default="auto",
        choices=["auto", *RUNTIMES],
        help="what computes (default: ONNX Runtime, and for many images the fastest of it, "
        "OpenVINO and LLVM that is installed and agrees with it; torch for a .safetensors file)",
    )
    parser.add_argument(
        "--precision",
        default="float32",
        choices=list(get_args(Arithmetic)),
        help="of products and sums; bfloat16 is OpenVINO's, where the processor has it (default: "
        "float32)",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="threads that compute an image, or with LLVM as many images at once (default: all "
        "cores for one image, one for many)",
    )


def open_chosen(args: argparse.Namespace, *, images: int) -> "Model":
    """Open the classifier that the options name; of many images each is computed by one thread."""
    from shufflenet import open_model

    threads = args.threads or (1 if images > 1 else None)
    runtime, is_onnx = args.runtime, not args.model.endswith(".safetensors")
    if runtime == "auto" and images < _MANY and is_onnx and args.precision == "float32":
        runtime = "onnxruntime"
    return open_model(args.model, runtime=runtime, threads=threads, precision=args.precision)
