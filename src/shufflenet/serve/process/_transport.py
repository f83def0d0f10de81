"""A connection's transport that closes without losing the answer, and ends for certain."""

import asyncio
from collections.abc import Callable
from typing import Any

from shufflenet.serve.process._connections import ConnectionLimits

__all__ = ["LingeringTransport"]


class LingeringTransport:
    """What uvicorn's protocol writes to.

    A socket that is closed while bytes are unread makes the client's system drop what it has
    received and report a reset. So where a client may still be sending, only this side's end is
    closed, and what comes is read and thrown away for a short while, as nginx does
    (``lingering_close``).

    Args:
        inner: The loop's transport.
        is_unread: Returns whether the client may be sending what is not read.
        limits: For how long.
        loop: The loop that the timers run in.
    """

    def __init__(
        self,
        inner: asyncio.Transport,
        is_unread: Callable[[], bool],
        limits: ConnectionLimits,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._inner, self._is_unread, self._limits, self._loop = inner, is_unread, limits, loop
        self._timers: list[asyncio.TimerHandle] = []
        self._is_closing = False

    def write(self, data: bytes) -> None:
        """Send data; none after the end."""
        if not self._is_closing:
            self._inner.write(data)

    def close(self) -> None:
        """Close when all is sent, or, if the client takes nothing of it, after a while."""
        if self.is_closing():
            return
        self._is_closing = True
        self._timers.append(self._loop.call_later(self._limits.write_seconds, self._inner.abort))
        if not (self._is_unread() and self._inner.can_write_eof()):
            self._inner.close()
            return
        self._inner.write_eof()
        self._inner.resume_reading()
        self._timers.append(self._loop.call_later(self._limits.linger_seconds, self._inner.close))

    def forget(self) -> None:
        """Cancel what was to happen later: the connection is lost."""
        for timer in self._timers:
            timer.cancel()

    def is_closing(self) -> bool:
        """Return whether nothing more is sent."""
        return self._is_closing or self._inner.is_closing()

    def abort(self) -> None:
        """Close at once."""
        self._is_closing = True
        self._inner.abort()

    def pause_reading(self) -> None:
        """Receive nothing for now."""
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        self._inner.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401  # as asyncio's
        """Return what the loop knows of the connection, such as its addresses."""
        return self._inner.get_extra_info(name, default)
