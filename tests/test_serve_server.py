"""Connections: what each may take, what is answered when it takes more, and how they end."""

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from services import GET, LARGE, PATIENCE, Echo, Running, read_all, read_answer, running
from shufflenet.errors import SpecError
from shufflenet.serve import ConnectionLimits

CLOSING = b"Connection: close\r\n\r\n"
POST = b"POST /%s HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def plain() -> Iterator[Running]:
    with running(Echo()) as server:
        yield server


def refused(received: bytes) -> tuple[int, str]:
    """Return the status and the sentence of an answer after which the connection was closed."""
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in head
    return int(head.split()[1]), json.loads(body)["error"]


def test_a_head_that_comes_slowly_is_cut_off() -> None:
    with running(Echo(), ConnectionLimits(head_seconds=0.2)) as server:
        status, sentence = refused(server.ask(b"GET / HTTP/1.1\r\nHost: local"))
    assert (status, sentence) == (408, "The headers of the request did not arrive in time.")


def test_a_head_that_comes_byte_by_byte_is_cut_off() -> None:
    with running(Echo(), ConnectionLimits(head_seconds=0.3)) as server, server.connect() as slow:
        ended = threading.Event()

        def drip() -> None:
            try:
                while not ended.wait(0.02):
                    slow.sendall(b"a")
            except OSError:
                return

        slow.sendall(b"GET / HTTP/1.1\r\nX: ")
        sender = threading.Thread(target=drip)
        sender.start()
        assert refused(read_all(slow))[0] == 408
        ended.set()
        sender.join()


def test_a_connection_that_sends_nothing_is_closed_without_a_word() -> None:
    with running(Echo(), ConnectionLimits(head_seconds=0.1)) as server:
        assert server.ask(b"") == b""


def test_empty_lines_are_no_request() -> None:
    limits = ConnectionLimits(head_seconds=0.3, idle_seconds=PATIENCE)
    with running(Echo(), limits) as server, server.connect() as connection:
        connection.sendall(GET % b"a")
        read_answer(connection)
        connection.sendall(b"\r\n")
        assert refused(read_all(connection))[0] == 408


def test_a_second_head_that_comes_slowly_is_cut_off() -> None:
    limits = ConnectionLimits(head_seconds=0.2, idle_seconds=PATIENCE)
    with running(Echo(), limits) as server, server.connect() as connection:
        connection.sendall(GET % b"a")
        assert read_answer(connection).endswith(b"/a 0")
        connection.sendall(b"GET /b")
        assert refused(read_all(connection))[0] == 408


def test_a_slow_body_is_left_to_the_app() -> None:
    limits = ConnectionLimits(head_seconds=0.2)
    with running(Echo(), limits) as server, server.connect() as connection:
        connection.sendall(POST % b"a" + b"Content-Length: 4\r\n\r\nab")
        connection.settimeout(0.6)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(PATIENCE)
        connection.sendall(b"cd")
        assert read_answer(connection).endswith(b"/a 4")


def test_an_idle_connection_is_closed() -> None:
    limits = ConnectionLimits(idle_seconds=0.1)
    with running(Echo(), limits) as server, server.connect() as connection:
        connection.sendall(GET % b"a")
        assert read_all(connection).endswith(b"/a 0")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(b"X: " + bytes(10 << 20).replace(b"\0", b"a"), id="one of 10 MB"),
        pytest.param(b"a:b\r\n" * 1_000_000, id="a million short ones"),
        pytest.param(b"a:b\r\n" * 101, id="one too many"),
        pytest.param(b"a" * (1 << 20), id="a name of 1 MB"),
        pytest.param(b"X: " + b"a" * (64 << 10), id="as much as arrives at once"),
    ],
)
def test_large_heads_are_refused(plain: Running, headers: bytes) -> None:
    status, sentence = refused(plain.ask(b"GET / HTTP/1.1\r\n" + headers + b"\r\n\r\n"))
    assert (status, sentence) == (431, "The headers of the request are too large or too many.")


def test_a_long_address_is_refused(plain: Running) -> None:
    assert refused(plain.ask(GET % (b"a" * (1 << 20))))[0] == 431


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\n\r\n",
        b"GET http://localhost HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_is_no_request_is_told_so(plain: Running, request_: bytes) -> None:
    assert refused(plain.ask(request_)) == (400, "The request is no HTTP/1.1.")


def test_a_broken_chunk_ends_a_request_that_is_read(plain: Running) -> None:
    request = POST % b"a" + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n"
    assert refused(plain.ask(request))[0] == 400


def test_trailers_are_no_headers() -> None:
    app = Echo()
    body = b"3\r\nabc\r\n0\r\nAuthorization: Bearer x\r\nHost: elsewhere\r\n\r\n"
    head = POST % b"a" + b"Transfer-Encoding: chunked\r\n"
    with running(app) as server, server.connect() as connection:
        connection.sendall(head + b"Trailer: Authorization\r\n\r\n" + body)
        assert read_answer(connection).endswith(b"/a 3")
        assert [name for name, _ in app.headers] == [b"host", b"transfer-encoding", b"trailer"]
        connection.sendall(GET % b"b")
        assert read_answer(connection).endswith(b"/b 0")


@pytest.mark.parametrize("trailer", [b"a:b\r\n" * 1000, b"a" * (2 << 20)])
def test_large_trailers_are_refused(plain: Running, trailer: bytes) -> None:
    head = POST % b"a" + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    assert refused(plain.ask(head + trailer))[0] == 431


def test_a_body_in_chunks_of_one_byte_is_read(plain: Running) -> None:
    with plain.connect() as connection:
        connection.sendall(POST % b"a" + b"Transfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"1\r\na\r\n" * 50_000 + b"0\r\n\r\n")
        assert read_answer(connection).endswith(b"/a 50000")


def test_requests_sent_together_are_answered_in_order(plain: Running) -> None:
    with plain.connect() as connection:
        connection.sendall(b"".join(GET % b"%d" % n for n in range(10)))
        connection.sendall(b"GET /last HTTP/1.1\r\n" + CLOSING)
        bodies = [part.split(b"HTTP/1.1")[0] for part in read_all(connection).split(b"\r\n\r\n")]
    assert bodies[1:] == [b"/%d 0" % n for n in range(10)] + [b"/last 0"]


def test_too_many_requests_sent_together_end_the_connection(plain: Running) -> None:
    with plain.connect() as connection:
        connection.sendall((GET % b"a") * 10_000)
        try:
            received = read_all(connection)
        except ConnectionResetError:
            received = b""
    assert received.count(b"HTTP/1.1 200") < 10_000


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        (b"GET", b"\r\n", 0),
        (b"POST", b"Content-Length: 0\r\n\r\n", 0),
        (b"POST", b"Content-Length: 6\r\n\r\nabcdef", 6),
        (b"POST", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", 6),
    ],
)
@pytest.mark.parametrize("cut", [0, 2, 9])
def test_an_upgrade_is_declined_and_its_request_answered(
    plain: Running, method: bytes, body: bytes, length: int, cut: int
) -> None:
    head = b" /a HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    request = method + head + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n" + body
    with plain.connect() as connection:
        for part in (request[: len(request) - cut], request[len(request) - cut :]):
            connection.sendall(part)
            threading.Event().wait(0.02)  # so that parts arrive apart
        assert read_answer(connection).endswith(b"/a %d" % length)
        connection.sendall(GET % b"b")  # and the connection goes on
        assert read_answer(connection).endswith(b"/b 0")


def test_a_client_that_is_still_sending_gets_the_answer_that_ends_its_request(
    plain: Running,
) -> None:
    body = bytes(20 << 20)
    with plain.connect() as connection:
        connection.sendall(POST % b"early" + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_never_stops_sending_is_closed() -> None:
    limits = ConnectionLimits(linger_seconds=0.2)
    with running(Echo(), limits) as server, server.connect() as connection:
        connection.sendall(POST % b"early" + b"Transfer-Encoding: chunked\r\n\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            send_for_ever(connection, b"3\r\nabc\r\n")


def send_for_ever(connection: socket.socket, content: bytes) -> None:
    while True:
        connection.sendall(content)


def test_an_answer_that_nobody_reads_is_thrown_away() -> None:
    app = Echo()
    limits = ConnectionLimits(write_seconds=0.2)
    with running(app, limits) as server, server.connect() as connection:
        connection.sendall(GET % b"large")
        assert app.ended.wait(PATIENCE)
        while server.server.server_state.connections:
            threading.Event().wait(0.01)
        assert len(read_all(connection)) < LARGE


def test_more_connections_than_may_be_open_are_refused() -> None:
    with running(Echo(), ConnectionLimits(open=2)) as server:
        first, second = server.connect(), server.connect()
        for connection in (first, second):
            connection.sendall(GET % b"a")
            read_answer(connection)
        received = server.ask(GET % b"b")
        assert b"\r\nretry-after: " in received
        sentence = "The service has as many open connections as it takes. Try again later."
        assert refused(received) == (503, sentence)
        first.sendall(GET % b"c")  # they are served on
        assert read_answer(first).endswith(b"/c 0")
        first.close()
        assert eventually_answered(server)
        second.close()


def eventually_answered(server: Running) -> bool:
    """Return whether a connection is taken once the server has noticed that another was closed."""
    for _ in range(1000):
        with server.connect() as connection:
            connection.sendall(GET % b"d")
            if read_answer(connection).startswith(b"HTTP/1.1 200"):
                return True
    return False


def is_refused_at_last(server: Running) -> bool:
    while True:
        try:
            server.connect().close()
        except ConnectionRefusedError:
            return True


def test_ending_answers_what_was_accepted() -> None:
    app, ending = Echo(), threading.Event()
    with running(app, on_end=ending.set) as server:
        idle, busy = server.connect(), server.connect()
        idle.sendall(GET % b"a")
        read_answer(idle)
        busy.sendall(GET % b"wait")
        assert app.began.wait(PATIENCE)
        assert not ending.is_set()
        server.end()
        assert ending.wait(PATIENCE)
        assert read_all(idle) == b""
        assert is_refused_at_last(server)
        app.may_end.set()
        received = read_all(busy)
        assert received.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in received
        idle.close()
        busy.close()


def test_ending_answers_connections_that_wait_to_be_accepted() -> None:
    """While the loop is busy, the system accepts connections that nobody has seen yet."""
    blocked, may_go_on = threading.Event(), threading.Event()

    async def app(scope: object, receive: object, send: object) -> None:
        if scope["type"] == "http" and scope["path"] == "/block":  # type: ignore[index]
            server.end()
            blocked.set()
            may_go_on.wait(PATIENCE)  # the loop itself
        await Echo()(scope, receive, send)  # type: ignore[arg-type]

    with running(app) as server:
        first = server.connect()
        first.sendall(GET % b"block")
        assert blocked.wait(PATIENCE)
        waiting = [server.connect() for _ in range(5)]
        for connection in waiting[:3]:
            connection.sendall(GET % b"a")
        may_go_on.set()
        assert read_all(first).endswith(b"/block 0")
        assert all(read_all(connection).endswith(b"/a 0") for connection in waiting[:3])
        assert all(read_all(connection) == b"" for connection in waiting[3:])
        for connection in (first, *waiting):
            connection.close()


def test_a_client_that_leaves_is_no_fault(plain: Running) -> None:
    for _ in range(20):
        connection = plain.connect()
        connection.sendall(POST % b"a" + b"Content-Length: 9\r\n\r\na")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    with plain.connect() as connection:
        connection.sendall(GET % b"a")
        assert read_answer(connection).endswith(b"/a 0")


@pytest.mark.parametrize("field", ["open", "head_seconds", "write_seconds"])
def test_limits_that_cannot_be_are_refused(field: str) -> None:
    with pytest.raises(SpecError, match=f"{field} is 0"):
        ConnectionLimits(**{field: 0})


def test_an_answer_of_the_app_goes_out_whole(plain: Running) -> None:
    with plain.connect() as connection:
        connection.sendall(GET % b"large")
        assert len(read_answer(connection)) > LARGE


def test_what_the_app_never_sees_is_told_with_its_status() -> None:
    told: list[int] = []
    many = b"".join(b"X-%d: 1\r\n" % n for n in range(9))
    with (
        running(Echo(), ConnectionLimits(open=1, headers=5), on_refusal=told.append) as server,
        server.connect() as kept,
    ):
        kept.sendall(GET % b"here")
        read_answer(kept)
        server.ask(b"")
        kept.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + many + b"\r\n")
        read_all(kept)
    assert told == [503, 431]
