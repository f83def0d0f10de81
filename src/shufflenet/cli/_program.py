"""The process around a command: its streams, its environment, its exit code."""

import atexit
import gc
import os
import signal
import sys

from shufflenet.cli._main import main, report_output

__all__ = ["run"]

_OBJECTS_BETWEEN_COLLECTIONS = 100_000


def run() -> int:
    """Run a command with this process's streams, and return the exit code.

    The garbage collector runs less often, since imports create many objects and few cycles, and not
    at exit, when the system frees all memory: ``predict`` of one photo takes a ninth less time.
    """
    codes: list[int] = []
    atexit.register(_leave_if_interrupted, codes)  # the first registered is the last called
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    atexit.register(gc.freeze)
    _open_closed_streams()
    _forget_tqdm_settings()
    try:
        code = main()
    except SystemExit as exit_:  # argparse ends so, after help or wrong usage
        code = exit_.code if isinstance(exit_.code, int) else 1
    codes.append(code)
    try:
        sys.stdout.flush()
    except OSError as error:
        return report_output(error)
    return code


def _leave_if_interrupted(codes: list[int]) -> None:
    """End the process with the code of an interrupt.

    Python itself would end it by the signal if Ctrl-C came in code that a library runs from C.
    """
    if codes == [128 + signal.SIGINT]:
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
