"""The page of the service's description."""

import json
import re
import shlex
import shutil
import subprocess
import threading
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from serving import client, finder, picture, reddest
from shufflenet.serve import Served, make_app


class Read(HTMLParser):
    """What a page refers to, and whether each element that begins also ends."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.commands: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given[name] or "" for name in ("href", "src") if name in given]
        if tag not in ("meta", "link", "wbr"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.startswith("curl "):
            self.commands.append(data)


def test_the_page_has_every_operation_and_answer_and_every_link_leads_somewhere() -> None:
    answer = client().get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page, found = Read(answer.text), client().get("/openapi.json").json()
    assert len(page.ids) == len(set(page.ids))
    names = {
        operation["operationId"] for path in found["paths"].values() for operation in path.values()
    }
    objects = {f"object-{name}" for name in found["components"]["schemas"]}
    assert names | objects == set(page.ids)
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert names <= inside <= set(page.ids)
    elsewhere = {link for link in page.links if not link.startswith("#")}
    assert elsewhere == {"openapi.json", "icon.svg"}
    for response in found["components"]["responses"].values():
        assert response["description"] in unescape(answer.text)


def test_the_page_runs_no_script_and_loads_nothing_from_elsewhere() -> None:
    answer = client().get("/docs")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "script" not in Read(answer.text).tags
    assert "url(" not in answer.text
    assert "@import" not in answer.text


def test_what_a_host_header_or_a_name_holds_is_no_markup_and_no_command() -> None:
    name = "<b onclick='x'>$(x)`x`\"&amp;"
    web = client(Served(name, reddest().model))
    host = "a'$(touch x)<script>:80"
    text = web.get("/docs", headers={"host": host}).text
    page = Read(text)
    assert not {"b", "script"} & page.tags
    for command in page.commands:
        assert [word for word in shlex.split(command) if "touch" in word] in (
            [],
            [shlex.split(command)[-1]],
        )
    json.dumps(web.get("/openapi.json").json())


def test_the_page_says_how_the_token_is_sent_only_if_there_is_one() -> None:
    assert "Authorization" not in client().get("/docs").text
    commands = Read(client(token="a-token-of-the-service").get("/docs").text).commands
    header = '-H "Authorization: Bearer $TOKEN"'
    without = {command.rsplit("/", 1)[1] for command in commands if header not in command}
    assert without == {"docs", "openapi.json", "healthz", "readyz", "live", "ready", ""}


def test_commands_begin_with_the_prefix_under_which_the_app_is_mounted() -> None:
    outer = TestClient(Starlette(routes=[Mount("/vision", make_app([reddest()], threads=1))]))
    assert "http://testserver/vision/v1/classify" in outer.get("/vision/docs").text


def test_the_commands_work_as_they_are_pasted(tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if not curl:
        pytest.skip("curl is not installed")
    for name in ("photo.jpg", "other.jpg"):
        (tmp_path / name).write_bytes(picture(name, kind="JPEG"))
    app = make_app([reddest(), finder()], threads=1)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    running = threading.Thread(target=server.run)
    running.start()
    try:
        while not server.started:
            running.join(0.01)
            assert running.is_alive()
        port = server.servers[0].sockets[0].getsockname()[1]
        base = f"http://127.0.0.1:{port}"
        page = subprocess.check_output([curl, "-s", f"{base}/docs"], text=True)
        commands = Read(page).commands
        assert len(commands) >= len(client().get("/openapi.json").json()["paths"])
        for command in commands:
            assert base in command
            failing = re.sub("^curl", "curl -sS --fail-with-body --noproxy '*'", command)
            done = subprocess.run(
                failing, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr)
            assert done.stdout
    finally:
        server.should_exit = True
        running.join()
