"""An actor of a real Ray cluster that is stopped while it has a part; run by test_score_silence.py.

    python tests/ray_silence.py FOLDER

The folder holds images. Time is passed by a clock that this script sets. Printed as JSON: what was
said while the cluster had no CPU, and how many images the part had when the next actor answered it.
"""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from shufflenet.data.parts import Limits, cut, open_source
from shufflenet.files.stores import LocalStore
from shufflenet.runtimes import Opening
from shufflenet.score._cluster import Cluster, Joined  # what a test looks into
from shufflenet.score._job import Task  # likewise
from shufflenet.score._model_files import hash_files, read_files  # likewise
from shufflenet.score._workers import Ended  # likewise
from shufflenet.zoo import find_weights

_LONGEST_S = 60.0


class _Clock:
    added = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.added


def main(folder: Path) -> None:
    """Start a cluster, stop its actor, and print what became of the part."""
    os.environ.update(
        RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled", RAY_BACKEND_LOG_LEVEL="fatal"
    )
    import ray  # noqa: PLC0415  # after these
    from ray.cluster_utils import Cluster as Nodes  # noqa: PLC0415

    nodes: Any = Nodes(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    ray.init(nodes.address, log_to_driver=False, logging_level=logging.CRITICAL)
    shipped = find_weights("default").onnx
    assert shipped
    task = Task(
        str(folder), LocalStore(), LocalStore(), str(folder / "answers"),
        Opening(shipped, "onnxruntime", 1), hash_files(read_files(shipped)), "predictions", 5, 8,
    )  # fmt: skip
    part = next(cut(open_source(str(folder), spool=True).units(), Limits()))
    clock, found = _Clock(), dict[str, object]()
    with closing(Cluster(Joined(ray, nodes.address), task, 1, clock)) as cluster:
        clock.added += 30
        cluster.wait(0)
        found["waits_for"] = cluster.waits_for()
        nodes.add_node(num_cpus=1)
        _until(cluster.free, cluster, clock)
        stopped = _actor()
        os.kill(stopped, signal.SIGSTOP)
        cluster.submit(part)
        ended = _until(lambda: False, cluster, clock, step=30.0)
        found["stopped"] = [each.result for each in ended]
        _until(cluster.free, cluster, clock)
        found["is_gone"] = not Path(f"/proc/{stopped}").exists()
        cluster.submit(part)
        (again,) = _until(lambda: False, cluster, clock)
        found["images"] = getattr(again.result, "images", str(again.result))
    nodes.shutdown()
    print(json.dumps(found))  # noqa: T201  # for the test


def _until(
    holds: Callable[[], bool], cluster: Cluster, clock: _Clock, step: float = 0.0
) -> list[Ended]:
    """Wait until something holds or parts have ended; each look is a step of time."""
    started = time.monotonic()
    while not holds() and time.monotonic() - started < _LONGEST_S:
        clock.added += step
        if ended := list(cluster.wait(0.1)):
            return ended
    return []


def _actor() -> int:
    """Return the process of the actor, which is below this process."""
    for name in os.listdir("/proc"):
        if name.isdecimal() and os.getpid() in _ancestors(int(name)):
            words = Path(f"/proc/{name}/cmdline").read_bytes()
            if words.startswith(b"ray::Actor"):
                return int(name)
    raise AssertionError("there is no actor")


def _ancestors(pid: int) -> list[int]:
    found = []
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
        found.append(pid)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
