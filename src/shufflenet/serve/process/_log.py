"""What the service logs, on stderr: a line a request when asked, and every fault of its own."""

import json
import logging
import os
import select
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shufflenet.labels import printable

__all__ = ["AccessLog", "LogForm", "log_faults", "write_line"]

LogForm: TypeAlias = Literal["none", "text", "json"]

_LONGEST_PATH = 200  # characters; lines stay whole among those of other workers
_STDERR = 2
_PATIENCE_SECONDS = 1.0  # with a reader that is behind, once
_stuck = set[int]()  # descriptors that took no line in that time


def write_line(line: str) -> None:
    """Write a line to stderr by one call, so that workers' lines do not mix.

    A line is left out where nobody reads: requests would wait for whoever paused the log.
    """
    try:
        if _has_room(_STDERR):
            os.write(_STDERR, f"{line}\n".encode(errors="backslashreplace"))
    except OSError:
        return  # nobody reads it


def _has_room(descriptor: int) -> bool:
    """Return whether a descriptor takes a line soon; at once, of a pipe that did not before."""
    if not hasattr(select, "poll"):  # on Windows
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    seconds = 0.0 if descriptor in _stuck else _PATIENCE_SECONDS
    if poll.poll(1000 * seconds):
        _stuck.discard(descriptor)
        return True
    _stuck.add(descriptor)
    return False


class AccessLog:
    """An ASGI app that logs each request when it is answered: never a query, a header or a body.

    The app may say what it computed in the request's state, by ``images`` and ``model``.

    Args:
        app: What answers.
        form: Whether lines are text or JSON objects.
        write: Writes a line.
        clock: Returns seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        form: Literal["text", "json"],
        write: Callable[[str], None] = write_line,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app, self._write, self._clock = app, write, clock
        self._line = _as_json if form == "json" else _as_text

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and log it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, sent = self._clock(), 0, 0

        async def send_counted(message: Message) -> None:
            nonlocal status, sent
            status = message.get("status", status)
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            state = scope.get("state", {})
            entry: dict[str, object] = {
                "time": _now(),
                "method": scope["method"],
                "path": scope["path"][:_LONGEST_PATH],
                "status": status,
                "seconds": round(self._clock() - started, 6),
                "bytes": sent,
                "images": state.get("images"),
                "model": state.get("model"),
            }
            self._write(self._line(entry))


def log_faults(form: LogForm, write: Callable[[str], None] = write_line) -> None:
    """Have faults of the app, which uvicorn logs, written with their traceback, and of workers.

    Clients' faults, which uvicorn logs as warnings, are left out: anybody could fill a disk.
    """
    for name, level in (("uvicorn.error", logging.ERROR), (__package__, logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [_Faults(form, write)]
        logger.setLevel(level)
        logger.propagate = False


class _Faults(logging.Handler):
    """Writes records with their traceback."""

    def __init__(self, form: LogForm, write: Callable[[str], None]) -> None:
        super().__init__()
        self._form, self._write = form, write

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        message = record.getMessage().strip()
        error = record.exc_info[1] if record.exc_info else None
        text = "".join(traceback.format_exception(error)).rstrip() if error else ""
        if self._form == "json":
            entry = {"time": _now(), "error": message, "traceback": text}
            self._write(json.dumps({key: value for key, value in entry.items() if value}))
        else:
            lines = f"{_now()} {message}".splitlines() + text.splitlines()
            self._write("\n".join(printable(line) for line in lines))


def _as_json(entry: dict[str, object]) -> str:
    return json.dumps({key: value for key, value in entry.items() if value is not None})


def _as_text(entry: dict[str, object]) -> str:
    seconds = f"{entry['seconds']:.3f} s"
    images = f" {entry['images']} images by {entry['model']}" if entry["images"] else ""
    line = f"{entry['time']} {entry['status']} {entry['method']} {entry['path']} {seconds}{images}"
    return printable(line)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
