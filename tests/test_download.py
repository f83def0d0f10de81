import errno
import hashlib
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shufflenet import download
from shufflenet.errors import DownloadError, WriteError
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
    time.sleep(0.3)


def late(request: Request) -> None:
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


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHUFFLENET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("SHUFFLENET_OFFLINE", raising=False)
    monkeypatch.setattr(download, "_PAUSES_S", (0.0, 0.0))
    return tmp_path / "home" / "downloads" / "net.source"


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def files(folder: Path) -> list[str]:
    """The names of a folder's files; some versions of filelock leave the lock, which is empty."""
    return sorted(path.name for path in folder.glob("*") if path.suffix != ".lock")


def by_hand(folder: Path, where: str = "") -> str:
    folders = f"{PAGE} or {MIRROR}, where it may have another name than 'm.pth',"
    get = f"get 'm.pth' from {where}" if where else f"get the file of 'net' from {folders}"
    return f"{get} and put it at {str(folder / 'm.pth')!r}."


def refused(wanted: Weights, sentence: str) -> None:
    with pytest.raises(DownloadError, match=f"^{re.escape(sentence)}$"):
        download.fetch(wanted)


@pytest.mark.parametrize(
    "known",
    [
        {"sha256": SHA256, "bytes": len(BODY)},
        {"sha256": SHA256[:8].upper()},
        {"md5": hashlib.md5(BODY).hexdigest()},
    ],
)
def test_a_file_is_brought_once(site: Site, folder: Path, known: dict[str, str]) -> None:
    wanted = weights(url=site.url, **known)
    assert download.fetch(wanted) == folder / "m.pth"
    assert (folder / "m.pth").read_bytes() == BODY
    assert files(folder) == ["m.pth"]
    assert download.fetch(wanted) == folder / "m.pth"
    assert site.ranges == [None]


def test_progress_counts_the_bytes_on_disk(site: Site) -> None:
    site.answers = [cut(PIECE + 1)]
    seen: list[tuple[int, int | None]] = []
    wanted = weights(url=site.url, sha256=SHA256)
    download.fetch(wanted, on_progress=lambda done, total: seen.append((done, total)))
    assert {total for _, total in seen} == {len(BODY)}
    counts = [done for done, _ in seen]
    assert counts == sorted(counts)
    assert counts[-1] == len(BODY)


def test_equal_filenames_of_two_sources_do_not_meet(site: Site) -> None:
    one = download.fetch(weights(url=site.url, sha256=SHA256))
    other = download.fetch(weights(name="net.other", url=site.url, sha256=SHA256))
    assert one != other


def test_the_cache_is_the_users_unless_the_environment_names_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert download.home() == tmp_path / "home"
    monkeypatch.setenv("SHUFFLENET_HOME", "here")
    assert download.home() == Path.cwd() / "here"
    monkeypatch.delenv("SHUFFLENET_HOME")
    assert "shufflenet" in str(download.home())


def test_a_file_of_no_published_hash_is_taken_and_its_hash_told(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(2):
        download.fetch(weights(url=site.url))
    told = f"No hash of 'net.source' is published; this file has the sha256 {SHA256}."
    assert caplog.messages == [told, told]
    assert site.ranges == [None]


# What a person fetches, and what may not be fetched


@pytest.mark.parametrize("known", [{"sha256": SHA256}, {}])
def test_a_file_that_a_person_put_there_is_used(folder: Path, known: dict[str, str]) -> None:
    refused(
        weights(**known),
        "The weights 'net.source' must be fetched by hand, and the cached file is missing. "
        f"To go on, {by_hand(folder)}",
    )
    folder.mkdir(parents=True)
    (folder / "m.pth").write_bytes(BODY)
    assert download.fetch(weights(**known)) == folder / "m.pth"


@pytest.mark.parametrize(
    ("known", "fault"),
    [
        ({"bytes": 9}, "has 5 of 9 bytes"),
        ({"bytes": 3}, "is larger than 3 bytes"),
        ({"sha256": "abc"}, f"has the sha256 {WRONG_SHA256}, not abc"),
        ({"md5": "abc"}, f"has the md5 {hashlib.md5(b'wrong').hexdigest()}, not abc"),
    ],
)
def test_a_wrong_file_that_a_person_put_there_is_refused_and_kept(
    folder: Path, known: dict[str, str], fault: str
) -> None:
    folder.mkdir(parents=True)
    (folder / "m.pth").write_bytes(b"wrong")
    refused(
        weights(**known),
        f"The weights 'net.source' must be fetched by hand, and the cached file {fault}. "
        f"To go on, {by_hand(folder)}",
    )
    assert files(folder) == ["m.pth"]


def test_offline_the_cache_still_works_and_nothing_else(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHUFFLENET_OFFLINE", "1")
    wanted = weights(url=site.url, sha256=SHA256)
    refused(
        wanted,
        "The weights 'net.source' are not downloaded while SHUFFLENET_OFFLINE is set, and the "
        f"cached file is missing. Unset it, or {by_hand(folder, site.url)}",
    )
    monkeypatch.setenv("SHUFFLENET_OFFLINE", "0")
    download.fetch(wanted)
    monkeypatch.setenv("SHUFFLENET_OFFLINE", "1")
    assert download.fetch(wanted).read_bytes() == BODY
    assert len(site.ranges) == 1


def test_a_cached_file_that_was_damaged_is_brought_again(site: Site, folder: Path) -> None:
    wanted = weights(url=site.url, sha256=SHA256)
    download.fetch(wanted).write_bytes(b"damaged")
    assert download.fetch(wanted).read_bytes() == BODY
    assert files(folder) == ["m.pth"]


@pytest.mark.parametrize("scheme", ["ftp", "file", ""])
def test_only_web_links_are_followed(folder: Path, scheme: str) -> None:
    url = f"{scheme}://example.org/m.pth"
    refused(
        weights(url=url),
        f"The weights 'net.source' could not be downloaded from {url!r}: {scheme!r} is neither "
        f"http nor https. To go on, {by_hand(folder, url)}",
    )


# Transfers that end early


def test_an_interrupted_download_is_continued(site: Site, folder: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    wanted = weights(url=site.url, sha256=SHA256)
    with pytest.raises(KeyboardInterrupt):
        download.fetch(wanted, on_progress=interrupt)
    assert (folder / "m.pth.partial").read_bytes() == BODY[:PIECE]
    assert download.fetch(wanted).read_bytes() == BODY
    assert site.ranges == [None, f"bytes={PIECE}-"]
    assert files(folder) == ["m.pth"]


def test_a_transfer_cut_short_is_continued_in_the_same_call(site: Site, folder: Path) -> None:
    site.answers = [cut(1000), status(503)]
    download.fetch(weights(url=site.url, sha256=SHA256))
    assert site.ranges == [None, "bytes=1000-", "bytes=1000-"]
    assert files(folder) == ["m.pth"]


def test_a_body_of_unannounced_length_cut_short_is_continued(site: Site) -> None:
    site.answers = [body(BODY[:1000], length=-1)]
    download.fetch(weights(url=site.url, sha256=SHA256, bytes=len(BODY)))
    assert site.ranges == [None, "bytes=1000-"]


def test_where_no_hash_would_tell_nothing_is_continued_or_kept(site: Site, folder: Path) -> None:
    site.answers = [cut(1000)]
    assert download.fetch(weights(url=site.url)).read_bytes() == BODY
    assert site.ranges == [None, None]
    (folder / "m.pth").unlink()

    def interrupted(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download.fetch(weights(url=site.url), on_progress=interrupted)
    assert files(folder) == []


def test_a_server_without_ranges_sends_all_again(site: Site, folder: Path) -> None:
    site.answers = [cut(1000), whole]
    assert download.fetch(weights(url=site.url, sha256=SHA256)).read_bytes() == BODY
    assert site.ranges == [None, "bytes=1000-"]


@pytest.mark.parametrize("known", [{}, {"bytes": len(BODY)}])
@pytest.mark.parametrize("left", [b"another file", b"x" * len(BODY), BODY + b"too long"])
def test_the_rest_of_another_file_is_not_believed(
    site: Site, folder: Path, left: bytes, known: dict[str, int]
) -> None:
    folder.mkdir(parents=True)
    (folder / "m.pth.partial").write_bytes(left)
    assert download.fetch(weights(url=site.url, sha256=SHA256, **known)).read_bytes() == BODY
    assert site.ranges[-1] is None


def test_a_partial_file_that_was_complete_needs_only_its_name(site: Site, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "m.pth.partial").write_bytes(BODY)
    download.fetch(weights(url=site.url, sha256=SHA256, bytes=len(BODY)))
    assert site.ranges == []
    assert files(folder) == ["m.pth"]


def test_a_transfer_that_never_ends_well_is_told_and_kept(site: Site, folder: Path) -> None:
    site.answers = [cut(1000), cut(2000), cut(3000)]  # none of which heeds the range
    refused(
        weights(url=site.url, sha256=SHA256),
        f"The weights 'net.source' could not be downloaded from {site.url!r}: the transfer ended "
        f"after 3000 of 204800 bytes. Run the command again later, or {by_hand(folder, site.url)}",
    )
    assert files(folder) == ["m.pth.partial"]


# Servers and networks that fail


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (404, "the link is dead (HTTP 404)"),
        (410, "the link is dead (HTTP 410)"),
        (403, "the server refuses (HTTP 403)"),
    ],
)
def test_what_will_not_pass_is_told_at_once(
    site: Site, folder: Path, code: int, meaning: str
) -> None:
    site.answers = [status(code)]
    refused(
        weights(url=site.url, sha256=SHA256),
        f"The weights 'net.source' could not be downloaded from {site.url!r}: {meaning}. "
        f"To go on, {by_hand(folder, site.url)}",
    )
    assert len(site.ranges) == 1
    assert files(folder) == []


def test_what_may_pass_is_tried_again_and_then_told(site: Site, folder: Path) -> None:
    site.answers = [status(500)] * 3
    refused(
        weights(url=site.url, sha256=SHA256),
        f"The weights 'net.source' could not be downloaded from {site.url!r}: the server answered "
        f"HTTP 500. Run the command again later, or {by_hand(folder, site.url)}",
    )
    assert len(site.ranges) == 3


def test_a_silent_server_is_not_awaited_for_ever(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_TIMEOUT_S", 0.1)
    site.answers = [silent] * 3
    refused(
        weights(url=site.url, sha256=SHA256),
        f"The weights 'net.source' could not be downloaded from {site.url!r}: the server was "
        f"silent for 0.1 s. Run the command again later, or {by_hand(folder, site.url)}",
    )


def test_a_server_that_falls_silent_is_asked_for_the_rest(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(request: Request) -> None:
        cut(PIECE)(request)
        time.sleep(0.3)

    monkeypatch.setattr(download, "_TIMEOUT_S", 0.1)
    site.answers = [stuck]
    download.fetch(weights(url=site.url, sha256=SHA256))
    assert site.ranges == [None, f"bytes={PIECE}-"]


def test_a_missing_network_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    url = "https://example.org/m.pth"
    refused(
        weights(url=url, sha256=SHA256),
        f"The weights 'net.source' could not be downloaded from {url!r}: there is no network, or "
        f"no host of that name. Run the command again later, or {by_hand(folder, url)}",
    )


def test_a_closed_port_is_told(site: Site, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/m.pth"
    with pytest.raises(DownloadError, match=f"{url}': Connection refused. Run the command again"):
        download.fetch(weights(url=url))


def test_a_redirect_is_followed_with_its_range(site: Site, folder: Path) -> None:
    site.answers = [cut(1000), status(302, ("Location", "/elsewhere"))]
    download.fetch(weights(url=site.url, sha256=SHA256))
    assert site.ranges == [None, "bytes=1000-", "bytes=1000-"]


def test_a_redirect_out_of_the_web_is_not_followed(site: Site) -> None:
    site.answers = [status(302, ("Location", "file:///etc/hostname"))]
    with pytest.raises(DownloadError, match=r"the server refuses \(HTTP 302\)"):
        download.fetch(weights(url=site.url))


# Files that are not what was published


@pytest.mark.parametrize(
    ("known", "fault"),
    [
        ({"sha256": "abc"}, f"has the sha256 {WRONG_SHA256}, not abc"),
        ({"sha256": SHA256, "bytes": 9}, "has 5 of 9 bytes"),
        ({"bytes": 9}, "has 5 of 9 bytes"),
        ({"bytes": 3}, "is larger than 3 bytes"),
    ],
)
def test_a_wrong_file_is_told_and_not_kept(
    site: Site, folder: Path, known: dict[str, str], fault: str
) -> None:
    site.answers = [body(b"wrong")]
    refused(
        weights(url=site.url, **known),
        f"The weights 'net.source' came wrong from {site.url!r}: the file {fault}, so it was "
        f"deleted. Run the command again; if that does not help, {by_hand(folder, site.url)}",
    )
    assert files(folder) == []
    assert len(site.ranges) == 1


def test_a_web_page_is_no_file_where_no_hash_would_tell(site: Site, folder: Path) -> None:
    page = body(b"<html>Log in", ("Content-Type", "text/html; charset=utf-8"))
    site.answers = [status(302, ("Location", "/login")), page]
    refused(
        weights(url=site.url),
        f"The weights 'net.source' could not be downloaded from {site.url!r}: a web page came "
        f"instead of the file. To go on, {by_hand(folder, site.url)}",
    )
    assert files(folder) == []


@pytest.mark.parametrize("size", [1000, 0])
def test_an_endless_body_is_stopped(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def endless(request: Request) -> None:
        request.send(200, BODY, length=-1)
        while not site.hung_up:
            try:
                request.wfile.write(BODY)
            except ConnectionError:
                site.hung_up = True

    monkeypatch.setattr(download, "_CAP_BYTES", 1000)
    site.answers = [endless]
    with pytest.raises(DownloadError, match="the file is larger than 1000 bytes, so it was delet"):
        download.fetch(weights(url=site.url, bytes=size))
    assert files(folder) == []


# Disks, and others at work


def test_a_place_that_cannot_be_written_is_told(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SHUFFLENET_HOME", str(tmp_path / "file"))
    with pytest.raises(WriteError, match="Cannot write .*m.pth': Not a directory. What stood"):
        download.fetch(weights(url=site.url, sha256=SHA256))
    assert site.ranges == []


def test_a_full_disk_is_told_and_the_next_try_goes_on(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    wanted = weights(url=site.url, sha256=SHA256)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(WriteError, match="m.pth': No space left on device. What stood there"):
            download.fetch(wanted)
    assert files(folder) == ["m.pth.partial"]
    assert download.fetch(wanted).read_bytes() == BODY


def test_threads_that_want_the_same_file_bring_it_once(site: Site) -> None:
    site.answers = [late]
    wanted = weights(url=site.url, sha256=SHA256)
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(download.fetch, [wanted] * 4))
    assert all(path.read_bytes() == BODY for path in paths)
    assert site.ranges == [None]


def test_processes_that_want_the_same_file_bring_it_once(site: Site, folder: Path) -> None:
    code = f"from test_download import *; download.fetch(weights(url={site.url!r}, sha256=SHA256))"
    site.answers = [late]
    command = [sys.executable, "-c", code]
    started = [subprocess.Popen(command, cwd=Path(__file__).parent) for _ in range(2)]
    assert [process.wait(20) for process in started] == [0, 0]
    assert site.ranges == [None]
    assert files(folder) == ["m.pth"]


def test_a_process_that_was_killed_holds_nobody_up(site: Site, folder: Path) -> None:
    code = (
        "import os; from test_download import *;"
        f"wanted = weights(url={site.url!r}, sha256=SHA256);"
        "download.fetch(wanted, on_progress=lambda done, total: os.kill(os.getpid(), 9))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, check=False)
    assert files(folder) == ["m.pth.partial"]
    assert download.fetch(weights(url=site.url, sha256=SHA256)).read_bytes() == BODY
