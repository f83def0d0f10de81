"""Several workers: forked, so that they share the memory of models, and replaced when they end.

A worker is a copy of this process, which has opened the models and has no threads, so one that
ends unforeseen costs what it was computing and nothing else: the sockets stay open here, and
connections that nobody has accepted yet wait for its successor.
"""

import contextlib
import gc
import logging
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from shufflenet.errors import SpecError, WorkerFailed
from shufflenet.machine import cores
from shufflenet.serve.process._server import WorkerSettings
from shufflenet.serve.process._worker import (
    MORE_SECONDS,
    AppMaker,
    end_for_certain,
    run_worker,
    signals_to_end,
)

__all__ = ["MOST_WORKERS", "check_workers", "default_workers", "run_workers"]

MOST_WORKERS = 256  # a byte says which
_OTHER_FILES = 256  # beside connections
_MOST_BY_DEFAULT = 8  # beyond, each has several threads: less memory, and larger batches
_MOST_FAILURES = 3  # in succession, of workers that end before they serve
_LOOK_SECONDS = 5.0  # between looks at whether workers hang
_SHORTEST_LIFE = 1.0  # s; a worker that ends sooner is replaced that much later

_log = logging.getLogger(__name__)


def default_workers() -> int:
    """Return a worker a core, at most 8; one where processes are not safely forked.

    Python's lock lets one thread of a process handle requests at a time: two workers of one thread
    answer more than one of two threads (``benchmarks/serve.py``). macOS's own libraries do not
    expect to be forked.
    """
    return min(cores(), _MOST_BY_DEFAULT) if sys.platform.startswith("linux") else 1


def check_workers(workers: int) -> None:
    """Check a number of workers.

    Raises:
        SpecError: it is below 1, too large, or more than 1 where processes cannot be forked.
    """
    if not 1 <= workers <= MOST_WORKERS:
        raise SpecError("workers", workers, f"a whole number from 1 to {MOST_WORKERS}")
    if workers > 1 and not hasattr(os, "fork"):
        raise SpecError("workers", workers, "1 on a system whose processes cannot fork")


def run_workers(
    make: AppMaker, workers: int, settings: WorkerSettings, on_ready: Callable[[], None]
) -> int:
    """Serve by several processes until SIGTERM, SIGINT or SIGHUP; then wait for their answers.

    Args:
        make: Makes the app of a worker, in its process.
        workers: How many; one serves in this process.
        settings: How they serve.
        on_ready: Is called once, when all of them accept connections.

    Returns:
        The exit code: 0, or 130 after a second SIGINT, which ends them at once.

    Raises:
        WorkerFailed: workers end before they serve, one after the other.
    """
    _permit_open_files(settings.limits.open + _OTHER_FILES)
    gc.collect()
    gc.freeze()  # the collector would write to what is shared, and so copy it
    if workers == 1:
        run_worker(make, 0, settings, on_ready, signals_to_end())
        return 0
    return _Supervisor(make, workers, settings, on_ready).run()


def _permit_open_files(number: int) -> None:
    """Have the system permit that many open files, as far as it lets a program do so."""
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ModuleNotFoundError:
        return
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if most == resource.RLIM_INFINITY else min(number, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


@dataclass(slots=True)
class _Process:
    worker: int
    started: float
    is_ready: bool = False


class _Supervisor:
    """Starts workers, replaces those that end, and ends them all."""

    def __init__(
        self, make: AppMaker, workers: int, settings: WorkerSettings, on_ready: Callable[[], None]
    ) -> None:
        self._make, self._settings, self._on_ready = make, settings, on_ready
        self._never_ready = set(range(workers))
        self._processes: dict[int, _Process] = {}
        self._due = dict.fromkeys(range(workers), 0.0)  # when a worker is to be started
        self._failures = 0
        self._to_end = signals_to_end()
        # Workers say here that they serve, and see here that this process has ended.
        self._ready, self._say_ready = os.pipe()
        self._lifeline, self._hold_lifeline = os.pipe()
        self._signals, self._say_signal = os.pipe()
        for end in (self._ready, self._signals, self._say_signal):
            os.set_blocking(end, False)

    def run(self) -> int:
        """Keep workers running until a signal; see ``run_workers``."""
        before = {each: signal.signal(each, _pass) for each in (*self._to_end, signal.SIGCHLD)}
        wakeup = signal.set_wakeup_fd(self._say_signal, warn_on_full_buffer=False)
        try:
            while not self._start_those_due().intersection(self._to_end):
                pass
            return self._end()
        finally:
            self._kill()
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            for pipe in (self._ready, self._say_ready, self._lifeline, self._hold_lifeline):
                os.close(pipe)
            os.close(self._signals)
            os.close(self._say_signal)

    def _start_those_due(self) -> set[int]:
        """Start workers, wait for something to happen, and return the signals that came.

        Raises:
            WorkerFailed: too many ended before they served.
        """
        now = time.monotonic()
        for worker in [each for each, due in self._due.items() if due <= now]:
            del self._due[worker]
            self._start(worker)
        look = min(_LOOK_SECONDS, self._settings.hang_seconds)
        signals = self._wait(min(self._due.values(), default=now + look) - now)
        for pid, process, code in self._reap():
            self._replace(pid, process, code)
        self._kill_those_that_hang()
        return signals

    def _start(self, worker: int) -> None:
        self._settings.beats.beat(worker)
        signal.pthread_sigmask(signal.SIG_BLOCK, self._to_end)  # the handlers are not the child's
        try:
            pid = os.fork()
            if not pid:
                self._serve(worker)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self._to_end)
        self._processes[pid] = _Process(worker, time.monotonic())

    def _serve(self, worker: int) -> NoReturn:
        """Be a worker: a copy of this process that never returns."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number in self._to_end:  # a terminal sends the others to all of a group
                is_ours = number == signal.SIGTERM
                signal.signal(number, signal.SIG_DFL if is_ours else signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self._to_end)
            for pipe in (self._hold_lifeline, self._ready, self._signals, self._say_signal):
                os.close(pipe)
            self._watch_lifeline()

            def say_ready() -> None:
                os.write(self._say_ready, bytes([worker]))

            run_worker(self._make, worker, self._settings, say_ready, (signal.SIGTERM,))
            code = 0
        except WorkerFailed:
            pass  # the reason is logged
        except BaseException:  # noqa: BLE001  # nothing may return from here
            os.write(2, traceback.format_exc().encode(errors="backslashreplace"))
        finally:
            os._exit(code)

    def _watch_lifeline(self) -> None:
        """End this worker when the supervisor has ended, however that was."""

        def watch() -> None:
            os.read(self._lifeline, 1)  # nothing is ever written: it returns when it is closed
            end_for_certain(self._settings.end_seconds + MORE_SECONDS)
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=watch, daemon=True).start()

    def _wait(self, seconds: float) -> set[int]:
        """Wait for signals or workers that became ready; return the signals' numbers."""
        readable, _, _ = select.select([self._signals, self._ready], [], [], max(0.0, seconds))
        if self._ready in readable:
            self._note_ready(set(os.read(self._ready, MOST_WORKERS)))
        return set(os.read(self._signals, 64)) if self._signals in readable else set()

    def _note_ready(self, workers: set[int]) -> None:
        self._failures = 0
        for process in self._processes.values():
            process.is_ready |= process.worker in workers
        if self._never_ready:
            self._never_ready -= workers
            if not self._never_ready:
                self._on_ready()

    def _kill_those_that_hang(self) -> None:
        """Kill workers whose loop does not run: they answer nothing, and never will."""
        for pid, process in self._processes.items():
            silent = self._settings.beats.silent_seconds(process.worker)
            if silent > self._settings.hang_seconds:
                _log.warning("Process %d has not moved for %.0f s and is ended.", pid, silent)
                self._settings.beats.beat(process.worker)  # it is killed once
                os.kill(pid, signal.SIGKILL)

    def _reap(self) -> list[tuple[int, _Process, int]]:
        """Return what has ended: process, worker, and exit code or minus a signal's number."""
        ended = []
        for pid in list(self._processes):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                process = self._processes.pop(pid)
                self._settings.connections.end(process.worker)
                ended.append((pid, process, os.waitstatus_to_exitcode(status)))
        return ended

    def _replace(self, pid: int, process: _Process, code: int) -> None:
        """Have a worker started in the place of one that ended.

        Raises:
            WorkerFailed: too many ended before they served.
        """
        if not process.is_ready:
            self._failures += 1
            if self._failures >= _MOST_FAILURES:
                raise WorkerFailed(self._failures, code)
        now = time.monotonic()
        lived_long = now - process.started >= _SHORTEST_LIFE
        self._due[process.worker] = now if lived_long else now + _SHORTEST_LIFE
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        _log.warning("Process %d ended %s; another takes its place.", pid, how)

    def _end(self) -> int:
        """Have workers answer what they accepted and end; return the exit code."""
        for listening in self._settings.sockets:  # else what comes after all workers have closed
            listening.close()  # theirs would be accepted here, and never answered
        self._signal_all(signal.SIGTERM)
        deadline = time.monotonic() + self._settings.end_seconds + MORE_SECONDS
        while self._processes and (left := deadline - time.monotonic()) > 0:
            if signal.SIGINT in self._wait(left):
                os.write(2, b"Interrupted.\n")
                return 128 + signal.SIGINT
            self._reap()
        return 0

    def _kill(self) -> None:
        """End at once the workers that are left."""
        self._signal_all(signal.SIGKILL)
        for pid in self._processes:
            os.waitpid(pid, 0)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._processes:  # they are there until they are waited for
            os.kill(pid, number)


def _pass(number: int, frame: FrameType | None) -> None:
    """Do nothing: the signal's number was written where it is waited for."""
