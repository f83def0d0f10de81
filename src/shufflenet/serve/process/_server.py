"""One worker: uvicorn's server on sockets that listen already, which accepts and ends with care."""

import asyncio
import contextlib
import functools
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE

from shufflenet.serve.process._beats import Beats
from shufflenet.serve.process._connections import ConnectionLimits, OpenConnections
from shufflenet.serve.process._protocol import BoundedProtocol, Door

__all__ = ["Server", "WorkerApp", "WorkerSettings"]

_LEAVE_TO_OTHERS_SECONDS = 0.002
_NO_DESCRIPTORS_SECONDS = 0.2  # until a descriptor may be free again


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker serves, beside its app.

    Attributes:
        sockets: They listen, and do not block.
        connections: How many each worker has open.
        beats: When each worker last showed that it moves.
        limits: What a connection may take.
        end_seconds: That requests which were accepted have to be answered when the service ends.
        hang_seconds: Beyond which a worker is ended and replaced, if its loop does not run, or one
            of its threads is at one piece of work.
    """

    sockets: Sequence[socket.socket]
    connections: OpenConnections
    beats: Beats
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    end_seconds: float = 30
    hang_seconds: float = 90


@dataclass(frozen=True, slots=True)
class WorkerApp:
    """What a worker serves.

    Attributes:
        app: The app.
        on_end: Is called when the service begins to end, while requests are still answered.
        on_refusal: Is called with the status of what is refused before the app is asked.
        busy_seconds: Returns for how long a thread has been at one piece of work.
    """

    app: ASGIApp
    on_end: Callable[[], None] = lambda: None
    on_refusal: Callable[[int], None] = lambda status: None
    busy_seconds: Callable[[], float] = lambda: 0.0


class Server(uvicorn.Server):
    """Serves an app until ``should_exit``, then answers what was accepted.

    Args:
        app: The app.
        worker: The number of this worker, from 0.
        settings: How it serves.
        on_ready: Is called once when connections are accepted.

    Attributes:
        failure: What ``on_ready`` raised, which ends the server.
    """

    def __init__(
        self, app: WorkerApp, worker: int, settings: WorkerSettings, on_ready: Callable[[], None]
    ) -> None:
        self._app, self._worker, self._settings = app, worker, settings
        self._on_ready = on_ready
        limits, connections = settings.limits, settings.connections
        self._door = Door(
            limits,
            functools.partial(connections.count, worker),
            functools.partial(connections.add, worker, -1),
            app.on_refusal,
        )
        config = uvicorn.Config(
            app.app,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=limits.idle_seconds,  # type: ignore[arg-type]  # passed to the loop
            callback_notify=self._beat,
            timeout_notify=1,
            timeout_graceful_shutdown=settings.end_seconds,  # type: ignore[arg-type]  # likewise
        )
        super().__init__(config)
        self.failure: Exception | None = None
        self._connecting: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the app, then accept connections.

        Raises:
            SystemExit: the app does not start; it is logged why.
        """
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        self.servers = []
        self._settings.connections.begin(self._worker)
        for listening in self._settings.sockets:
            self._listen(listening)
        self.started = True
        try:
            self._on_ready()
        except Exception as error:  # noqa: BLE001  # such as a stdout that takes nothing
            self.failure, self.should_exit = error, True  # the app is ended as ever

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept what the system has accepted, then nothing; answer; end the app."""
        loop = asyncio.get_running_loop()
        self._app.on_end()
        self._settings.connections.end(self._worker)
        for listening in self._settings.sockets:
            loop.remove_reader(listening)
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    await self._connect(connection)
            listening.close()
        if self._connecting:
            await asyncio.wait(self._connecting)
        await super().shutdown()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to those who run this: they set ``should_exit``."""
        yield

    async def _beat(self) -> None:
        if self._app.busy_seconds() < self._settings.hang_seconds:  # else a library hangs
            self._settings.beats.beat(self._worker)

    def _listen(self, listening: socket.socket) -> None:
        if not self.should_exit and listening.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listening, self._on_waiting, listening)

    def _on_waiting(self, listening: socket.socket) -> None:
        """Accept one connection, or leave it to a worker that has fewer."""
        loop = asyncio.get_running_loop()
        if not self._settings.connections.may_accept(self._worker):
            loop.remove_reader(listening)
            loop.call_later(_LEAVE_TO_OTHERS_SECONDS, self._accept_after_all, listening)
            return
        self._accept(listening)

    def _accept_after_all(self, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            self._listen(listening)
            self._accept(listening)

    def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            connection, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker has it, or the client left
        except OSError:  # descriptors or memory do not suffice
            loop.remove_reader(listening)
            loop.call_later(_NO_DESCRIPTORS_SECONDS, self._listen, listening)
            return
        task = loop.create_task(self._connect(connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: socket.socket) -> None:
        """Begin to serve a connection that was accepted."""
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        self._settings.connections.add(self._worker, 1)
        state = self.lifespan.state
        protocol = functools.partial(
            BoundedProtocol, self._door, self.config, self.server_state, state
        )
        try:
            await loop.connect_accepted_socket(protocol, connection)
        except OSError:  # the client left
            self._settings.connections.add(self._worker, -1)
            connection.close()
