"""The service as an enemy uses it: a status and a sentence, and the next request is answered."""

import asyncio
import contextlib
import itertools
import json
import socket
import struct
import time
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message

from services import GET, PATIENCE, Running, read_all, read_answer, running
from serving import picture, reddest
from shufflenet.serve import Limits, make_app
from shufflenet.serve._bodies import _Form  # which no program calls

PICTURE = picture(height=20, width=24)
LIMITS = Limits(request_bytes=1 << 20, images=64, held_bytes=4 << 20, seconds=20)
# What no answer holds: where the service lies, what it is written in, how it fails.
SECRETS = ("Traceback", "/usr", "/home", "/tmp", "site-packages", ".py", " at 0x", "Error(")


@dataclass(frozen=True)
class Answer:
    """What came back of a request."""

    status: int
    headers: dict[str, str]
    body: bytes

    def sentences(self) -> list[str]:
        """Return every error that it tells."""
        found: Any = [json.loads(line) for line in self.body.decode().splitlines() if line]
        return [each["error"] for each in found if "error" in each]


def check(answer: Answer, *statuses: int) -> Answer:
    """Check that an answer has one of these statuses and tells nothing but a sentence."""
    assert answer.status in statuses, (answer.status, answer.body[:300])
    text = answer.body.decode()
    assert not [secret for secret in SECRETS if secret in text], text
    for sentence in answer.sentences():
        assert sentence.endswith((".", "?")), sentence
        assert sentence.isprintable(), sentence
        assert len(sentence) < 600, sentence
    if answer.status >= 400:
        assert len(answer.sentences()) == 1
    return answer


def ask(
    app: ASGIApp, chunks: Iterable[bytes], headers: Sequence[tuple[str, str]] = (), query: str = ""
) -> Answer:
    """Send a body to ``/v1/classify`` in these chunks, as an HTTP server would."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/classify",
        "raw_path": b"/v1/classify",
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            *((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    left, sent = iter(chunks), list[Message]()

    async def receive() -> Message:
        chunk = next(left, None)
        if chunk is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.sleep(0)
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    async def answer() -> None:
        await app(scope, receive, send)

    asyncio.run(answer())
    start = sent[0]
    names = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], names, b"".join(each.get("body", b"") for each in sent[1:]))


@pytest.fixture(scope="module")
def app() -> ASGIApp:
    return make_app([reddest()], LIMITS, threads=1)


@pytest.fixture(autouse=True)
def the_next_is_answered(app: ASGIApp) -> Iterator[None]:
    yield
    assert ask(app, [PICTURE]).status == 200


def form_of(*parts: tuple[str, bytes], boundary: str = "edge") -> bytes:
    """Return a form; each part is its headers and its content."""
    bodies = [f"--{boundary}\r\n{head}\r\n\r\n".encode() + body + b"\r\n" for head, body in parts]
    return b"".join(bodies) + f"--{boundary}--\r\n".encode()


NAMED = 'Content-Disposition: form-data; name="a"; filename="a.png"'
FORM = [("content-type", "multipart/form-data; boundary=edge")]
PAIR = form_of((NAMED, PICTURE), (NAMED, b"no image"))


def test_a_body_that_comes_byte_by_byte_takes_no_more_memory(app: ASGIApp) -> None:
    ask(app, [PICTURE])  # what is made once
    tracemalloc.start()
    try:
        check(ask(app, itertools.repeat(b"x", 50_000)), 422)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000  # 100 bytes for each


# Bodies that are images, or not.


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """Return a gray PNG that states a size, and holds these rows, compressed."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(rows, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(picture(kind="JPEG")[:-200], id="a JPEG cut off"),
        pytest.param(picture(kind="JPEG")[:30], id="a JPEG's head"),
        pytest.param(picture(kind="WEBP")[:-20], id="a WebP cut off"),
        pytest.param(png(30_000, 30_000, bytes(30_001)), id="900 megapixels"),
        pytest.param(png(1, 89_000_000, b"\0\0"), id="a line of 89 megapixels"),
        pytest.param(png(89_000_000, 1, bytes(100)), id="a row of 89 megapixels"),
        pytest.param(png(0, 5), id="no pixels"),
        pytest.param(png(2**31 - 1, 2**31 - 1), id="as large as PNG can say"),
        pytest.param(b"\0" * 5000, id="zeros"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="SVG"),
        pytest.param(b"PK\x03\x04" + bytes(100), id="a zip"),
        pytest.param(b"GIF89a" + b"\xff" * 50, id="a GIF of 65,535 x 65,535"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", id="PostScript"),
        pytest.param(b"P6 9999999999 9 255\n", id="a PPM of a long number"),
    ],
)
def test_what_is_no_image_is_told_so(app: ASGIApp, body: bytes) -> None:
    answer = check(ask(app, [body]), 422)
    assert answer.sentences()[0].startswith("Cannot read '-' as an image: ")


@settings(max_examples=60, derandomize=True)
@given(st.data(), st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]))
def test_a_damaged_image_is_answered_or_refused(
    app: ASGIApp, data: st.DataObject, kind: str
) -> None:
    body = bytearray(picture(kind=kind, height=12, width=15))
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    check(ask(app, [bytes(body[: data.draw(st.integers(1, len(body)))])]), 200, 422)


# Bodies whose type or length is a lie.


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 415),
        ("text/plain; charset=utf-8", 415),
        ("multipart/mixed; boundary=edge", 415),
        ("multipart/form-data-x; boundary=edge", 415),
        ("\x00\x01", 415),
        ("application/../../etc/passwd", 415),
        ("x" * 8000, 415),
        ("a;" * 4000, 415),
        ("image/jpeg; boundary=edge", 200),
        ("IMAGE/anything at all", 200),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ('multipart/form-data; boundary=""', 400),
        ("multipart/form-data; boundary=é\xff", 400),
        ("multipart/form-data; boundary=" + "x" * 10_000, 400),
        ('multipart/form-data; boundary="' + '\\"' * 4000, 400),
        ("multipart/form-data" + "; a=b" * 5000, 400),
    ],
)
def test_a_type_is_refused_or_passed_over(app: ASGIApp, kind: str, status: int) -> None:
    check(ask(app, [PICTURE], [("content-type", kind)]), status)


@pytest.mark.parametrize(
    ("length", "status"),
    [("1048577", 413), ("9" * 15, 413), ("9" * 400, 200), ("-1", 200), ("x", 200), ("²", 200)],
)
def test_a_length_is_believed_only_where_it_is_too_much(
    app: ASGIApp, length: str, status: int
) -> None:
    check(ask(app, [PICTURE], [("content-length", length)]), status)


def test_an_endless_body_is_cut_off(app: ASGIApp) -> None:
    pieces = (bytes(1 << 16) for _ in itertools.count())
    assert check(ask(app, pieces), 413).headers["connection"] == "close"
    assert check(ask(app, itertools.repeat(b"--edge\r\n"), FORM), 400, 413)


def test_an_endless_form_is_cut_off(app: ASGIApp) -> None:
    start = form_of((NAMED, b""))[:-12]
    check(ask(app, itertools.chain([start], itertools.repeat(bytes(1 << 16))), FORM), 413)
    check(ask(app, itertools.chain([b"--edge\r\n"], itertools.repeat(b"X" * 999)), FORM), 400)
    check(ask(app, itertools.repeat(b"preamble" * 999), FORM), 400, 413)


# Forms.


def test_ten_thousand_parts_are_too_many(app: ASGIApp) -> None:
    answer = check(ask(app, [form_of(*[(NAMED, b"")] * 10_000)], FORM), 413)
    assert "64 images" in answer.sentences()[0]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(form_of((NAMED + "\r\nContent-Length: 1073741824", b"x")), id="1 GB declared"),
        pytest.param(form_of((NAMED + "\r\nContent-Length: -1", b"x")), id="a negative length"),
        pytest.param(form_of((NAMED + "\r\nA: b" * 500, b"x")), id="500 headers"),
        pytest.param(form_of((NAMED + "\r\nA: " + "b" * 9000, b"x")), id="a long header"),
        pytest.param(form_of(("A: b", b"x")), id="no name at all"),
        pytest.param(form_of(("Content-Disposition: attachment", b"x")), id="another disposition"),
        pytest.param(form_of(("no colon", b"x")), id="no header"),
        pytest.param(form_of((NAMED, b"x"), boundary="other"), id="another boundary"),
        pytest.param(b"--edge", id="only a boundary"),
        pytest.param(b"--edge\r\n", id="only a first line"),
        pytest.param(b"--edge--", id="only the end"),
        pytest.param(b"--edge\n" + PAIR, id="line feeds"),
        pytest.param(PAIR[:-12], id="no end"),
        pytest.param(b"\r\n" * 9999, id="empty lines"),
        pytest.param(b"--edge\r\n" + b"\r\n" * 9999, id="a part of empty lines"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_broken_form_is_refused(app: ASGIApp, body: bytes) -> None:
    check(ask(app, [body], FORM), 400)


def test_a_form_within_a_form_is_no_image(app: ASGIApp) -> None:
    inner = form_of((NAMED, PICTURE), boundary="inner")
    nested = form_of((NAMED + "\r\nContent-Type: multipart/mixed; boundary=inner", inner))
    assert len(check(ask(app, [nested], FORM), 200).sentences()) == 1


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "a\x00b\x1b[2J\x7f",
        "\u202eexe.jpg",
        "a%0d%0aSet-Cookie: x=y",
        "%22%00",
        "x" * 400,
        "<script>alert(1)</script>",
        "ü🐈",
        "C:\\a\\b.png",
        "",
        "{0.__class__}%s",
    ],
)
def test_a_name_is_given_back_as_text_and_nothing_else(app: ASGIApp, name: str) -> None:
    head = f'Content-Disposition: form-data; name="n"; filename="{name}"'
    answer = check(ask(app, [form_of((head, PICTURE), (head, b"no image"))], FORM), 200)
    good, bad = (json.loads(line) for line in answer.body.splitlines())
    assert good["path"] == bad["path"]
    assert "predictions" in good
    assert "set-cookie" not in answer.headers


def pieces(body: bytes, cuts: Sequence[int]) -> list[bytes]:
    ends = sorted({cut for cut in cuts if 0 < cut < len(body)} | {len(body)})
    return [body[start:end] for start, end in itertools.pairwise([0, *ends])]


@settings(max_examples=300, derandomize=True)
@given(st.lists(st.integers(1, len(PAIR)), max_size=8))
@example(cuts=[len(PAIR) - 2])  # the last line break by itself, as multipart's strict mode refuses
@example(cuts=[len(PAIR) - 4])
@example(cuts=list(range(len(PAIR))))
def test_a_form_is_read_alike_however_it_arrives(cuts: list[int]) -> None:
    form = _Form("edge", LIMITS)
    for piece in pieces(PAIR, cuts):
        form.feed(piece)
    assert form.sent().pictures == (PICTURE, b"no image")


def test_every_cut_of_a_form_is_answered_alike(app: ASGIApp) -> None:
    whole = ask(app, [PAIR], FORM).body
    for cut in (1, 5, 90, len(PAIR) - 9, len(PAIR) - 4, len(PAIR) - 2, len(PAIR) - 1):
        assert check(ask(app, pieces(PAIR, [cut]), FORM), 200).body == whole


@settings(max_examples=150, derandomize=True)
@given(st.data())
def test_a_mutated_form_is_answered_or_refused(app: ASGIApp, data: st.DataObject) -> None:
    body = bytearray(form_of((NAMED, b"no image"), (NAMED + "\r\nContent-Type: a/b", b"x")))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        until = min(len(body), at + data.draw(st.integers(0, 12)))
        new = st.binary(max_size=8) | st.sampled_from([b"\r\n", b"--edge", b"--edge--", b'"', b";"])
        body[at:until] = data.draw(new)
    cuts = data.draw(st.lists(st.integers(1, 300), max_size=4))
    check(ask(app, pieces(bytes(body), cuts), FORM), 200, 400)


# Parameters.


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("top=-1", 400),
        ("top=1e99", 400),
        ("top=" + "9" * 5000, 400),
        ("top=%00", 400),
        ("top=0x10", 400),
        ("top=5&top=-1", 400),
        ("model=../../etc/passwd", 404),
        ("model=/etc/passwd", 404),
        ("model=a%0d%0ab%1b%5b2J", 404),
        ("model=%ff%fe", 404),
        ("model=" + "x" * 5000, 404),
        ("model=%F0%9F%90%88", 404),
        ("model=reddest%00", 404),
        ("model=", 404),
        ("&&&", 200),
        ("&&&;;;===%%%", 400),
        ("\xff\xfe=\xff", 400),
    ],
)
def test_a_parameter_of_another_kind_is_refused(app: ASGIApp, query: str, status: int) -> None:
    check(ask(app, [PICTURE], query=query), status)


@settings(max_examples=100, derandomize=True)
@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_no_query_is_a_fault_of_the_service(app: ASGIApp, query: str) -> None:
    check(ask(app, [PICTURE], query=query), 200, 400, 404)
    check(ask(app, [PICTURE], query="model=" + query), 200, 400, 404)


# Over a connection.


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    limits = Limits(request_bytes=1 << 20, held_bytes=4 << 20, seconds=0.5)
    with running(make_app([reddest()], limits, threads=1)) as started:
        yield started


HEAD = b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\n"


def parsed(received: bytes) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return Answer(int(first.split()[1]), headers, body)


def whole(body: bytes) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize(
    ("request_", "statuses"),
    [
        pytest.param(HEAD + b"Content-Length: 99999999999\r\n\r\n", (413,), id="huge, unsent"),
        pytest.param(HEAD + b"Content-Length: 90000\r\n\r\nab", (408,), id="more than is sent"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n", (408,), id="no last chunk"
        ),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffff\r\nab",
            (400, 408),
            id="a chunk of 1 TB",
        ),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", (400,), id="no number"),
        pytest.param(HEAD + b"Content-Length: -5\r\n\r\n", (400,), id="a negative length"),
        pytest.param(
            HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", (400,), id="two lengths"
        ),
        pytest.param(
            HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            (400,),
            id="a length and chunks",
        ),
    ],
)
def test_a_lie_about_the_length_ends_the_connection(
    server: Running, request_: bytes, statuses: tuple[int, ...]
) -> None:
    check(parsed(server.ask(request_)), *statuses)
    with server.connect() as connection:
        connection.sendall(whole(PICTURE))
        assert parsed(read_answer(connection)).status == 200


def test_less_than_is_sent_leaves_no_second_request(server: Running) -> None:
    """What follows a body is the next request, which is none here: nothing is smuggled."""
    with server.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n" + b"ab" + b"cdef\r\n\r\n")
        received = parsed(read_all(connection))
    assert received.status in (400, 422)
    assert b"HTTP/1.1 200" not in received.body


def test_a_client_that_leaves_takes_nothing_with_it(server: Running) -> None:
    for _ in range(20):
        with server.connect() as connection:
            connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n" + bytes(1000))
    with server.connect() as connection:
        connection.sendall(whole(PICTURE))
        assert parsed(read_answer(connection)).status in (200, 429)


def test_who_announces_much_and_sends_little_keeps_no_one_out() -> None:
    limits = Limits(request_bytes=1 << 20, held_bytes=4 << 20, seconds=PATIENCE)
    service = make_app([reddest()], limits, threads=1)
    with running(service) as server, contextlib.ExitStack() as opened:
        slow = [opened.enter_context(server.connect()) for _ in range(6)]
        for connection in slow:
            connection.sendall(HEAD + b"Content-Length: 1048576\r\n\r\na")
        with server.connect() as other:
            deadline = time.monotonic() + PATIENCE
            held = b"\nshufflenet_held_bytes 6.0\n"  # all are being read
            while time.monotonic() < deadline:
                other.sendall(GET % b"metrics")
                if held in read_answer(other):
                    break
            other.sendall(whole(PICTURE))
            assert parsed(read_answer(other)).status == 200
        for connection in slow:
            connection.shutdown(socket.SHUT_RDWR)
