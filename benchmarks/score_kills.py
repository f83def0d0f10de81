"""Kill workers, actors, nodes and the driver of scoring at random moments; compare every row.

    python benchmarks/score_kills.py --kills 20
    python benchmarks/score_kills.py --kills 20 --cluster

Each time a job is begun in a new folder, something is killed by SIGKILL when a random number of
parts are answered, and the job is run again until it ends. Then its rows are compared with those of
a run that was not killed: which are lost, which doubled, which different. With ``--cluster`` a Ray
cluster of a head and two nodes runs on this machine (``ray.cluster_utils.Cluster``), and a node
that was killed is replaced. The result is printed as JSON, and written beside this script with
``--keep``.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset
from PIL import Image

_SIDE_PX = 160
_DRIVER = (
    "import sys; from shufflenet.data.parts import Limits; from shufflenet.score import Job, score;"
    "source, out, cluster = sys.argv[1:];"
    "print(score(Job(source, out, runtime='onnxruntime', columns='logits', workers=2,"
    " cluster=cluster or None, limits=Limits(images=12))).images)"
)


def main() -> None:
    """Run the trials."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cluster", action="store_true")
    parser.add_argument("--keep", action="store_true", help="write the result beside this script")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_photos(folder / "in", args.images)
        with _cluster() if args.cluster else _no_cluster() as (address, end_node):
            result = _trials(args, folder, address, end_node)
    text = json.dumps(result, indent=1)
    print(text)
    if args.keep:
        kind = "cluster" if args.cluster else "processes"
        Path(__file__).with_name(f"score_kills_{kind}.json").write_text(text + "\n")


def _trials(
    args: argparse.Namespace, folder: Path, address: str, end_node: Callable[[], bool] | None
) -> dict[str, Any]:
    rng = random.Random(args.seed)
    started = time.monotonic()
    reference = folder / "reference"
    _run_to_end(folder / "in", reference, "")
    expected, parts = _rows(reference), _answered(reference)
    kinds: dict[str, Callable[[int], bool]] = {"worker": _kill_worker, "driver": _kill_driver}
    if end_node:
        kinds = {"actor": _kill_worker, "node": lambda driver: end_node(), "driver": _kill_driver}
    found: Counter[str] = Counter()
    kills: list[dict[str, Any]] = []
    for number in range(args.kills):
        kind = list(kinds)[number % len(kinds)]
        out = folder / f"out-{number}"
        after = rng.randrange(parts - 2), rng.uniform(0, 0.05)
        answered, killed = _killed_run(folder / "in", out, address, kinds[kind], after)
        kills.append({"kind": kind, "killed": killed, "parts_before": answered})
        different = _compare(expected, _rows(out))
        found.update(different)
        kills[-1] |= different
        print(json.dumps(kills[-1]), file=sys.stderr, flush=True)
    rows = ("lost", "doubled", "different")
    return {
        "images": args.images,
        "rows": len(expected),
        **{name: found[name] for name in rows},
        "kills": sum(each["killed"] for each in kills),
        "seconds": round(time.monotonic() - started, 1),
        "each": kills,
    }


def _write_photos(folder: Path, count: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = rng.integers(0, 256, (_SIDE_PX // 8, _SIDE_PX // 8, 3), np.uint8)
        image = Image.fromarray(pixels).resize((_SIDE_PX, _SIDE_PX))
        image.save(folder / f"{number:05}.jpg")
    (folder / "empty.jpg").touch()


def _start(source: Path, out: Path, address: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _DRIVER, str(source), str(out), address]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _run_to_end(source: Path, out: Path, address: str) -> None:
    driver = _start(source, out, address)
    _, notes = driver.communicate()
    if driver.returncode:
        raise SystemExit(f"A run ended with {driver.returncode}: {notes}")


def _killed_run(
    source: Path, out: Path, address: str, kill: Callable[[int], bool], after: tuple[int, float]
) -> tuple[int, bool]:
    """Run a job to its end, with something killed on the way.

    Returns:
        How many parts were answered then, and whether there was something to kill.
    """
    driver = _start(source, out, address)
    while driver.poll() is None and _answered(out) <= after[0]:
        time.sleep(0.001)
    time.sleep(after[1])
    answered = _answered(out)
    killed = driver.poll() is None and kill(driver.pid)
    driver.communicate()
    if driver.returncode:  # the driver itself, or what it needs, was killed
        _run_to_end(source, out, address)
    return answered, killed


def _answered(out: Path) -> int:
    return len(list((out / "answers").glob("*.parquet")))


def _kill_driver(driver: int) -> bool:
    return _kill(driver)


def _kill_worker(driver: int) -> bool:
    """Kill a process that answers parts: a child of the driver, or an actor of the cluster."""
    found = [pid for pid in _processes() if _answers_parts(pid, driver)]
    return bool(found) and _kill(random.choice(found))  # which one does not matter


def _kill(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _answers_parts(pid: int, driver: int) -> bool:
    """Return whether a process answers parts, of this driver or of this script's cluster."""
    with contextlib.suppress(OSError, ValueError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        if words.startswith(b"ray::Actor"):
            return os.getpid() in _ancestors(pid)
        return b"shufflenet.score._child" in words and driver in _ancestors(pid)
    return False


def _ancestors(pid: int) -> list[int]:
    found = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        found.append(pid)
    return found


def _rows(out: Path) -> list[tuple[Any, ...]]:
    table = pyarrow.dataset.dataset(out / "answers").to_table()
    columns = (table[name].to_pylist() for name in ("path", "logits", "error"))
    return [
        (path, tuple(logits or ()), error) for path, logits, error in zip(*columns, strict=True)
    ]


def _compare(expected: list[tuple[Any, ...]], found: list[tuple[Any, ...]]) -> Mapping[str, int]:
    """Return how many rows are lost, doubled and different, to the last bit."""
    wanted, counts = {row[0]: row for row in expected}, Counter(row[0] for row in found)
    return {
        "lost": sum(path not in counts for path in wanted),
        "doubled": sum(count - 1 for count in counts.values()),
        "different": sum(wanted.get(row[0]) != row for row in found),
    }


@contextmanager
def _no_cluster() -> Iterator[tuple[str, None]]:
    yield "", None


@contextmanager
def _cluster() -> Iterator[tuple[str, Callable[[], bool]]]:
    """Start a Ray cluster on this machine; the function that is returned replaces a node."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled")
    from ray.cluster_utils import Cluster  # noqa: PLC0415  # after these

    cluster: Any = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]

    def end_node() -> bool:
        cluster.remove_node(nodes.pop(0), allow_graceful=False)
        nodes.append(cluster.add_node(num_cpus=1))
        return True

    try:
        yield cluster.address, end_node
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
