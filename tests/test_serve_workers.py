"""Workers as processes: started, replaced, ended, and never left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from services import GET, PATIENCE, read_all, read_answer
from shufflenet.errors import AddressInUse, AddressRefused, SpecError
from shufflenet.serve import Serving
from shufflenet.serve.process._connections import OpenConnections  # what serve() puts together
from shufflenet.serve.process._listen import listen, url_of
from shufflenet.serve.process._notify import notify
from shufflenet.serve.process._workers import check_workers

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

# /pid answers the worker's process, /wait waits for a byte on stdin, /block keeps the loop busy,
# /stuck says that a thread has been at one piece of work for long.
SCRIPT = """
import asyncio, json, os, select, sys, time
sys.path.insert(0, sys.argv[1])
from services import Echo, answer
from shufflenet.errors import ShuffleNetError
from shufflenet.serve.process._connections import OpenConnections
from shufflenet.serve.process._listen import listen
from shufflenet.serve.process._beats import Beats
from shufflenet.serve.process._server import WorkerApp, WorkerSettings
from shufflenet.serve.process._workers import run_workers
options = json.loads(sys.argv[2])

class App(Echo):
    busy_seconds = 0.0

    async def __call__(self, scope, receive, send):
        path = scope.get("path")
        if scope["type"] == "lifespan" and options.get("fails") == "startup":
            raise ZeroDivisionError("no startup")
        if path == "/pid":
            await answer(send, str(os.getpid()).encode())
        elif path == "/wait":
            print("began", flush=True)
            while not select.select([sys.stdin], [], [], 0)[0]:
                await asyncio.sleep(0.01)
            await answer(send, b"waited")
        elif path == "/block":
            print("began", flush=True)
            time.sleep(1000)
        elif path == "/stuck":
            self.busy_seconds = 1000.0
            print("began", flush=True)
            await asyncio.sleep(1000)
        else:
            await Echo.__call__(self, scope, receive, send)

def make(worker):
    if options.get("fails") == "make":
        os.kill(os.getpid(), 9)
    app = App()
    return WorkerApp(app, busy_seconds=lambda: app.busy_seconds)

sockets = listen("127.0.0.1", 0)
workers = options["workers"]
settings = WorkerSettings(
    sockets, OpenConnections(workers), Beats(workers),
    end_seconds=options["end_seconds"], hang_seconds=options["hang_seconds"],
)
port = sockets[0].getsockname()[1]
try:
    code = run_workers(make, workers, settings, lambda: print(port, flush=True))
except ShuffleNetError as error:
    print(error, file=sys.stderr)
    code = 1
sys.exit(code)
"""


@dataclass(eq=False)
class Service:
    """A service in a process of its own."""

    process: "subprocess.Popen[str]"
    port: int
    pids: set[int] = field(default_factory=set)

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def worker(self) -> int:
        """Return the process that answers a new connection."""
        with self.connect() as connection:
            connection.sendall(GET % b"pid")
            return int(read_answer(connection).rpartition(b"\n")[2])

    def ask(self, path: bytes) -> bytes:
        with self.connect() as connection:
            connection.sendall(GET % path)
            return read_answer(connection)


def as_from_a_terminal() -> None:
    """Let SIGHUP have its effect, though the tests may be run by nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextmanager
def service(
    workers: int = 2,
    end_seconds: float = PATIENCE,
    hang_seconds: float = 1000,
    fails: str = "",
    before: Callable[[], object] = as_from_a_terminal,
) -> Iterator[Service]:
    options = {
        "workers": workers, "end_seconds": end_seconds, "hang_seconds": hang_seconds, "fails": fails
    }  # fmt: skip
    folder = os.path.dirname(__file__)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, folder, json.dumps(options)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=before,
    )  # fmt: skip
    running = Service(process, 0)
    try:
        if not fails:
            running.port = int(running.line())
        yield running
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


def all_workers(running: Service, number: int = 2) -> set[int]:
    """Return the processes of all workers: connections that stay open are spread over them."""
    connections: list[socket.socket] = []
    found: set[int] = set()
    for _ in range(900):
        connection = running.connect()
        connections.append(connection)
        connection.sendall(GET % b"pid")
        found.add(int(read_answer(connection).rpartition(b"\n")[2]))
        if len(found) == number:
            break
    for connection in connections:
        connection.close()
    return found


def workers_now(running: Service) -> set[int]:
    """Return the workers; none where one of them ends meanwhile."""
    try:
        return all_workers(running)
    except (OSError, AssertionError):
        return set()


def connected_to(running: Service, pid: int) -> socket.socket:
    """Return a connection to one of the workers."""
    others: list[socket.socket] = []
    while True:
        connection = running.connect()
        connection.sendall(GET % b"pid")
        if int(read_answer(connection).rpartition(b"\n")[2]) == pid:
            for each in others:
                each.close()
            return connection
        others.append(connection)


def until(holds: Callable[[], bool]) -> bool:
    """Return whether something holds within a time that suffices on any machine."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        if os.path.exists("/proc/self"):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_two_workers_answer_and_neither_is_this_process() -> None:
    with service() as running:
        workers = all_workers(running)
        assert len(workers) == 2
        assert running.process.pid not in workers


def test_one_worker_is_this_process() -> None:
    with service(workers=1) as running:
        assert running.worker() == running.process.pid


def test_a_worker_that_is_killed_is_replaced_while_the_other_answers() -> None:
    with service() as running:
        before = all_workers(running)
        assert len(before) == 2
        killed = before.pop()
        (other,) = before
        with running.connect() as kept:
            while True:  # a connection to the other one
                kept.sendall(GET % b"pid")
                if int(read_answer(kept).rpartition(b"\n")[2]) == other:
                    break
                kept.close()
                kept = running.connect()
            os.kill(killed, signal.SIGKILL)
            for _ in range(20):
                kept.sendall(GET % b"pid")
                assert int(read_answer(kept).rpartition(b"\n")[2]) == other
        assert until(lambda: len(workers_now(running) - {killed}) == 2)
        assert other in all_workers(running)


def test_a_worker_that_hangs_leaves_connections_to_the_other() -> None:
    with service() as running:
        blocked = running.connect()
        blocked.sendall(GET % b"block")
        assert running.line() == "began"
        assert len({running.worker() for _ in range(20)}) == 1
        blocked.close()


@pytest.mark.parametrize("what", [b"block", b"stuck"])
def test_a_worker_that_hangs_is_replaced(what: bytes) -> None:
    with service(hang_seconds=3) as running:
        before = all_workers(running)
        with running.connect() as blocked:
            blocked.sendall(GET % what)
            assert running.line() == "began"
            with pytest.raises((ConnectionResetError, AssertionError)):
                read_answer(blocked)
        assert until(lambda: bool(workers_now(running) - before))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_ends_it_when_what_was_accepted_is_answered(
    workers: int, number: signal.Signals
) -> None:
    with service(workers) as running:
        with running.connect() as connection:
            connection.sendall(GET % b"wait")
            assert running.line() == "began"
            os.killpg(running.process.pid, number)  # as a terminal and systemd send it
            with pytest.raises(subprocess.TimeoutExpired):
                running.process.wait(0.5)
            assert running.process.stdin
            running.process.stdin.write("go on\n")
            running.process.stdin.flush()
            assert read_all(connection).endswith(b"waited")
        assert running.process.wait(PATIENCE) == 0
        assert running.process.stderr
        assert running.process.stderr.read() == ""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_hangup_that_is_ignored_stays_so(workers: int) -> None:
    ignore = partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)
    with service(workers, before=ignore) as running:
        os.killpg(running.process.pid, signal.SIGHUP)
        assert running.ask(b"after").endswith(b"/after 0")


def test_ending_refuses_connections_that_no_worker_would_accept() -> None:
    with service() as running, running.connect() as connection:
        connection.sendall(GET % b"wait")
        assert running.line() == "began"
        running.process.terminate()

        def is_refused() -> bool:
            try:
                running.connect().close()
            except ConnectionRefusedError:
                return True
            return False

        assert until(is_refused)  # while a worker still has what it accepted
        assert running.process.poll() is None


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_not_answered_in_time_does_not_keep_it_from_ending(workers: int) -> None:
    with service(workers, end_seconds=0.2) as running, running.connect() as connection:
        connection.sendall(GET % b"wait")
        assert running.line() == "began"
        running.process.terminate()
        assert running.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_interrupt_ends_it_at_once(workers: int) -> None:
    with service(workers) as running, running.connect() as connection:
        connection.sendall(GET % b"wait")
        assert running.line() == "began"
        pids = set() if workers == 1 else all_workers(running)
        running.process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(0.5)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(PATIENCE) == 130
        assert running.process.stderr
        assert running.process.stderr.read() == "Interrupted.\n"
        assert not any(is_alive(pid) for pid in pids)


def test_workers_end_when_what_started_them_is_killed() -> None:
    with service() as running:
        workers = all_workers(running)
        assert len(workers) == 2
        running.process.kill()
        running.process.wait(PATIENCE)
        assert until(lambda: not any(is_alive(pid) for pid in workers))


def test_workers_that_cannot_start_end_it_with_a_sentence() -> None:
    with service(fails="make") as running:
        out, err = running.process.communicate(timeout=PATIENCE)
        assert (running.process.returncode, out) == (1, "")
        last = "3 workers ended before serving, the last by signal 9."
        assert err.splitlines()[-1].startswith(last)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_app_that_does_not_start_ends_it_with_a_sentence(workers: int) -> None:
    with service(workers, fails="startup") as running:
        out, err = running.process.communicate(timeout=PATIENCE)
        assert (running.process.returncode, out) == (1, "")
        assert "ZeroDivisionError: no startup" in err
        assert "ended before serving" in err.splitlines()[-1]


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_cannot_be_is_refused(port: int) -> None:
    with pytest.raises(SpecError, match="a whole number from 0 to 65535"):
        Serving(port=port)


@pytest.mark.parametrize("workers", [0, -1, 257])
def test_a_number_of_workers_that_cannot_be_is_refused(workers: int) -> None:
    with pytest.raises(SpecError, match="a whole number from 1 to 256"):
        check_workers(workers)


def test_without_fork_there_is_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    check_workers(1)
    with pytest.raises(SpecError, match="workers is 2, but must be 1 on a system whose"):
        check_workers(2)


def test_a_port_in_use_is_told() -> None:
    (first,) = listen("127.0.0.1", 0)
    port = first.getsockname()[1]
    with pytest.raises(AddressInUse, match=f"Port {port} of '127.0.0.1' is in use"):
        listen("127.0.0.1", port)
    with pytest.raises(AddressInUse):  # one of its addresses is enough
        listen("localhost", port)
    first.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "a" * 64, "2001:db8::1"])
def test_a_host_that_is_not_this_machine_is_told(host: str) -> None:
    with pytest.raises(AddressRefused, match="Give --host an address of this machine"):
        listen(host, 0)


def test_a_port_that_is_not_ours_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("socket.socket.bind", refuse)
    with pytest.raises(AddressRefused, match=r"port 80 of '127.0.0.1' \(it is not yours to listen"):
        listen("127.0.0.1", 80)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "::"])
def test_a_free_port_is_taken_for_all_addresses(host: str) -> None:
    try:
        sockets = listen(host, 0)
    except AddressRefused:
        pytest.skip("no IPv6 here")
    ports = {each.getsockname()[1] for each in sockets}
    assert len(ports) == 1
    assert url_of(host, sockets).endswith(f":{ports.pop()}")
    for each in sockets:
        each.close()


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told(abstract: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if abstract and sys.platform != "linux":
        pytest.skip("names without a file are Linux's")
    name = f"@shufflenet-{os.getpid()}" if abstract else str(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0", 1) if abstract else name)
        manager.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"
    notify("READY=1")  # nobody listens
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("READY=1")


def test_a_worker_that_ends_is_left_out_when_connections_are_compared() -> None:
    connections = OpenConnections(3)
    for worker in range(3):
        connections.begin(worker)
    connections.add(1, 5)
    connections.add(2, 5)
    assert [connections.may_accept(worker) for worker in range(3)] == [True, False, False]
    connections.end(0)
    assert [connections.may_accept(worker) for worker in range(3)] == [False, True, True]
    connections.add(0, -1)  # what it still closes counts no more
    connections.begin(0)
    assert connections.count(0) == 0
