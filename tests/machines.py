"""Two machines on one: each with a network, names, files and processes of its own, and a link.

Linux's namespaces, by util-linux and iproute2. What was made is gone once ``two_machines`` ends.
"""

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["Machine", "two_machines", "why_not"]

_TOOLS = ("unshare", "nsenter", "ip")  # util-linux has the first two, iproute2 the third
_NAMESPACES = ("--net", "--uts", "--mount", "--pid")
_ADDRESSES = {"one": "10.77.0.1", "two": "10.77.0.2"}  # seen by nobody else
_LINK = "veth0"
_WAIT_S = 30


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine: its name, which the other one resolves, and the process that keeps it alive."""

    name: str
    process: int

    def start(
        self, command: list[str], output: IO[str] | int, notes: IO[str] | int
    ) -> "subprocess.Popen[str]":
        """Start a command on the machine, in the folder ``/``."""
        return subprocess.Popen(
            [*self._enter(), *command], stdout=output, stderr=notes, text=True, cwd="/"
        )

    def run(self, *command: str) -> None:
        """Run a command on the machine to its end."""
        subprocess.run([*self._enter(), *command], check=True, cwd="/")

    def bytes_received(self) -> int:
        """Return how many bytes came over the link."""
        statistics = ["ip", "-s", "-json", "link", "show", _LINK]
        done = subprocess.run(
            [*self._enter(), *statistics], check=True, capture_output=True, text=True, cwd="/"
        )
        count: int = json.loads(done.stdout)[0]["stats64"]["rx"]["bytes"]
        return count

    def kill_all(self) -> None:
        """Send SIGKILL to every process of the machine but the one that keeps it alive."""
        subprocess.run([*self._enter(), "sh", "-c", "kill -KILL -1"], check=False, cwd="/")

    def _enter(self) -> list[str]:
        return ["nsenter", f"--target={self.process}", *_NAMESPACES, "--"]


def why_not() -> str:
    """Return why this machine cannot play two, as a sentence; nothing if it can."""
    missing = [tool for tool in _TOOLS if not shutil.which(tool)]
    if missing:
        return f"{missing[0]} is missing: install util-linux and iproute2."
    link = ["ip", "link", "add", "end1", "type", "veth", "peer", "end2"]
    tried = ["unshare", *_NAMESPACES, "--fork", *link]
    done = subprocess.run(tried, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return f"Namespaces and their links need root, or are not permitted here: {reason}."
    return ""


@contextmanager
def two_machines(folder: Path) -> Iterator[tuple[Machine, Machine]]:
    """Make two machines, ``one`` and ``two``, with a link between them; end all that they run.

    Args:
        folder: An empty folder for the files that say they exist, and for their ``/etc/hosts``.
    """
    hosts = folder / "hosts"
    names = [f"{address} {name}\n" for name, address in _ADDRESSES.items()]
    hosts.write_text("".join(["127.0.0.1 localhost\n", *names]))
    with contextlib.ExitStack() as stack:
        one, two = (stack.enter_context(_machine(name, folder, hosts)) for name in _ADDRESSES)
        ends = ("type", "veth", "peer", "name", _LINK, "netns", str(two.process))
        subprocess.run(["ip", "link", "add", _LINK, "netns", str(one.process), *ends], check=True)
        for machine in (one, two):
            machine.run("ip", "address", "add", f"{_ADDRESSES[machine.name]}/24", "dev", _LINK)
            machine.run("ip", "link", "set", _LINK, "up")
            machine.run("ip", "link", "set", "lo", "up")
        yield one, two


@contextmanager
def _machine(name: str, folder: Path, hosts: Path) -> Iterator[Machine]:
    """Make a machine whose first process sleeps; once that is killed, so are all the others."""
    begun = folder / f"{name}.begun"
    script = f'hostname {name}; mount --bind "$0" /etc/hosts; touch "$1"; exec sleep infinity'
    first = ["sh", "-c", script, str(hosts), str(begun)]
    holder = subprocess.Popen(
        ["unshare", *_NAMESPACES, "--mount-proc", "--fork", "--kill-child", *first]
    )
    try:
        for _ in range(_WAIT_S * 100):
            if begun.exists():
                break
            time.sleep(0.01)
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text()
        yield Machine(name, int(children))
    finally:
        holder.kill()  # --kill-child: the kernel then kills the machine's first process
        holder.wait()
