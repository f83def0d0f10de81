"""Servers that answer no sound HTTP, byte by byte: each ends in one sentence, and soon."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from shufflenet.errors import DownloadError, DownloadFailed, ServerUnreachable
from shufflenet.files import _transfer, downloads  # its limits are lowered
from shufflenet.files.downloads import download
from sites import BODY, SHA256, Site, body, files, home, running, status, weights

Serve = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return home(tmp_path, monkeypatch)


@pytest.fixture
def site() -> Iterator[Site]:
    with running() as server:
        yield server


@contextmanager
def serving(serve: Serve) -> Iterator[str]:
    """Run a server that answers each request by writing to its socket; yield its address."""

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client hung up
            connection.recv(1 << 16)
            serve(connection)

    def accept() -> None:
        with suppress(OSError):  # it was closed
            while True:
                threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/m.pth"
        server.shutdown(socket.SHUT_RDWR)


def sending(content: bytes) -> Serve:
    return lambda connection: connection.sendall(content)


def for_ever(before: bytes, again: bytes, pause_s: float = 0) -> Serve:
    def serve(connection: socket.socket) -> None:
        connection.sendall(before)
        while True:
            connection.sendall(again)
            time.sleep(pause_s)

    return serve


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("serve", "reason"),
    [
        (sending(b""), "Remote end closed connection without response"),
        (sending(b"220 ftp.example.org ready\r\n"), "the server's answer is no HTTP ('220 ftp.exa"),
        (sending(b"HTTP/1.1 abc OK\r\n\r\n"), "the server's answer is no HTTP ('HTTP/1.1 abc OK"),
        (sending(b"HTTP/1.1 -200 OK\r\n\r\n"), "the server's answer is no HTTP"),
        (sending(b"HTTP/9.9 200 OK\r\n\r\n"), "the server's answer is no HTTP ('HTTP/9.9')"),
        (sending(b"\xff" * 70_000), "the server's answer is no HTTP"),
        (sending(OK + b"A: " + b"b" * 70_000), "the server's answer is no HTTP ('got more than"),
        (sending(OK + b"A: b\r\n" * 200 + b"\r\n"), "the server's answer is no HTTP ('got more"),
        (for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 9), "no HTTP ('its headers do not end')"),
        (sending(OK + b"Content-Length: abc\r\n\r\nabc"), "announced a length of 'abc' bytes"),
        (sending(OK + b"Content-Length: -5\r\n\r\nabc"), "announced a length of '-5' bytes"),
        (sending(OK + b"Content-Length: 1_0\r\n\r\nabc"), "announced a length of '1_0' bytes"),
        (sending(OK + b"Content-Length: " + b"9" * 9000 + b"\r\n\r\nabc"), "a length of '99999999"),
        (
            sending(OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
            "announced a length of '3' bytes",
        ),
        (sending(OK + b"Content-Length: 9\r\n\r\nabc"), "the transfer ended after 3 of 9 bytes"),
        (sending(OK + b"Content-Length: 999999999999999\r\n\r\nabc"), "ended after 3 of 999999999"),
        (sending(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc"), "the transfer ended early"),
        (sending(OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\nabc"), "the transfer ended early"),
    ],
)
def test_an_answer_that_is_no_http_is_told(serve: Serve, reason: str, folder: Path) -> None:
    with serving(serve) as url, pytest.raises(ServerUnreachable) as error:
        download(weights(url=url))
    assert reason in str(error.value)
    assert files(folder) == []


@pytest.mark.parametrize(
    "sent",
    [
        b"Content-Length: 200\r\n\r\n" + bytes(300),
        b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    ],
)
def test_a_body_that_is_another_is_refused_by_its_hash(sent: bytes, folder: Path) -> None:
    with serving(sending(OK + sent)) as url, pytest.raises(DownloadError):
        download(weights(url=url, sha256=SHA256))
    assert "m.pth" not in files(folder)


@pytest.mark.parametrize(
    ("before", "again"),
    [
        (OK + b"Content-Length: 5000\r\n\r\n", b"a"),
        (OK + b"\r\n", b"a"),
        (OK, b"A"),
        (b"", b"H"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
)
def test_a_server_that_sends_a_byte_now_and_then_is_left(
    before: bytes, again: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_transfer, "WINDOW_S", 0.2)
    monkeypatch.setattr(downloads, "_PAUSES_S", ())
    with (
        serving(for_ever(before, again, 0.05)) as url,
        pytest.raises(ServerUnreachable, match="the server sent less than 1000 bytes a second"),
    ):
        download(weights(url=url))
    assert files(folder) == []


def test_a_slow_server_that_is_fast_enough_is_heard_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(BODY))
        for start in range(0, len(BODY), 20_480):
            time.sleep(0.03)
            connection.sendall(BODY[start : start + 20_480])

    monkeypatch.setattr(_transfer, "WINDOW_S", 0.05)
    with serving(serve) as url:
        assert download(weights(url=url, sha256=SHA256)).read_bytes() == BODY


def test_trailers_that_do_not_end_are_not_read(folder: Path) -> None:
    chunk = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
    serve = for_ever(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunk, b"a: b\r\n" * 1000)
    with serving(serve) as url:
        assert download(weights(url=url, sha256=SHA256)).read_bytes() == BODY


def test_a_connection_that_is_reset_is_told(folder: Path) -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: 5000\r\n\r\nabc")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with serving(serve) as url, pytest.raises(ServerUnreachable, match="reset|ended after"):
        download(weights(url=url))
    assert files(folder) == []


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/hostname", "'file' is neither http nor https"),
        ("ftp://127.0.0.1/m.pth", "'ftp' is neither http nor https"),
        ("data:text/plain,abc", "'data' is neither http nor https"),
        ("http://", "the address 'http://' names no host"),
        ("http:///m.pth", "names no host"),
        ("http://[::1/m.pth", "is no address"),
        ("http://127.0.0.1:port/", "is no address (Port could not be cast to integer"),
        ("http://127.0.0.1:99999/", "is no address (Port out of range"),
        ("http://user:word@127.0.0.1/", "has a user's name"),
        ("http://" + "a" * 70 + ".example/", "the address or the proxy cannot be used"),
        ("", "it redirects to no address"),
        ("/m.pth", "it redirects more than 10 times"),
    ],
)
def test_a_redirect_to_no_address_is_told(site: Site, location: str, reason: str) -> None:
    site.answers = [status(302, ("Location", location))] * 20
    with pytest.raises(DownloadFailed) as error:
        download(weights(url=site.url, sha256=SHA256))
    assert reason in str(error.value)


def test_a_redirect_without_a_location_is_told(site: Site) -> None:
    site.answers = [status(302)]
    with pytest.raises(DownloadFailed, match="it redirects to no address"):
        download(weights(url=site.url, sha256=SHA256))


def test_a_redirect_in_letters_of_any_kind_is_followed(site: Site) -> None:
    site.answers = [status(307, ("Location", "/modèle (1).pth?a=b%20c"))]
    assert download(weights(url=site.url, sha256=SHA256)).read_bytes() == BODY


def test_no_redirect_leaves_an_encrypted_connection() -> None:
    with pytest.raises(_transfer.Refused, match="from https to 'http://b/c', which is not encrypt"):
        _transfer._next_address("https://a/b", "http://b/c")
    assert _transfer._next_address("https://a/b", "//b/c") == "https://b/c"
    assert _transfer._next_address("http://a/b", "https://b/c") == "https://b/c"


@pytest.mark.parametrize("code", [201, 204, 205, 206, 299])
def test_a_success_without_a_file_is_told(site: Site, code: int) -> None:
    site.answers = [status(code)]
    with pytest.raises(DownloadFailed, match=f"the server answered HTTP {code} where it should"):
        download(weights(url=site.url))


def test_an_empty_file_is_no_file(site: Site, folder: Path) -> None:
    site.answers = [body(b"")]
    with pytest.raises(DownloadError, match="the file is empty, so it was deleted"):
        download(weights(url=site.url))
    assert files(folder) == []


@pytest.mark.parametrize("url", ["http://", "https://a:b/", "ftp://a/b", "http://[", "m.pth", "\0"])
def test_an_address_in_the_catalogue_that_is_none_is_told(url: str) -> None:
    with pytest.raises(DownloadFailed, match=r"could not be downloaded from"):
        download(weights(url=url))


@pytest.mark.parametrize("proxy", ["http://", "::", "http://[", "127.0.0.1:port", "\x7f", "file:/"])
def test_a_proxy_that_is_none_is_told(
    proxy: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(DownloadError, match="could not be downloaded from"):
        download(weights(url=site.url, sha256=SHA256))
