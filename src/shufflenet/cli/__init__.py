"""The command line: each command parses its options, calls one function and prints its result.

Importing this package imports almost nothing, so that ``program`` is called at once, and Ctrl-C
during the imports that follow ends the process without a traceback.
"""

import gc
import os
import signal
import sys
import warnings

TYPE_CHECKING = False  # as in typing, whose import takes longer than this file
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence
    from types import FrameType

__all__ = ["main", "parser", "program", "quit_at_once"]


_OBJECTS_BETWEEN_COLLECTIONS = 100_000


def program() -> int:
    """Run ``main`` as a process of its own: the entry point of ``shufflenet``.

    The garbage collector runs less often, since imports create many objects and few cycles.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # A handler that was set before, such as that of nohup, stays.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, quit_at_once)
    warnings.simplefilter("ignore")  # those of libraries are for programmers
    from shufflenet.cli._program import run

    return run()


def quit_at_once(number: int, frame: "FrameType | None") -> None:
    """End the process at once: nothing has begun, or everything is done."""
    try:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"Interrupted.\n")
    finally:
        os._exit(128 + number)


def main(arguments: "Sequence[str] | None" = None) -> int:
    """Run a command and return its exit code.

    The code is 0 if the command did its work, 1 after an error that is explained in a sentence,
    130 after Ctrl-C, and 143 after SIGTERM. Wrong usage exits with 2, as ``argparse`` does.

    Raises:
        ModuleNotFoundError: the installation is broken.
    """
    from shufflenet.cli._main import main as run

    return run(arguments)


def parser(command: str | None = None) -> "ArgumentParser":
    """Return the parser of all commands, or of one, which is faster to build.

    Args:
        command: The only command to add; all are added if there is none of that name.
    """
    from shufflenet.cli._main import parser as build

    return build(command)
