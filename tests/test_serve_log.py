"""What the service logs: requests when asked, faults always, and never what clients sent."""

import contextlib
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from fakes import FakeClock
from services import GET, PATIENCE, Echo, read_answer, running
from serving import picture, reddest
from shufflenet.serve import make_app
from shufflenet.serve.process import _log
from shufflenet.serve.process._log import (  # what serve() puts around
    AccessLog,
    log_faults,
    write_line,
)

FORM = {"a": ("a.png", picture("a"), "image/png"), "b": ("b.png", picture("b"), "image/png")}


@pytest.fixture
def logged() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def faults_as_before() -> Iterator[None]:
    logger = logging.getLogger("uvicorn.error")
    before = logger.handlers, logger.level, logger.propagate
    yield
    logger.handlers, logger.level, logger.propagate = before


def logging_client(form: str, logged: list[str]) -> TestClient:
    app = make_app([reddest()], token="a-token-of-16-characters")
    log = AccessLog(app, form, logged.append, FakeClock())  # type: ignore[arg-type]
    return TestClient(log, headers={"authorization": "Bearer a-token-of-16-characters"})


def test_a_request_is_logged_as_json(logged: list[str]) -> None:
    answer = logging_client("json", logged).post("/v1/classify?top=2", files=FORM)
    (line,) = logged
    entry = json.loads(line)
    assert entry.pop("time").endswith("+00:00")
    assert entry == {
        "method": "POST", "path": "/v1/classify", "status": 200, "seconds": 0.000977,
        "bytes": len(answer.content), "images": 2, "model": "reddest",
    }  # fmt: skip


def test_a_request_is_logged_as_text(logged: list[str]) -> None:
    logging_client("text", logged).post("/v1/classify?top=2", files=FORM)
    assert logged[0].endswith(" 200 POST /v1/classify 0.001 s 2 images by reddest")


def test_what_is_refused_is_logged_too(logged: list[str]) -> None:
    client = logging_client("json", logged)
    client.get("/nothing?secret", headers={"authorization": "Bearer wrong"})
    entry = json.loads(logged[0])
    assert (entry["status"], entry["path"]) == (401, "/nothing")
    assert "images" not in entry


@pytest.mark.parametrize("form", ["json", "text"])
def test_neither_query_nor_token_nor_file_names_are_logged(form: str, logged: list[str]) -> None:
    client = logging_client(form, logged)
    client.post("/v1/classify?secret=query", files=FORM)
    for secret in ("secret", "query", "characters", "a.png", "Bearer"):
        assert secret not in logged[0]


@pytest.mark.parametrize("form", ["json", "text"])
def test_paths_hold_no_controls_and_end(form: str, logged: list[str]) -> None:
    logging_client(form, logged).get("/%0a%1b[2J" + "a" * 5000)
    assert "\n" not in logged[0]
    assert "\x1b" not in logged[0]
    assert len(logged[0]) < 500


@pytest.mark.parametrize("form", ["none", "text", "json"])
def test_a_fault_of_the_app_is_logged_and_not_told(form: str, logged: list[str]) -> None:
    log_faults(form, logged.append)  # type: ignore[arg-type]
    with running(Echo()) as server, server.connect() as connection:
        connection.sendall(GET % b"fault")
        received = read_answer(connection)
        assert received.startswith(b"HTTP/1.1 500 ")
        assert b"ZeroDivision" not in received
        connection.close()
        server.ask(b"nonsense\r\n\r\n")  # a client's fault
    (entry,) = logged
    assert "ZeroDivisionError" in entry
    assert "services.py" in entry
    if form == "json":
        assert json.loads(entry)["traceback"].endswith("\nZeroDivisionError")
    else:
        assert entry.splitlines()[-1] == "ZeroDivisionError"


def test_lines_of_several_writers_stay_whole(capfd: pytest.CaptureFixture[str]) -> None:
    def write(letter: str) -> None:
        for _ in range(100):
            write_line(letter * 300)

    writers = [threading.Thread(target=write, args=(letter,)) for letter in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = capfd.readouterr().err.splitlines()
    assert sorted(set(lines)) == [letter * 300 for letter in "abc"]
    assert len(lines) == 300


def test_a_message_of_several_lines_stays_so(logged: list[str]) -> None:
    log_faults("text", logged.append)
    logging.getLogger("uvicorn.error").error("first\n  second\x07")
    assert logged[0].partition(" ")[2] == "first\n  second\\x07"


def test_a_stderr_that_nobody_reads_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("os.write", broken)
    write_line("a")


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes as POSIX has them")
def test_a_reader_of_the_log_that_pauses_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(_log, "_STDERR", writing)
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(4096))
    os.set_blocking(writing, True)

    def write() -> None:
        for _ in range(99):
            write_line("lost")

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    writer.join(PATIENCE)
    assert not writer.is_alive()
    os.set_blocking(reading, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            assert b"lost" not in os.read(reading, 65_536)
    write_line("again")
    assert os.read(reading, 65_536) == b"again\n"
    os.close(reading)
    os.close(writing)
