"""Cases run in a process of their own, which may crash, hang or eat memory without harm."""

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Finding", "watch"]

# Of one case, and of imports and whole files before the first: far above what either takes on a
# busy machine.
HANG_SECONDS, START_SECONDS = 120, 900


@dataclass(frozen=True)
class Finding:
    """A case that failed."""

    door: str
    number: int
    what: str

    def __str__(self) -> str:
        return f"FOUND {self.door!r} --case {self.number}: {self.what}"


def watch(
    work: Path, first: int, doors: Sequence[str] | None, end: float, cases: int = 10**6
) -> Iterator[tuple[str, str, Finding | None]]:
    """Run cases until ``end`` (``time.monotonic``), starting again after each crash or hang.

    Yields:
        The door, its outcome, and what was found if anything.
    """
    number = first
    while time.monotonic() < end and number < first + cases:
        child = _start(work, number, first + cases - number, doors)
        current: tuple[str, int] | None = None
        for line in _lines(child, end):
            word, door, at, *rest = line.split("\t")
            if word == "start":
                current = (door, int(at))
                continue
            current, number = None, int(at) + 1
            finding = (
                Finding(door, int(at), rest[1].replace("\\n", "\n")) if word == "found" else None
            )
            yield door, rest[0], finding
        code = _stop(child)
        if current and time.monotonic() < end:
            what = "hang" if code is None else f"the process ended with {code}"
            number = current[1] + 1
            yield current[0], what, Finding(*current, what)
        elif code == 0:
            return
        elif not current and time.monotonic() < end:
            raise RuntimeError(f"the process that runs cases ended with {code}; see {work}/errors")


def _start(
    work: Path, number: int, cases: int, doors: Sequence[str] | None
) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "fuzz.child", str(work), str(number), str(cases), *(doors or ())]
    tests = str(Path(__file__).parent.parent)
    path = os.pathsep.join(filter(None, (tests, os.environ.get("PYTHONPATH"))))
    errors = (work / "errors").open("ab")
    home = str(work / "home")
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "SHUFFLENET_OFFLINE": "1"}
    env |= {"SHUFFLENET_HOME": home, "PYTHONFAULTHANDLER": "1"}
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, env=env)


def _lines(child: subprocess.Popen[bytes], end: float) -> Iterator[str]:
    """Yield what the child says, until it ends, says nothing for too long, or time is up."""
    assert child.stdout is not None
    os.set_blocking(child.stdout.fileno(), False)
    rest, said, patience = b"", time.monotonic(), START_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while time.monotonic() < min(end, said + patience):
            if not selector.select(timeout=1):
                continue
            piece = os.read(child.stdout.fileno(), 1 << 16)
            if not piece:
                return
            said, patience = time.monotonic(), HANG_SECONDS
            *whole, rest = (rest + piece).split(b"\n")
            yield from (line.decode() for line in whole)


def _stop(child: subprocess.Popen[bytes]) -> int | None:
    """Return the exit code, or None if the process had to be killed."""
    try:
        return child.wait(timeout=HANG_SECONDS)  # on a busy machine leaving takes seconds
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return None
