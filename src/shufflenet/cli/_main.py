"""Parse a command's arguments, run it, and turn what it raises into a sentence and an exit code."""

import argparse
import contextlib
import io
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TypeVar

from shufflenet import __version__
from shufflenet.cli import quit_at_once
from shufflenet.cli._options import refuse_unknown
from shufflenet.cli._output import Notes, print_note
from shufflenet.errors import MissingDependency, ShuffleNetError
from shufflenet.labels import printable
from shufflenet.spec import find_extra

__all__ = ["main", "parser", "report_output"]

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_EXAMPLES = """examples:
  shufflenet predict cat.jpg
  shufflenet train --data photos/ --out runs/photos --weights default
  shufflenet COMMAND --help
"""

_E = TypeVar("_E", bound=BaseException)

# Each command's module, whose function `add_COMMAND` adds it; in the order of `--help`.
_MODULES = {
    "list": "_catalogue",
    "show": "_catalogue",
    "predict": "_predict",
    "evaluate": "_evaluate",
    "report": "_report",
    "embed": "_embed",
    "explain": "_explain",
    "sort": "_sort",
    "similar": "_similar",
    "serve": "_serve",
    "score": "_score",
    "pack": "_pack",
    "boxes": "_boxes",
    "train": "_train",
    "export": "_export",
    "quantize": "_quantize",
    "convert": "_convert",
    "compile": "_compile",
    "benchmark": "_benchmark",
    "verify": "_verify",
    "card": "_card",
}

# Where the current folder was removed, relative paths name nothing, and the MKL inside torch ends
# the process at the first product of matrices. `embed` loads torch for some models only.
_BY_TORCH = {"train", "export", "quantize", "convert"}
_FOLDER_GONE = "The current folder was removed. Change to one that exists: cd FOLDER."


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of all commands, or of one, which is faster to build.

    Args:
        command: The only command to add; all are added if there is none of that name.
    """
    program = _Parser(
        prog="shufflenet",
        description="Classify images with ShuffleNet networks; train, evaluate, convert, export "
        "and measure them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    program.add_argument("--version", action="version", version=f"shufflenet {__version__}")
    commands = program.add_subparsers(required=True, metavar="COMMAND")
    for name in (command,) if command in _MODULES else _MODULES:
        module = import_module(f"shufflenet.cli.{_MODULES[name]}")
        getattr(module, f"add_{name}")(commands)
    return program


class _Parser(argparse.ArgumentParser):
    """A parser whose errors show control characters in arguments as escapes."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2, the usage and a message."""
        super().error(printable(message))

    def _print_message(self, message: str, file: "SupportsWrite[str] | None" = None) -> None:
        """Print help or the version: argparse passes over a stdout that takes none.

        Raises:
            OSError: it cannot be written.
        """
        if file is not sys.stdout:
            super()._print_message(message, file)
        elif message:
            file.write(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; see ``cli.main``.

    Raises:
        ModuleNotFoundError: the installation is broken.
    """
    _configure_output()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        args, unknown = parser(next(iter(arguments), None)).parse_known_args(arguments)
    except OSError as error:  # of help
        return report_output(error)
    if unknown:
        refuse_unknown(args.parser, unknown)
    if arguments[0] in _BY_TORCH and _folder_is_gone():
        print_note(_FOLDER_GONE)
        return 1
    try:
        with _signals_raise():
            code: int = args.run(args)
        sys.stdout.flush()
    except (ShuffleNetError, ModuleNotFoundError, KeyboardInterrupt, OSError, MemoryError) as error:
        return _report(_Interrupts.cause_of(error), args)
    except Exception as error:
        cause = _Interrupts.cause_of(error)
        if not isinstance(cause, KeyboardInterrupt):
            raise
        return _report(cause, args)
    return code


def _configure_output() -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):  # so that any file name can be printed
        sys.stdout.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler(Notes())
    handler.addFilter(_is_new())
    handler.setFormatter(_Formatter("%(message)s"))
    logging.basicConfig(handlers=[handler])
    level = logging.INFO if _is_first_process() else logging.ERROR
    logging.getLogger("shufflenet").setLevel(level)
    # An image that is too large is refused with a sentence; Pillow would warn about it as well.
    warnings.filterwarnings("ignore", category=Warning, module="PIL")


class _Formatter(logging.Formatter):
    """Formats messages with control characters as escapes."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's line."""
        return printable(super().format(record))


def _is_new() -> Callable[[logging.LogRecord], bool]:
    """Return a log filter that passes each message once: training reads a broken file often."""
    passed: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if message in passed:
            return False
        passed.add(message)
        return True

    return is_new


def _is_first_process() -> bool:
    """Return whether this is the only process, or the first of several that train together."""
    ranks = ("LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "SLURM_PROCID")  # torchrun, Fabric, Slurm
    return all(os.environ.get(rank, "0") == "0" for rank in ranks)


def _report(
    error: ShuffleNetError | ModuleNotFoundError | KeyboardInterrupt | OSError | MemoryError,
    args: argparse.Namespace,
) -> int:
    """Print why a command ended, in one sentence, and return its exit code.

    Raises:
        ModuleNotFoundError: a package is missing that no extra installs.
    """
    match error:
        case ShuffleNetError():
            print_note(str(error))
        case ModuleNotFoundError():
            package = (error.name or "").partition(".")[0]
            extra = find_extra(package)
            if extra is None:
                raise error
            print_note(str(MissingDependency("This command", package, args.extra or extra)))
        case _Terminated():
            print_note("Terminated.")
            return 128 + signal.SIGTERM
        case KeyboardInterrupt():
            print_note("Interrupted.")
            return 128 + signal.SIGINT
        case MemoryError():
            print_note(
                "Memory does not suffice. Give fewer or smaller images, or a smaller --batch."
            )
        case FileNotFoundError(filename=None) if _folder_is_gone():
            print_note(_FOLDER_GONE)
        case OSError(filename=None):
            return report_output(error)
        case OSError():  # a file's reader or writer should have told it
            print_note(f"Cannot use {error.filename!r}: {error.strerror}.")
    return 1


def _folder_is_gone() -> bool:
    try:
        os.getcwd()
    except OSError:
        return True
    return False


def report_output(error: OSError) -> int:
    """Print why stdout cannot be written, and return the exit code.

    What is still buffered is thrown away, so that writing it at the end does not fail again.
    """
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not isinstance(error, BrokenPipeError):  # a reader such as `head` may stop reading
        print_note(f"Cannot write the output: {error}.")
    return 1


class _Terminated(KeyboardInterrupt):
    """SIGTERM came; what cleans up after Ctrl-C cleans up after this too."""


class _Interrupts:
    """The interrupt that a signal raised, for libraries turn one during their import into others.

    NumPy and ONNX Runtime, for example, raise an ``ImportError`` after Ctrl-C in the import of
    their C code.
    """

    _raised: KeyboardInterrupt | None = None

    @classmethod
    def forget(cls) -> None:
        """Forget an earlier command's."""
        cls._raised = None

    @classmethod
    def on_signal(cls, number: int, frame: FrameType | None) -> None:
        """Raise the exception of a signal."""
        cls._raised = _Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
        raise cls._raised

    @classmethod
    def cause_of(cls, error: _E) -> _E | KeyboardInterrupt:
        """Return the interrupt that came before an error, or the error if there was none."""
        return cls._raised or error


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Raise ``_Terminated`` on SIGTERM and ``KeyboardInterrupt`` on SIGINT while a command runs.

    Files that are half written are then removed. Before and after, both end the process at once.
    Handlers that another program set, in which a command runs, stay as they are.
    """
    is_main = threading.current_thread() is threading.main_thread()  # others cannot set handlers
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    if not is_main or before[signal.SIGTERM] is not signal.SIG_DFL:
        yield
        return
    _Interrupts.forget()
    signal.signal(signal.SIGTERM, _Interrupts.on_signal)
    if before[signal.SIGINT] in (quit_at_once, signal.default_int_handler):
        signal.signal(signal.SIGINT, _Interrupts.on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
