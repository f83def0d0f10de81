"""The process around a command: its streams, its environment, its exit code."""

import atexit
import contextlib
import os
import sys

from shufflenet.cli._main import main, report_output

__all__ = ["run"]


def run() -> int:
    """Run a command with this process's streams, and return the exit code."""
    codes: list[int] = []
    atexit.register(_leave, codes)  # the first registered is the last called
    _open_closed_streams()
    _forget_tqdm_settings()
    try:
        code = main()
    except SystemExit as exit_:  # argparse ends so, after help or wrong usage
        code = exit_.code if isinstance(exit_.code, int) else 1
    try:
        sys.stdout.flush()
    except OSError as error:
        code = report_output(error)
    codes.append(code)
    return code


def _leave(codes: list[int]) -> None:
    """End the process with its code, after all else that is done at exit.

    Python itself would destroy each object, though the system frees all memory, and would end the
    process by the signal if Ctrl-C came in code that a library runs from C.
    """
    if codes:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # it is closed; what matters was flushed
                stream.flush()
        os._exit(codes[0])


def _open_closed_streams() -> None:
    """Open the null device in place of standard streams that are closed.

    The system would give the descriptors of these streams to the next files that are opened, and
    what a library writes to stderr would then be written into them. Stdout is opened for reading,
    so that writing a result fails and is told.
    """
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # the lowest free descriptor, which is this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # kept open
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # likewise


def _forget_tqdm_settings() -> None:
    """Remove tqdm's settings from the environment, for wrong ones make its import or use fail.

    The one that turns progress bars off is read by this package itself.
    """
    for name in [name for name in os.environ if name.startswith("TQDM_")]:
        if name != "TQDM_DISABLE":
            del os.environ[name]
