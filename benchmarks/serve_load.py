"""Send images to a service at a given rate, whether or not it keeps up, and time each answer.

What a closed loop of clients cannot show, because it waits for each answer before it asks again:
here a request's time counts from the moment it was due, so that a stalled service shows as such.
"""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Outcome", "send_at_rate"]

CONNECTIONS = 16
GIVE_UP_SECONDS = 60


@dataclass
class Outcome:
    """What became of the requests: statuses, and the milliseconds of those answered with 200."""

    statuses: Counter[int | str] = field(default_factory=Counter)
    answered_ms: list[float] = field(default_factory=list)
    refused_ms: list[float] = field(default_factory=list)

    def add(self, status: int | str, ms: float) -> None:
        """Count one request."""
        self.statuses[status] += 1
        (self.answered_ms if status == 200 else self.refused_ms).append(ms)

    def summary(self) -> dict[str, object]:
        """Return counts and percentiles."""
        found: dict[str, object] = {"statuses": {str(k): n for k, n in self.statuses.items()}}
        for name, values in (("answered", self.answered_ms), ("refused", self.refused_ms)):
            if len(values) > 1:
                cuts = statistics.quantiles(values, n=100, method="inclusive")
                parts = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(values)}
                found[f"{name}_ms"] = {key: round(value, 2) for key, value in parts.items()}
        return found


@dataclass
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def send_at_rate(
    port: int,
    bodies: Sequence[bytes],
    rate: float,
    seconds: float,
    connections: int = CONNECTIONS,
) -> Outcome:
    """Send images at a fixed rate over kept-alive connections; one that ends is opened anew.

    Args:
        port: Where the service listens on loopback.
        bodies: The images, sent in turn.
        rate: Requests a second.
        seconds: How long.
        connections: Connections at most; a request that finds none idle waits, and is timed so.
    """
    outcome, idle = Outcome(), asyncio.LifoQueue[_Connection | None]()
    for _ in range(connections):
        idle.put_nowait(None)
    heads = [_head(port, body) for body in bodies]
    started, tasks = time.perf_counter(), set[asyncio.Task[None]]()
    for number in range(int(rate * seconds)):
        due = started + number / rate
        delay = due - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        at = number % len(bodies)
        task = asyncio.create_task(_send(port, heads[at], bodies[at], due, idle, outcome))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    while not idle.empty():
        if connection := idle.get_nowait():
            connection.writer.close()
    await asyncio.sleep(0.1)  # for the connections to be closed
    return outcome


def _head(port: int, body: bytes) -> bytes:
    return (
        f"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: image/jpeg\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()


async def _send(
    port: int,
    head: bytes,
    body: bytes,
    due: float,
    idle: "asyncio.LifoQueue[_Connection | None]",
    outcome: Outcome,
) -> None:
    connection = await idle.get()
    status: int | str
    try:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            if connection is None:
                connection = _Connection(*await asyncio.open_connection("127.0.0.1", port))
            connection.writer.write(head + body)
            status, goes_on = await _answer(connection.reader)
            if not goes_on:
                connection.writer.close()
                connection = None
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
        status = type(error).__name__
        if connection:
            connection.writer.close()
        connection = None
    outcome.add(status, 1000 * (time.perf_counter() - due))
    idle.put_nowait(connection)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Read an answer; return its status, and whether the connection goes on."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1]), b"connection: close" not in head
