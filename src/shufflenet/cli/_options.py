"""Options that several commands share, and how commands are added."""

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeAlias, get_args

from shufflenet.spec import RUNTIMES, Arithmetic, Runtime
from shufflenet.zoo import DEFAULT, run_checkpoint

if TYPE_CHECKING:
    from shufflenet.runtimes import Model

__all__ = [
    "Commands",
    "add_command",
    "add_feature_model",
    "add_model",
    "file_endings",
    "image_size",
    "not_negative",
    "number_up_to",
    "open_chosen",
    "positive",
    "refuse_unknown",
]

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Run: TypeAlias = Callable[[argparse.Namespace], int]

# From this many images on, `auto` looks for a runtime that is faster than ONNX Runtime: that takes
# a second or two, and saves about a millisecond an image.
_MANY_IMAGES = 500
_LONGEST_NUMBER = 100  # characters; Python reads no integer of more than 4300 digits


def positive(text: str) -> int:
    """Parse a whole number of at least 1.

    Raises:
        ArgumentTypeError: the text is something else.
    """
    return _whole(text, 1)


def not_negative(text: str) -> int:
    """Parse a whole number of at least 0.

    Raises:
        ArgumentTypeError: the text is something else.
    """
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise argparse.ArgumentTypeError(f"{text[:20]!r}... has {len(text)} characters")
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return int(text)


def number_up_to(most: int, what: str) -> Callable[[str], float]:
    """Return what parses a number from 0 to ``most``, which its error calls ``what``."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1
        if not 0 <= value <= most:
            raise argparse.ArgumentTypeError(f"{text[:20]!r} is not {what} from 0 to {most}")
        return value

    return parse


def image_size(text: str) -> tuple[int, int]:
    """Parse a height and a width, or one number for both.

    Raises:
        ArgumentTypeError: the text is something else.
    """
    found = re.fullmatch(r"([0-9]{1,6})(?:,([0-9]{1,6}))?", text)
    height, width = (int(each or 1) for each in found.groups()) if found else (0, 0)
    if not (found and height and width):
        expected = "neither a number of px, 1 or more, nor HEIGHT,WIDTH"
        raise argparse.ArgumentTypeError(f"{text!r} is {expected}")
    return height, width if found.group(2) else height


def add_command(
    commands: Commands, run: Run, name: str, text: str, examples: str
) -> argparse.ArgumentParser:
    """Add a command to the parser.

    Args:
        commands: Where commands are added.
        run: What the command does; returns the exit code.
        name: The name of the command.
        text: What it does, beginning with a verb in the imperative.
        examples: Lines of commands, which end its help.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.register("action", None, _StoreOnce)  # what argparse uses for options with one value
    parser.set_defaults(run=run, parser=parser, extra="")
    return parser


class _StoreOnce(argparse.Action):
    """Stores the value of an option, and refuses an option that is given twice.

    argparse would silently use the last value.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Store a value.

        Raises:
            ArgumentError: the option has a value already.
        """
        given = namespace.__dict__.setdefault("given", set())
        if self.dest in given and option_string:
            raise argparse.ArgumentError(self, "given twice; give it once")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


def refuse_unknown(parser: argparse.ArgumentParser, unknown: Sequence[str]) -> NoReturn:
    """Exit with code 2 because of unknown arguments; the message suggests the nearest option."""
    import difflib

    known = [option for action in parser._actions for option in action.option_strings]
    near = difflib.get_close_matches(unknown[0].partition("=")[0], known, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")


def add_feature_model(parser: argparse.ArgumentParser) -> None:
    """Add ``--model`` for what reads a network's features, which only these files tell."""
    parser.add_argument(
        "--model",
        default=DEFAULT,
        metavar="NAME|FILE",
        help="a checkpoint's name from `shufflenet list`, an .onnx file, or, computed by torch, a "
        ".safetensors file or the folder of a training run (default: the model that ships in the "
        "package)",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a model, and the runtime that computes it."""
    parser.add_argument(
        "--model",
        default=DEFAULT,
        metavar="NAME|FILE",
        help="a checkpoint's name from `shufflenet list`, the folder of a training run, or a file "
        f"that ends in {file_endings()} (default: the model that ships in the package)",
    )
    parser.add_argument(
        "--runtime",
        default="auto",
        choices=["auto", *RUNTIMES],
        help="the program that computes the model (default: auto, which is ONNX Runtime for an "
        ".onnx file, or for many images the fastest installed runtime that agrees with it; for "
        "other files the one that opens them)",
    )
    parser.add_argument(
        "--precision",
        default="float32",
        choices=list(get_args(Arithmetic)),
        help=f"arithmetic of a float model; bfloat16 needs {_titles('bfloat16')} and a processor "
        "that has it "
        "(default: float32)",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="threads that compute a batch (default: all cores for one image; one for many "
        "images, because then every core computes a batch of its own)",
    )


def file_endings() -> str:
    """Return the suffixes of the files that a runtime opens, as a sentence lists them."""
    *most, last = dict.fromkeys(each for runtime in RUNTIMES.values() for each in runtime.suffixes)
    return f"{', '.join(most)} or {last}"


def _titles(precision: Arithmetic) -> str:
    """Return the titles of the runtimes that offer a precision."""
    return " or ".join(each.title for each in RUNTIMES.values() if precision in each.precisions)


def open_chosen(args: argparse.Namespace, *, images: int) -> "Model":
    """Open the model that the options choose, with one thread a batch if there are many images."""
    from shufflenet import open_model

    threads = args.threads or (1 if images > 1 else None)
    model, runtime = args.model, args.runtime
    if runtime == "auto" and images < _MANY_IMAGES and args.precision == "float32":
        from shufflenet.hub import resolve
        from shufflenet.runtimes import choose_at_once

        model = resolve(model, _first_runtime(model).suffixes)
        runtime, threads = choose_at_once(model, threads)
    return open_model(model, runtime=runtime, threads=threads, precision=args.precision)


def _first_runtime(model: str) -> Runtime:
    """Return the first runtime that opens a file of this suffix; of all, for a model's name."""
    suffix = (run_checkpoint(model) or Path(model)).suffix.lower()
    opening = (runtime for runtime in RUNTIMES.values() if suffix in runtime.suffixes)
    return next(opening, next(iter(RUNTIMES.values())))
