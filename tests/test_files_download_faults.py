"""Servers, networks, bodies and disks that fail, and what is told of it."""

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from shufflenet.errors import DownloadError, WriteError
from shufflenet.files import _transfer, downloads  # its limits are lowered
from shufflenet.files.downloads import download
from sites import (
    BODY,
    PIECE,
    SHA256,
    WRONG_SHA256,
    Request,
    Site,
    body,
    by_hand,
    cut,
    files,
    home,
    refused,
    running,
    silent,
    status,
    weights,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return home(tmp_path, monkeypatch)


@pytest.fixture
def site() -> Iterator[Site]:
    with running() as server:
        yield server


# Servers and networks that fail


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (404, "the link is dead (HTTP 404)"),
        (410, "the link is dead (HTTP 410)"),
        (403, "the server refuses (HTTP 403)"),
    ],
)
def test_a_permanent_failure_is_reported_at_once(
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


def test_a_transient_failure_is_retried_and_then_reported(site: Site, folder: Path) -> None:
    site.answers = [status(500)] * 3
    refused(
        weights(url=site.url, sha256=SHA256),
        f"The weights 'net.source' could not be downloaded from {site.url!r}: the server answered "
        f"HTTP 500. Run the command again later, or {by_hand(folder, site.url)}",
    )
    assert len(site.ranges) == 3


def test_a_silent_server_times_out(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_transfer, "TIMEOUT_S", 0.1)
    site.answers = [silent] * 3
    refused(
        weights(url=site.url, sha256=SHA256),
        f"The weights 'net.source' could not be downloaded from {site.url!r}: the server sent "
        f"nothing for 0.1 s. Run the command again later, or {by_hand(folder, site.url)}",
    )


def test_after_a_timeout_the_rest_is_requested(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(request: Request) -> None:
        cut(PIECE)(request)
        silent(request)

    monkeypatch.setattr(_transfer, "TIMEOUT_S", 1.0)  # a busy machine may take a while to answer
    site.answers = [stuck]
    download(weights(url=site.url, sha256=SHA256))
    assert site.ranges == [None, f"bytes={PIECE}-"]


def test_a_missing_network_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    url = "https://example.org/m.pth"
    refused(
        weights(url=url, sha256=SHA256),
        f"The weights 'net.source' could not be downloaded from {url!r}: there is no network, or "
        f"no host of that name. Run the command again later, or {by_hand(folder, url)}",
    )


def test_a_closed_port_is_reported(site: Site, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/m.pth"
    with pytest.raises(DownloadError, match=f"{url}': Connection refused. Run the command again"):
        download(weights(url=url))


def test_a_redirect_is_followed_with_its_range(site: Site, folder: Path) -> None:
    site.answers = [cut(1000), status(302, ("Location", "/elsewhere"))]
    download(weights(url=site.url, sha256=SHA256))
    assert site.ranges == [None, "bytes=1000-", "bytes=1000-"]


def test_a_redirect_out_of_the_web_is_not_followed(site: Site) -> None:
    site.answers = [status(302, ("Location", "file:///etc/hostname"))]
    with pytest.raises(DownloadError, match="'file' is neither http nor https"):
        download(weights(url=site.url))


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
def test_a_wrong_file_is_reported_and_deleted(
    site: Site, folder: Path, known: dict[str, str], fault: str
) -> None:
    site.answers = [body(b"wrong")]
    refused(
        weights(url=site.url, **known),
        f"The weights 'net.source' were downloaded from {site.url!r}, but are not what was "
        f"published: the file {fault}, so it was deleted. Run the command again; "
        f"if that does not help, {by_hand(folder, site.url)}",
    )
    assert files(folder) == []
    assert len(site.ranges) == 1


def test_a_web_page_is_no_file_where_no_hash_would_tell(site: Site, folder: Path) -> None:
    page = body(b"<html>Log in", ("Content-Type", "text/html; charset=utf-8"))
    site.answers = [status(302, ("Location", "/login")), page]
    refused(
        weights(url=site.url),
        f"The weights 'net.source' could not be downloaded from {site.url!r}: the server sent "
        f"a web page instead of the file. To go on, {by_hand(folder, site.url)}",
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

    monkeypatch.setattr(downloads, "_CAP_BYTES", 1000)
    site.answers = [endless]
    with pytest.raises(DownloadError, match="the file is larger than 1000 bytes, so it was delet"):
        download(weights(url=site.url, bytes=size))
    assert files(folder) == []


# Disks, and others at work


def test_a_place_that_cannot_be_written_is_reported(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SHUFFLENET_HOME", str(tmp_path / "file"))
    with pytest.raises(WriteError, match="Cannot write .*m.pth': Not a directory. What was"):
        download(weights(url=site.url, sha256=SHA256))
    assert site.ranges == []


def test_a_full_disk_is_reported_and_the_next_try_goes_on(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    wanted = weights(url=site.url, sha256=SHA256)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(WriteError, match="m.pth': No space left on device. What was there"):
            download(wanted)
    assert files(folder) == ["m.pth.partial"]
    assert download(wanted).read_bytes() == BODY
