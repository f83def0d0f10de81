"""Workers as processes of this machine: started anew when they end, gone when this process is."""

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, cast

import shufflenet
from shufflenet.data.parts import Part
from shufflenet.score._job import Task
from shufflenet.score._silence import Watch
from shufflenet.score._workers import Ended

__all__ = ["Processes"]

_CHILD = "shufflenet.score._child"


class _Process:
    """A process that answers the parts written to it, one after the other."""

    def __init__(
        self,
        task: Task,
        ended: "queue.SimpleQueue[tuple[_Process, object]]",
        clock: Callable[[], float],
    ) -> None:
        root = str(Path(shufflenet.__file__).parent.parent)
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _CHILD],  # -P: the working directory may hold any queue.py
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        self.part: Part | None = None
        self.heard = clock()
        self._ended, self._clock = ended, clock
        self._send(task)
        threading.Thread(target=self._listen, daemon=True).start()

    def give(self, part: Part) -> None:
        """Send a part to the process, by a thread: one that is stopped does not read it."""
        self.part, self.heard = part, self._clock()
        threading.Thread(target=self._send, args=(part,), daemon=True).start()

    def _send(self, value: object) -> None:
        """Write a value to the process; that it has ended is told by what is read from it."""
        try:
            pickle.dump(value, cast(IO[bytes], self._process.stdin))
            cast(IO[bytes], self._process.stdin).flush()
        except (OSError, ValueError):  # it ended, or was ended meanwhile
            self.kill()

    def _listen(self) -> None:
        output = cast(IO[bytes], self._process.stdout)
        while True:
            try:
                result = pickle.load(output)  # noqa: S301  # from a process of ours
                self.heard = self._clock()
                if result is not None:  # else it only tells that it works
                    self._ended.put((self, result))
            except Exception:  # noqa: BLE001  # it ended, perhaps in the middle of a value
                self.kill()
                self._ended.put((self, None))
                return

    def kill(self) -> None:
        """Kill the process, without waiting for its end; one that is stopped ends too."""
        self._process.kill()

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # of what was not written
                    stream.close()


class Processes:
    """As many processes as are asked for; those from which nothing is heard are ended."""

    def __init__(
        self, task: Task, number: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._task, self._clock, self._watch = task, clock, Watch(clock)
        self._ended: queue.SimpleQueue[tuple[_Process, object]] = queue.SimpleQueue()
        self._all = [self._start() for _ in range(number)]

    def _start(self) -> _Process:
        return _Process(self._task, self._ended, self._clock)

    def free(self) -> bool:
        """Return whether a process has no part."""
        return any(process.part is None for process in self._all)

    def submit(self, part: Part) -> None:
        """Send a part to a process that has none."""
        next(each for each in self._all if each.part is None).give(part)

    def wait(self, seconds: float) -> Sequence[Ended]:
        """Return the parts that have ended; wait for one, but not for longer."""
        for process in self._watch.silent(self._all):
            process.kill()
        found: list[Ended] = []
        try:
            while True:
                process, result = self._ended.get(block=not found, timeout=seconds)
                if process.part is not None:
                    found.append(Ended(process.part, cast(Exception | None, result)))
                process.part = None
                if result is None and process in self._all:
                    process.end()
                    self._all[self._all.index(process)] = self._start()
        except queue.Empty:
            return found

    def waits_for(self) -> str:
        """Return nothing: processes start at once."""
        return ""

    def close(self) -> None:
        """End all processes at once."""
        for process in self._all:
            process.end()
