"""What one connection may take, and how many each worker has open, in memory that they share."""

import mmap
from dataclasses import dataclass, fields

from shufflenet.errors import SpecError

__all__ = ["ConnectionLimits", "OpenConnections"]

_GONE = 2**32 - 1  # in the place of a worker that accepts nothing


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a connection may take of a worker, beside what ``Limits`` says of its requests.

    Attributes:
        open: Connections at once, of a worker; more are answered 503.
        head_seconds: From the first byte of a request, or from the connection, to the end of its
            headers.
        head_bytes: Of a request's line and headers, and of what a body has between two bytes of
            content: lengths of chunks, trailers.
        headers: The number of a request's headers.
        pipelined: Requests that are sent before the answers of those before them.
        idle_seconds: That a connection is kept open between two requests.
        write_seconds: That a client takes nothing of its answer.
        linger_seconds: That a closed connection still reads what its client is sending, for
            otherwise the client's system would throw the answer away.
    """

    open: int = 1000
    head_seconds: float = 10
    head_bytes: int = 64 << 10
    headers: int = 100
    pipelined: int = 16
    idle_seconds: float = 15
    write_seconds: float = 30
    linger_seconds: float = 2

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise SpecError(field.name, value, "more than 0")


class OpenConnections:
    """The number of open connections of each worker.

    Workers accept from one socket. The kernel wakes all of them, and who is first takes as many as
    there are: of 16 connections that come together, one of two workers had all in every fourth
    try. So a worker that has more than another leaves the next one to that for a moment.

    >>> connections = OpenConnections(2)
    >>> connections.begin(0)
    >>> connections.add(0, 3)
    >>> connections.may_accept(0)  # nobody else is there
    True
    >>> connections.begin(1)
    >>> connections.may_accept(0), connections.may_accept(1)
    (False, True)
    """

    def __init__(self, workers: int) -> None:
        self._counts = memoryview(mmap.mmap(-1, 4 * workers)).cast("I")  # shared after a fork
        for worker in range(workers):
            self.end(worker)

    def begin(self, worker: int) -> None:
        """Count the connections of a worker from 0."""
        self._counts[worker] = 0

    def end(self, worker: int) -> None:
        """Leave a worker out, as it accepts no more."""
        self._counts[worker] = _GONE

    def add(self, worker: int, connections: int) -> None:
        """Add to a worker's own count; nobody else does meanwhile."""
        if self._counts[worker] != _GONE:
            self._counts[worker] = max(0, self._counts[worker] + connections)

    def count(self, worker: int) -> int:
        """Return the number of a worker's open connections; 0 of one that has ended."""
        return 0 if self._counts[worker] == _GONE else self._counts[worker]

    def may_accept(self, worker: int) -> bool:
        """Return whether a worker has at most one connection more than each of the others."""
        return self._counts[worker] <= min(self._counts) + 1
