"""The process that answers: it serves an app until a signal, or the end of what started it."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TypeAlias

from shufflenet.errors import WorkerFailed
from shufflenet.serve.process._server import Server, WorkerApp, WorkerSettings

__all__ = [
    "MORE_SECONDS",
    "AppMaker",
    "end_for_certain",
    "new_loop",
    "run_worker",
    "signals_to_end",
]

MORE_SECONDS = 5  # after those for answers: what has not ended then is ended

AppMaker: TypeAlias = Callable[[int], WorkerApp]
"""Makes the app of a worker, whose number it is given: in its process, for it has threads."""


def signals_to_end() -> tuple[signal.Signals, ...]:
    """Return the signals after which what was accepted is answered, and nothing else accepted.

    SIGHUP, of a terminal that is closed, is one of them, unless it is ignored, as by nohup.
    """
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    if hangup is None or signal.getsignal(hangup) == signal.SIG_IGN:
        return signal.SIGTERM, signal.SIGINT
    return signal.SIGTERM, signal.SIGINT, hangup


def run_worker(
    make: AppMaker,
    worker: int,
    settings: WorkerSettings,
    on_ready: Callable[[], None],
    signals: Sequence[signal.Signals],
) -> None:
    """Serve until one of the signals comes; then answer what was accepted, and return.

    A second SIGINT ends the process at once. Handlers are as they were before afterwards.

    Args:
        make: Makes the app.
        worker: The worker's number.
        settings: How it serves.
        on_ready: Is called once, when connections are accepted.
        signals: Those that end it.

    Raises:
        WorkerFailed: the app does not start.
        Exception: what ``on_ready`` raised, once the app has ended.
    """
    server = Server(make(worker), worker, settings, on_ready)

    def end(number: int, frame: FrameType | None) -> None:
        if server.should_exit and number == signal.SIGINT:
            os.write(2, b"Interrupted.\n")
            os._exit(128 + number)
        if not server.should_exit:
            end_for_certain(settings.end_seconds + MORE_SECONDS)
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in signals}
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(server.serve())
    except SystemExit as error:  # of the server, where the app does not start
        raise WorkerFailed(1, error.code if isinstance(error.code, int) else 1) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if server.failure is not None:
        raise server.failure


def end_for_certain(seconds: float) -> None:
    """End this process after some seconds, whatever hangs in it then."""

    def end() -> None:
        time.sleep(seconds)
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop that can watch a socket which listens: uvloop's, where there is one."""
    try:
        import uvloop  # noqa: PLC0415  # not on Windows
    except ModuleNotFoundError:
        return asyncio.SelectorEventLoop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
