"""Signals that end a run, delivered between two steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["HeldSignals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class HeldSignals:
    """A signal that is held until the state is saved; a second one takes effect at once."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._before: dict[int, Any] = {}  # what signal.getsignal returned

    @property
    def received(self) -> bool:
        """Whether a signal was received."""
        return self._number is not None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold signals while the context lasts; without effect outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number in _SIGNALS:
            signal.signal(number, self._note)
        try:
            yield
        finally:
            self._restore()

    def deliver(self) -> None:
        """Raise the signal that was received, if any, with the handler from before."""
        if self._number is not None:
            self._restore()
            signal.raise_signal(self._number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            self.deliver()
        self._number = number

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
