"""The command line: each command parses its options, calls one function and prints its result."""

import argparse
import atexit
import gc
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

from shufflenet import __version__
from shufflenet.cli._options import refuse_unknown
from shufflenet.cli._output import print_note
from shufflenet.errors import MissingDependency, ShuffleNetError
from shufflenet.spec import find_extra

__all__ = ["main", "parser", "program"]

_OBJECTS_BETWEEN_COLLECTIONS = 100_000

_EXAMPLES = """examples:
  shufflenet predict cat.jpg
  shufflenet train --data photos/ --out runs/photos --weights default
  shufflenet COMMAND --help
"""


# Each command's module, whose function `add_COMMAND` adds it; in the order of `--help`.
_MODULES = {
    "list": "_catalogue",
    "show": "_catalogue",
    "predict": "_predict",
    "evaluate": "_evaluate",
    "embed": "_embed",
    "pack": "_pack",
    "train": "_train",
    "export": "_export",
    "quantize": "_quantize",
    "convert": "_convert",
    "benchmark": "_benchmark",
}


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of all commands, or of one, which is faster to build.

    Args:
        command: The only command to add; all are added if there is none of that name.
    """
    program = argparse.ArgumentParser(
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


def program() -> int:
    """Run ``main`` as a process of its own: the entry point of ``shufflenet``.

    The garbage collector runs less often, since imports create many objects and few cycles, and not
    at exit, when the system frees all memory: ``predict`` of one photo takes a ninth less time.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    atexit.register(gc.freeze)
    return main()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    The code is 0 if the command did its work, 1 after an error that is explained in a sentence,
    130 after Ctrl-C, and 143 after SIGTERM. Wrong usage exits with 2, as ``argparse`` does.

    Raises:
        ModuleNotFoundError: the installation is broken.
    """
    _configure_output()
    arguments = sys.argv[1:] if arguments is None else arguments
    args, unknown = parser(next(iter(arguments), None)).parse_known_args(arguments)
    if unknown:
        refuse_unknown(args.parser, unknown)
    try:
        with _sigterm_raises():
            code: int = args.run(args)
        sys.stdout.flush()
    except (ShuffleNetError, ModuleNotFoundError, KeyboardInterrupt, OSError) as error:
        return _report(error, args)
    return code


def _configure_output() -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):  # so that any file name can be printed
        sys.stdout.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler()
    handler.addFilter(_is_new())
    logging.basicConfig(format="%(message)s", handlers=[handler])
    level = logging.INFO if _is_first_process() else logging.ERROR
    logging.getLogger("shufflenet").setLevel(level)
    # An image that is too large is refused with a sentence; Pillow would warn about it as well.
    warnings.filterwarnings("ignore", category=Warning, module="PIL")


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
    error: ShuffleNetError | ModuleNotFoundError | KeyboardInterrupt | OSError,
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
        case OSError():  # from stdout: errors in other files are ShuffleNetErrors
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if not isinstance(error, BrokenPipeError):  # a reader such as `head` may stop reading
                print_note(f"Cannot write the output: {error}.")
    return 1


class _Terminated(KeyboardInterrupt):
    """SIGTERM came; what cleans up after Ctrl-C cleans up after this too."""


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Raise ``_Terminated`` on SIGTERM, so that files that are half written are removed."""
    is_main = threading.current_thread() is threading.main_thread()  # others cannot set handlers
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _raise_terminated(number: int, frame: FrameType | None) -> None:
    raise _Terminated
