"""Servers in this process, and what is sent to them byte by byte."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from shufflenet.serve import ConnectionLimits
from shufflenet.serve.process._beats import Beats  # what serve() puts together
from shufflenet.serve.process._connections import OpenConnections
from shufflenet.serve.process._listen import listen
from shufflenet.serve.process._server import Server, WorkerApp, WorkerSettings
from shufflenet.serve.process._worker import new_loop

PATIENCE = 60.0  # s, of whatever waits; on no machine does it take that long
LARGE = 24 << 20  # more than systems keep of a connection
GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass(eq=False)
class Echo:
    """An app that answers with the length of the body, or does what the path says."""

    began: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        self.headers = scope["headers"]
        match scope["path"]:
            case "/early":
                await answer(send, b"no", 413)
            case "/large":
                await answer(send, bytes(LARGE))
                self.ended.set()
            case "/wait":
                self.began.set()
                while not self.may_end.is_set():
                    await asyncio.sleep(0.01)
                await answer(send, b"waited")
            case "/fault":
                raise ZeroDivisionError
            case path:
                length = 0
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    length += len(message["body"])
                    if not message["more_body"]:
                        break
                await answer(send, f"{path} {length}".encode())
        self.headers = scope["headers"]


async def answer(send: Send, body: bytes, status: int = 200) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


@dataclass(eq=False)
class Running:
    """A server in a thread of this process."""

    port: int
    server: Server
    thread: threading.Thread

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, request: bytes) -> bytes:
        """Send bytes and return all that comes until the server closes."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)

    def end(self) -> None:
        self.server.should_exit = True


@contextmanager
def running(
    app: ASGIApp,
    limits: ConnectionLimits | None = None,
    on_end: Callable[[], None] = lambda: None,
    on_refusal: Callable[[int], None] = lambda status: None,
) -> Iterator[Running]:
    sockets = listen("127.0.0.1", 0)
    ready = threading.Event()
    settings = WorkerSettings(
        sockets,
        OpenConnections(1),
        Beats(1),
        limits=limits or ConnectionLimits(),
        end_seconds=PATIENCE,
    )
    server = Server(WorkerApp(app, on_end, on_refusal), 0, settings, ready.set)
    port = sockets[0].getsockname()[1]

    def run() -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(server.serve())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield Running(port, server, thread)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the other end closes."""
    received = bytearray()
    while chunk := connection.recv(1 << 16):
        received += chunk
    return bytes(received)


def read_answer(connection: socket.socket) -> bytes:
    """Return one answer, whose length its head tells."""
    received = bytearray()
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(1 << 16)
        assert chunk, bytes(received)
        received += chunk
    end = received.index(b"\r\n\r\n") + 4
    length = int(received[:end].lower().partition(b"content-length:")[2].split()[0])
    while len(received) < end + length:
        chunk = connection.recv(1 << 16)
        assert chunk
        received += chunk
    return bytes(received)
