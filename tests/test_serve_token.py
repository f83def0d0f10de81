"""Who may use the service: the token, the hosts that may be asked for, and other sites' pages."""

import os
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from services import running
from serving import client, picture, reddest
from shufflenet.errors import SpecError, TokenFileShared, TokenFileUnusable
from shufflenet.serve import make_app, read_token
from shufflenet.serve._hosts import hosts_to_check

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs permissions as POSIX has them")
TOKEN = "correct-horse-battery"
MISSING = {"error": "Send the service's token: Authorization: Bearer TOKEN."}
OTHER = {"error": f"The token of the request is not the service's. {MISSING['error']}"}
OTHER_HOST = "The service does not answer for this host."
OTHER_SITE = "Pages of other sites may not use this service."


def token_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_token_is_the_line_of_a_file(tmp_path: Path, end: bytes) -> None:
    assert read_token(token_file(tmp_path, TOKEN.encode() + end)) == TOKEN


def test_a_token_may_be_long(tmp_path: Path) -> None:
    assert len(read_token(token_file(tmp_path, b"a" * 4096 + b"\r\n"))) == 4096


@POSIX
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o601, 0o644, 0o666])
def test_a_token_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(TokenFileShared, match=f"mode {mode:o}"):
        read_token(token_file(tmp_path, TOKEN.encode(), mode))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n", b"short", b"a" * 15 + b"\n", b"a" * 4097, TOKEN.encode() + b"\n\n",
        b"two lines of it\nand another", b"with a space in it", "größere Geheimnisse".encode(),
        b"a" * 20 + b"\0", b"\xef\xbb\xbf" + b"a" * 20,
    ],
)  # fmt: skip
def test_a_file_without_one_printable_line_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(TokenFileUnusable, match="it is not one line of 16 to 4096 letters"):
        read_token(token_file(tmp_path, content))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TokenFileUnusable, match="No such file"):
        read_token(tmp_path / "nothing")
    with pytest.raises(TokenFileUnusable, match="it is a folder"):
        read_token(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe", 0o600)
        with pytest.raises(TokenFileUnusable, match="it is a pipe"):
            read_token(tmp_path / "pipe")


@pytest.mark.parametrize(
    "value",
    [
        None, "", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer",
        "Bearer ", f"Bearer {TOKEN.upper()}", f"Bearer {TOKEN}, Bearer {TOKEN}", "Bearer \xe9",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/classify", "/v1/embed", "/v1/models", "/metrics", "/v2"])
def test_requests_without_the_token_are_refused(path: str, value: str | None) -> None:
    headers = [] if value is None else [(b"authorization", value.encode("latin-1"))]
    answer = client(token=TOKEN).post(path, content=picture(), headers=headers)
    assert (answer.status_code, answer.json()) == (401, MISSING if value is None else OTHER)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_two_tokens_are_none() -> None:
    headers = [("authorization", f"Bearer {TOKEN}"), ("authorization", f"Bearer {TOKEN}")]
    assert client(token=TOKEN).get("/v1/models", headers=headers).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_requests_with_the_token_are_answered(scheme: str) -> None:
    headers = {"authorization": f"{scheme} {TOKEN}"}
    answer = client(token=TOKEN).post("/v1/classify", content=picture(), headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/healthz", "/readyz"])
def test_pages_and_health_need_no_token(path: str) -> None:
    assert client(token=TOKEN).get(path).status_code != 401


def test_an_empty_token_is_refused() -> None:
    with pytest.raises(SpecError, match="the token is ''"):
        make_app([reddest()], token="")


def test_a_mounted_app_asks_for_the_token_too() -> None:
    outer = Starlette(routes=[Mount("/vision", make_app([reddest()], token=TOKEN))])
    inner = TestClient(outer)
    assert inner.get("/vision/healthz").status_code == 200
    assert inner.get("/vision/v1/models").status_code == 401
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert inner.get("/vision/v1/models", headers=headers).status_code == 200


def of_hosts(*hosts: str) -> TestClient:
    return TestClient(make_app([reddest()], hosts=hosts))


LOOPBACK = tuple(hosts_to_check("127.0.0.1", ()) or ())


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8000"]
)
def test_loopback_is_asked_for_by_its_names(host: str) -> None:
    assert of_hosts(*LOOPBACK).get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example:8000", "10.0.0.1", "", "[::1", "localhost:80:80"],
)
def test_other_hosts_are_refused(host: str) -> None:
    answer = of_hosts(*LOOPBACK).get("/healthz", headers={"host": host})
    assert answer.status_code == 421
    assert answer.json()["error"].startswith(OTHER_HOST)
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_request_names_one_host() -> None:
    headers = [("host", "localhost"), ("host", "localhost")]
    answer = of_hosts(*LOOPBACK).get("/healthz", headers=headers)
    assert answer.status_code == 400


def of_old(*lines: str) -> str:
    """Return the first line of the answer to a request of HTTP/1.0."""
    app = make_app([reddest()], hosts=LOOPBACK, threads=1)
    head = "\r\n".join(("GET /healthz HTTP/1.0", *lines, "", ""))
    with running(app) as server:
        return server.ask(head.encode()).decode().partition("\r\n")[0]


def test_a_request_of_http_1_0_may_name_no_host() -> None:
    assert of_old() == "HTTP/1.1 200 OK"
    assert of_old("Host: evil.example").startswith("HTTP/1.1 421 ")
    assert of_old("Origin: http://localhost").startswith("HTTP/1.1 400 ")


def test_hosts_are_checked_on_loopback_or_when_named() -> None:
    assert hosts_to_check("0.0.0.0", ()) is None
    loopback = frozenset(("localhost", "127.0.0.1", "[::1]"))
    assert hosts_to_check("localhost", ()) == loopback
    assert hosts_to_check("127.0.0.7", ()) == loopback | {"127.0.0.7"}
    named = hosts_to_check("::", ("Photos.Example.org",))
    assert named == loopback | {"[::]", "photos.example.org"}


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://testserver:81", "http://testserver.evil.example",
     "chrome-extension://testserver", "file://", "", "http://localhost"],
)  # fmt: skip
def test_pages_of_other_sites_are_refused(origin: str) -> None:
    answer = client().post("/v1/classify", content=picture(), headers={"origin": origin})
    assert answer.status_code == 403
    assert answer.json()["error"].startswith(OTHER_SITE)
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["http://testserver", "https://testserver", "http://TestServer"])
def test_its_own_page_is_answered(origin: str) -> None:
    answer = client().post("/v1/classify", content=picture(), headers={"origin": origin})
    assert answer.status_code == 200


def test_a_page_on_another_port_of_this_machine_is_another_site() -> None:
    headers = {"origin": "http://localhost:3000", "host": "localhost:8000"}
    assert of_hosts(*LOOPBACK).get("/healthz", headers=headers).status_code == 403


def test_the_site_before_a_proxy_is_allowed_by_its_name() -> None:
    allowed = hosts_to_check("127.0.0.1", ("photos.example.org",)) or ()
    headers = {"origin": "https://photos.example.org", "host": "127.0.0.1:8000"}
    assert of_hosts(*allowed).get("/healthz", headers=headers).status_code == 200
