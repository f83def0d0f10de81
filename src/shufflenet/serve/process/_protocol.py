"""HTTP/1.1 as uvicorn and httptools read it, with bounds on what a client may hold and how long.

uvicorn (0.54, ``protocols/http/httptools_impl.py``) bounds neither the size nor the duration of a
request's head, nor how long an answer waits for a client that does not read it; and it closes
connections whose request is not read to its end in a way that makes the client's system throw the
answer away. What it lacks is added here, by overriding the methods that the parser, the loop and
the server call.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from shufflenet.serve.process._connections import ConnectionLimits
from shufflenet.serve.process._transport import LingeringTransport

__all__ = ["BoundedProtocol", "Door"]

_BAD_REQUEST = (400, "The request is no HTTP/1.1.")
_SLOW_HEAD = (408, "The headers of the request did not arrive in time.")
_LARGE_HEAD = (431, "The headers of the request are too large or too many.")
_DEEP_PIPELINE = (400, "Too many requests were sent before their answers.")
_TOO_MANY = (503, "The service has as many open connections as it takes. Try again later.")
_RETRY_SECONDS = 1
_GRACE_SECONDS = 1.0  # for a request that may be under way when the service ends


@dataclass(frozen=True, slots=True)
class Door:
    """What connections of a worker pass.

    Attributes:
        limits: What each may take.
        open_connections: Returns how many are open, a new one included.
        on_close: Is called when one is lost.
        on_refusal: Is called with the status that one is refused with, which no app sees.
    """

    limits: ConnectionLimits
    open_connections: Callable[[], int]
    on_close: Callable[[], None]
    on_refusal: Callable[[int], None]


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        door: What it passes.
        config: uvicorn's, as of its own protocols.
        server_state: Likewise.
        app_state: Likewise.
    """

    def __init__(
        self, door: Door, config: Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._door, self._limits = door, door.limits
        self._timer: asyncio.TimerHandle | None = None  # of a head
        self._write_timer: asyncio.TimerHandle | None = None
        self._in_body = False  # between the end of a head and the end of its body
        self._head_bytes = 0  # of the head of the latest request, which may arrive in one piece
        self._silent_bytes = 0  # received since the last byte of content, or end of a head
        self._trailers = 0
        self._refusal = _BAD_REQUEST
        self._is_declining = False  # an upgrade, by another parser
        self._is_ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the head of the first request must come soon."""
        inner = cast("asyncio.Transport", transport)
        outer = LingeringTransport(inner, self._is_unread, self._limits, self.loop)
        super().connection_made(cast("asyncio.Transport", outer))
        if self._door.open_connections() > self._limits.open:
            self._refuse(*_TOO_MANY)
        else:
            self._expect_head(self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """End: nothing is left to run later."""
        self._cancel_head_timer()
        self._cancel_write_timer()
        cast("LingeringTransport", self.transport).forget()
        super().connection_lost(exc)
        self._door.on_close()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived; of a connection that is being closed it is thrown away."""
        if self.transport.is_closing():
            return
        self._silent_bytes += len(data)
        self._unset_keepalive_if_required()
        self._parse(data)
        if self.transport.is_closing():
            return
        if self._silent_bytes > self._limits.head_bytes:
            self._refuse(*_LARGE_HEAD)
        elif self._is_idle() and self.timeout_keep_alive_task is None and self._timer is None:
            self._expect_head(self._limits.head_seconds)

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(*self._refusal)

    def _decline_upgrade(self, rest: bytes) -> None:
        """Go on with HTTP/1.1, as Java's client expects: it offers HTTP/2 with its first request.

        The parser leaves out the body of a request that offers an upgrade. So another one reads it,
        once it was told how the body is sent.
        """
        told = (b"content-length", b"transfer-encoding")
        lines = [b"%s: %s\r\n" % header for header in self.headers if header[0] in told]
        self.parser = httptools.HttpRequestParser(self)
        self._is_declining = True
        self._parse(b"".join((b"POST / HTTP/1.1\r\n", *lines, b"\r\n")))
        self._is_declining = False
        if rest:
            self._parse(rest)

    # What the parser calls; what is raised here ends at ``_parse``.

    def on_message_begin(self) -> None:
        """Begin a request."""
        if not self._is_declining:
            self._head_bytes = 0
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Add a part of a request's address.

        Raises:
            ValueError: it is too long.
        """
        if not self._is_declining:
            self._count_head(len(url))
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header; trailers are left out, for headers were checked when they come.

        Raises:
            ValueError: there are too many, or they are too long.
        """
        if self._is_declining:
            return
        self._trailers += self._in_body
        if len(self.headers) >= self._limits.headers or self._trailers > self._limits.headers:
            self._refusal = _LARGE_HEAD
            raise ValueError(self._refusal)
        if not self._in_body:
            self._count_head(len(name) + len(value))
            super().on_header(name, value)

    def _count_head(self, number: int) -> None:
        self._head_bytes += number
        if self._head_bytes > self._limits.head_bytes:
            self._refusal = _LARGE_HEAD
            raise ValueError(self._refusal)

    def on_headers_complete(self) -> None:
        """Have a request answered, after those before it.

        Raises:
            ValueError: too many others wait already.
        """
        if self._is_declining:
            return
        if len(self.pipeline) >= self._limits.pipelined:
            self._refusal = _DEEP_PIPELINE
            raise ValueError(self._refusal)
        self._cancel_head_timer()
        self._in_body, self._silent_bytes, self._trailers = True, 0, 0
        super().on_headers_complete()
        if self._is_ending:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Pass on a part of a body."""
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that a request was received whole."""
        if self._is_declining or not self.parser.should_upgrade():
            self._in_body = False
            super().on_message_complete()

    # What uvicorn calls.

    def on_response_complete(self) -> None:
        """Answer the next request, or close, if this one was answered before it was read."""
        super().on_response_complete()
        if not self.pipeline and self.cycle.response_complete and self.cycle.more_body:
            self.transport.close()

    def shutdown(self) -> None:
        """Close, when what was accepted is answered; a request may be under way, so wait a bit."""
        self._is_ending = True
        is_new = self.cycle is None
        if self._is_idle() and (is_new or self._silent_bytes):
            self._cancel_head_timer()
            self._expect_head(min(_GRACE_SECONDS, self._limits.head_seconds))
        else:
            super().shutdown()

    # What the loop calls.

    def pause_writing(self) -> None:
        """Hold back the answer of a client that reads slowly, and not for ever."""
        super().pause_writing()
        self._cancel_write_timer()
        self._write_timer = self.loop.call_later(self._limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on with the answer."""
        self._cancel_write_timer()
        super().resume_writing()

    def _is_idle(self) -> bool:
        """Return whether no request is being received or answered, unless a part of its head."""
        return not self._in_body and (self.cycle is None or self.cycle.response_complete)

    def _is_unread(self) -> bool:
        """Return whether the client may be sending more of what nobody will read."""
        return self._in_body or self._silent_bytes > 0 or self.cycle is None

    def _expect_head(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._on_slow_head)

    def _on_slow_head(self) -> None:
        self._timer = None
        if self._silent_bytes and not self._is_ending:
            self._refuse(*_SLOW_HEAD)
        else:
            self.transport.close()

    def _cancel_head_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _cancel_write_timer(self) -> None:
        if self._write_timer:
            self._write_timer.cancel()
            self._write_timer = None

    def _refuse(self, status: int, sentence: str) -> None:
        """Answer by one sentence and close; where an answer has begun, close at once."""
        self._door.on_refusal(status)
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.abort()
                return
        body = json.dumps({"error": sentence}).encode()
        retry = (
            f"retry-after: {_RETRY_SECONDS}\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
        )
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"{retry}connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
