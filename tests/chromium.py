"""Headless Chromium, driven over a pipe by the DevTools protocol; every request passes our server.

Source: https://chromedevtools.github.io/devtools-protocol
"""

import contextlib
import fcntl
import functools
import json
import os
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

_SECONDS = 60.0  # a browser that takes longer for one thing hangs
_QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--disable-extensions", "--mute-audio", "--lang=en",
    "--disable-features=NetworkTimeServiceQuerying,OptimizationHints",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip
# Chromium asks its maker this and that, whatever page is open; our page names none of these hosts.
_ITS_MAKER = (".google.com", ".googleapis.com", ".gstatic.com", ".gvt1.com")


class Server:
    """A server of a folder on this machine, and the proxy of the browser: it sees all requests.

    Attributes:
        origin: Its address.
        paths: What was asked of it.
        foreign: What was asked of any other.
    """

    def __init__(self, folder: Path) -> None:
        server = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                self.path = self.path.removeprefix(server.origin)
                if self.path.startswith("/"):
                    server.paths.append(self.path)
                    super().do_GET()
                else:
                    self.do_CONNECT()

            def do_CONNECT(self) -> None:
                host = self.path.removeprefix("http://").partition("/")[0].partition(":")[0]
                if not host.endswith(_ITS_MAKER):
                    server.foreign.append(self.path)
                self.send_error(502)

            do_POST = do_PUT = do_CONNECT  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.paths: list[str] = []
        self.foreign: list[str] = []
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
        )
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Page:
    """A page of a browser."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser, self._session = browser, session
        for domain in ("Page", "Runtime", "Accessibility"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401  # it is JSON
        """Return the value of JavaScript, awaited; what it throws is an error here."""
        done = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in done:
            raise RuntimeError(str(done["exceptionDetails"]))
        return done["result"].get("value")

    def wait_until(self, expression: str) -> Any:  # noqa: ANN401  # it is JSON
        """Return the first value of JavaScript that is true."""
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            if value := self.evaluate(expression):
                return value
            time.sleep(0.02)
        raise TimeoutError(f"never true: {expression}; {self.evaluate('document.body.innerText')}")

    def wait_for(self, method: str) -> dict[str, Any]:
        """Return the parameters of the next event of a kind."""
        return self._browser.wait_for(method)

    def press(self, key: str) -> None:
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        text = {"Enter": "\r", " ": " "}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code={" ": "Space"}.get(key, key),
                windowsVirtualKeyCode=codes[key], text=text if kind == "keyDown" else "",
            )  # fmt: skip

    def open(self, address: str) -> None:
        self._browser.events.clear()
        self.call("Page.navigate", url=address)
        self.wait_for("Page.loadEventFired")


class Browser:
    """A Chromium without a window."""

    def __init__(self, profile: Path, *options: str) -> None:
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if not program:
            pytest.skip("chromium is not installed")
        self.events: list[dict[str, Any]] = []
        self._number, self._rest = 0, b""
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        self._process = subprocess.Popen(
            [program, *_QUIET, f"--user-data-dir={profile}", "--remote-debugging-pipe", *options,
             "about:blank"],
            pass_fds=(3, 4), preexec_fn=lambda: _as_3_and_4(to_browser, from_browser),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)

    def call(self, method: str, session: str = "", **params: object) -> dict[str, Any]:
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def wait_for(self, method: str) -> dict[str, Any]:
        while True:
            for number, event in enumerate(self.events):
                if event["method"] == method:
                    params: dict[str, Any] = self.events.pop(number)["params"]
                    return params
            self.events.append(self._receive())

    def new_page(self) -> Page:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        return Page(self, attached["sessionId"])

    def close(self) -> None:
        with contextlib.suppress(OSError, EOFError, RuntimeError):
            self.call("Browser.close")
        for each in (self._write, self._read):
            os.close(each)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            if not select.select([self._read], [], [], _SECONDS)[0]:
                raise TimeoutError("the browser does not answer")
            part = os.read(self._read, 1 << 20)
            if not part:
                raise EOFError("the browser ended")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


def _as_3_and_4(to_browser: int, from_browser: int) -> None:
    """Give a child the ends of pipes as the descriptors that the protocol names."""
    # Neither may be 3 or 4 already, or one would replace the other.
    ends = [fcntl.fcntl(each, fcntl.F_DUPFD, 5) for each in (to_browser, from_browser)]
    for wanted, end in zip((3, 4), ends, strict=True):
        os.dup2(end, wanted)


@contextlib.contextmanager
def browsing(folder: Path, profile: Path) -> Iterator[tuple[Browser, Server]]:
    """Open a browser all of whose requests, wherever they go, reach a server of a folder."""
    server = Server(folder)
    proxy = server.origin.removeprefix("http://")
    browser = Browser(profile, f"--proxy-server={proxy}", "--proxy-bypass-list=<-loopback>")
    try:
        yield browser, server
    finally:
        browser.close()
        with contextlib.suppress(OSError):
            server.stop()
