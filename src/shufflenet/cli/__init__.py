"""The command line: parse, one call, print. The only room that prints."""

import argparse
import io
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from shufflenet import __version__
from shufflenet.cli import (
    _benchmark,
    _catalogue,
    _convert,
    _embed,
    _evaluate,
    _export,
    _pack,
    _predict,
    _quantize,
    _train,
)
from shufflenet.cli._options import refuse_unknown
from shufflenet.cli._output import say
from shufflenet.errors import MissingDependency, ShuffleNetError
from shufflenet.spec import find_extra

__all__ = ["main", "parser"]

_EXAMPLES = """examples:
  shufflenet predict cat.jpg
  shufflenet train --data photos/ --out runs/photos
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="shufflenet",
        description="ShuffleNet image classifiers: predict, evaluate, train, convert, export.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"shufflenet {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        _catalogue.add_list,
        _catalogue.add_show,
        _predict.add_predict,
        _evaluate.add_evaluate,
        _embed.add_embed,
        _pack.add_pack,
        _train.add_train,
        _export.add_export,
        _quantize.add_quantize,
        _convert.add_convert,
        _benchmark.add_benchmark,
    ):
        add(commands)
    return parser


class _Terminated(KeyboardInterrupt):
    """SIGTERM came: whatever cleans up after Ctrl-C does so after this."""


@contextmanager
def _told_of_termination() -> Iterator[None]:
    """Let SIGTERM raise ``_Terminated`` meanwhile, so that what is half written is removed."""
    ours = threading.current_thread() is threading.main_thread()  # no other may set handlers
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def _is_first_process() -> bool:
    """Whether this is the one process, or the first of several that train together."""
    ranks = ("LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "SLURM_PROCID")  # torchrun, Fabric, Slurm
    return all(os.environ.get(rank, "0") == "0" for rank in ranks)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code: 0 done, 1 an error told.

    130 is interrupted, 143 terminated; wrong usage leaves with code 2, as ``argparse`` does.

    Raises:
        ModuleNotFoundError: the installation is broken.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # any file name can be printed
        sys.stdout.reconfigure(errors="backslashreplace")
    logging.basicConfig(format="%(message)s")
    level = logging.INFO if _is_first_process() else logging.ERROR
    logging.getLogger("shufflenet").setLevel(level)
    # Images too large are refused with a sentence; Pillow would warn of the same.
    warnings.filterwarnings("ignore", category=Warning, module="PIL")
    args, unknown = parser().parse_known_args(arguments)
    if unknown:
        refuse_unknown(args.parser, unknown)
    try:
        with _told_of_termination():
            code: int = args.run(args)
        sys.stdout.flush()
    except ShuffleNetError as error:
        say(str(error))
        return 1
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = find_extra(package)
        if extra is None:
            raise
        say(str(MissingDependency("This command", package, extra)))
        return 1
    except _Terminated:
        say("Terminated.")
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        say("Interrupted.")
        return 128 + signal.SIGINT
    except OSError as error:  # of stdout: rooms tell of their own files in words of their own
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # `head` has had enough, which is no fault
            say(f"Cannot go on: {error}.")
        return 1
    return code
