"""Threads that wait for calls, which they answer sooner than an executor's."""

import contextlib
import queue
import threading
import weakref
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Helpers"]

_Call: TypeAlias = tuple[Callable[..., object], tuple[object, ...]]


class Helpers:
    """Threads that execute calls of which nobody waits for the result.

    To hand a call to an executor, and to tell that it is done, takes some 70 microseconds of a
    millisecond that two threads need for an image; here it takes five.

    Args:
        threads: How many there are; fewer, or none, where the system starts no more.
    """

    def __init__(self, threads: int) -> None:
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._started = 0
        with contextlib.suppress(RuntimeError):  # beyond the limit of a user or a container
            for _ in range(threads):
                name = "shufflenet-helper"
                threading.Thread(target=_serve, args=(self._calls,), name=name, daemon=True).start()
                self._started += 1
        weakref.finalize(self, _stop, self._calls, self._started).atexit = False

    def submit(self, function: Callable[..., object], *arguments: object) -> None:
        """Have a thread call a function, as soon as one is free; the function raises nothing.

        Without threads nothing is called.
        """
        if self._started:
            self._calls.put((function, arguments))


def _serve(calls: "queue.SimpleQueue[_Call | None]") -> None:
    while call := calls.get():
        function, arguments = call
        function(*arguments)
        del call, function, arguments  # or they would be kept until the next call


def _stop(calls: "queue.SimpleQueue[_Call | None]", threads: int) -> None:
    for _ in range(threads):
        calls.put(None)
