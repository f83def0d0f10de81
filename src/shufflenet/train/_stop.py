"""Signals that end a run, heeded between two steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["StopRequest"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Remembers a signal until it suits; a second one is not waited with."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._before: dict[int, Any] = {}  # what signal.getsignal gave

    @property
    def made(self) -> bool:
        """Whether a signal came."""
        return self._number is not None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Hold signals back meanwhile, where this thread is the one that may."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number in _SIGNALS:
            signal.signal(number, self._note)
        try:
            yield
        finally:
            self._give_back()

    def heed(self) -> None:
        """Do what the signal would have done at once, if one came."""
        if self._number is not None:
            self._give_back()
            signal.raise_signal(self._number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.made:
            self.heed()
        self._number = number

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
