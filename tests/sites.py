"""Servers that answer as they are told to, and files that are asked of them."""

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shufflenet.errors import DownloadError
from shufflenet.files import downloads
from shufflenet.files.downloads import download
from shufflenet.spec import Preprocess
from shufflenet.zoo import Weights

BODY = bytes(range(256)) * 800  # 204,800 bytes: several pieces of 64 KiB
PIECE = 1 << 16
SHA256 = hashlib.sha256(BODY).hexdigest()
WRONG_SHA256 = hashlib.sha256(b"wrong").hexdigest()
PAGE = "https://example.org/page"
MIRROR = "https://example.com/folder (code 1234)"
Headers = Iterable[tuple[str, str]]


class Request(BaseHTTPRequestHandler):
    """A request, and the ways in which servers answer."""

    site: "Site"

    def do_GET(self) -> None:
        self.site.ranges.append(self.headers["Range"])
        (self.site.answers.pop(0) if self.site.answers else ranged)(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def send(
        self, status: int, body: bytes, length: int | None = None, headers: Headers = ()
    ) -> None:
        """Send a body, whose length may be announced wrongly, or not at all with -1."""
        self.send_response(status)
        if length != -1:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except ConnectionError:
            self.site.hung_up = True


Answer = Callable[[Request], None]


class Site(ThreadingHTTPServer):
    """A server that answers as it is told to, and then as servers should."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), type("Handler", (Request,), {"site": self}))
        self.answers: list[Answer] = []
        self.ranges: list[str | None] = []
        self.hung_up = False
        self.url = f"http://127.0.0.1:{self.server_port}/m.pth"


def ranged(request: Request) -> None:
    wanted = request.headers["Range"]
    start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
    if start >= len(BODY):
        return request.send(416, b"")
    return request.send(206 if start else 200, BODY[start:])


def whole(request: Request) -> None:
    request.send(200, BODY)


def cut(size: int) -> Answer:
    return lambda request: request.send(200, BODY[:size], len(BODY))


def status(code: int, *headers: tuple[str, str]) -> Answer:
    return lambda request: request.send(code, b"<html>", headers=headers)


def body(content: bytes, *headers: tuple[str, str], length: int | None = None) -> Answer:
    return lambda request: request.send(200, content, length, headers)


def silent(request: Request) -> None:
    """Send nothing until the client hangs up."""
    request.rfile.read(1)


def late(request: Request) -> None:
    """Answer when others have probably asked too; what is tested holds if they have not."""
    time.sleep(0.3)
    whole(request)


def weights(**values: str | int) -> Weights:
    return replace(
        Weights(
            name="net.source", network="net", source="torchvision", filename="m.pth",
            licence="MIT", preprocess=Preprocess(resize_px=256, crop_px=224),
            page=PAGE, mirror=MIRROR,
        ),
        **values,  # type: ignore[arg-type]  # each test names its own fields
    )  # fmt: skip


@contextmanager
def running() -> Iterator[Site]:
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep downloads in a folder of the test, without pauses; give the one of the net's file."""
    monkeypatch.setenv("SHUFFLENET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("SHUFFLENET_OFFLINE", raising=False)
    monkeypatch.setattr(downloads, "_PAUSES_S", (0.0, 0.0))
    return tmp_path / "home" / "downloads" / "net.source"


def files(folder: Path) -> list[str]:
    """The names of a folder's files; some versions of filelock leave the lock, which is empty."""
    return sorted(path.name for path in folder.glob("*") if path.suffix != ".lock")


def by_hand(folder: Path, where: str = "") -> str:
    folders = f"{PAGE} or {MIRROR}, where it may have another name than 'm.pth',"
    get = f"get 'm.pth' from {where}" if where else f"get the file of 'net' from {folders}"
    return f"{get} and put it at {str(folder / 'm.pth')!r}."


def refused(wanted: Weights, sentence: str) -> None:
    with pytest.raises(DownloadError, match=f"^{re.escape(sentence)}$"):
        download(wanted)
