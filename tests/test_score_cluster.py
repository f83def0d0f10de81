"""Actors of a Ray cluster, with a Ray that a test plays; a real one is in test_score_kills.py."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import shufflenet
from conftest import Run
from shufflenet.data.parts import Part, Unit
from shufflenet.errors import (
    ClusterMissing,
    ClusterWithoutCpus,
    MissingDependency,
    WorkersDiffer,
)
from shufflenet.files.stores import LocalStore
from shufflenet.runtimes import Opening
from shufflenet.score import Counts, Progress, Summary
from shufflenet.score import _cluster as clusters  # its imports, which a test replaces
from shufflenet.score._cluster import Cluster, Joined, join_cluster  # what the command uses
from shufflenet.score._job import Task  # what actors are given
from shufflenet.score._silence import SILENT_S  # after which one is ended
from shufflenet.score._workers import Ended  # what workers return
from shufflenet.zoo import find_weights

PART = Part(0, "00", (Unit("a.jpg", "/a.jpg"),))


class RayError(Exception):
    """As Ray's own is called."""


class Played:
    """A Ray whose actors answer at once: their version, then what ``answer`` returns."""

    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self, cpus: int, answer: Callable[[], object], version: str) -> None:
        self.cpus, self.answer, self.version, self.made = cpus, answer, version, 0
        self.free = cpus
        self.killed = 0
        self.images: object = 0  # what actors say they have read; None: they say nothing
        self.hangs = False  # whether answers to parts never come
        self.starts = True  # whether actors start

    def remote(self, **options: object) -> Callable[[type], Any]:
        return lambda kind: SimpleNamespace(remote=self._make)

    def _make(self, task: object, content: object) -> Any:  # noqa: ANN401  # an actor
        self.made += 1
        return SimpleNamespace(
            version=SimpleNamespace(
                remote=lambda: _Answer(lambda: self.version, lambda: self.starts)
            ),
            score=SimpleNamespace(remote=lambda part: _Answer(self.answer, lambda: not self.hangs)),
            images=SimpleNamespace(
                remote=lambda: _Answer(lambda: self.images, lambda: self.images is not None)
            ),
        )

    def put(self, value: object) -> object:
        return value

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.cpus}

    def available_resources(self) -> dict[str, float]:
        return {"CPU": self.free} if self.free else {}

    def nodes(self) -> list[dict[str, object]]:
        return [{"Alive": True}, {"Alive": False}]

    def wait(
        self, refs: list[Any], num_returns: int, timeout: float
    ) -> tuple[list[Any], list[Any]]:
        ready = [ref for ref in refs if ref.there()][:num_returns]
        return ready, [ref for ref in refs if ref not in ready]

    def get(self, reference: "_Answer") -> object:
        return reference.call()

    def kill(self, actor: object) -> None:
        self.killed += 1

    def shutdown(self) -> None:
        self.cpus = 0


class _Answer:
    def __init__(self, call: Callable[[], object], there: Callable[[], bool]) -> None:
        self.call, self.there = call, there


def ended() -> object:
    raise RayError("The actor died.")


def task() -> Task:
    shipped = find_weights("default").onnx
    assert shipped
    opening = Opening(shipped, "onnxruntime", 1)
    return Task("in", LocalStore(), LocalStore(), "out", opening, "", "predictions", 5, 8)


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def cluster_of(
    answer: Callable[[], object],
    *,
    most: int | None = None,
    version: str = shufflenet.__version__,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Played, Cluster]:
    ray = Played(3, answer, version)
    return ray, Cluster(Joined(ray, "10.0.0.1:6379"), task(), most, clock)


@pytest.mark.parametrize(("most", "actors"), [(None, 3), (2, 2), (9, 3)])
def test_there_is_an_actor_for_each_cpu_or_as_many_as_are_asked_for(
    most: int | None, actors: int
) -> None:
    ray, cluster = cluster_of(Counts, most=most)
    assert not cluster.free()  # none has said its version yet
    while not cluster.free():
        assert cluster.wait(0) == []
    assert ray.made == actors
    cluster.close()
    assert ray.killed == actors


def test_a_part_is_answered_by_an_actor(tmp_path: Path) -> None:
    _, cluster = cluster_of(lambda: Counts(1, 0, {}))
    cluster.wait(0)
    cluster.submit(PART)
    (result,) = cluster.wait(0)
    assert (result.part, result.result) == (PART, Counts(1, 0, {}))


def test_a_part_whose_actor_ended_comes_back_and_another_actor_is_started() -> None:
    ray, cluster = cluster_of(ended)
    cluster.wait(0)
    cluster.submit(PART)
    (result,) = cluster.wait(0)
    assert (result.part, result.result) == (PART, None)
    assert ray.made == 4


def test_errors_of_actors_are_returned() -> None:
    error = ValueError("of an actor")
    _, cluster = cluster_of(lambda: error)
    cluster.wait(0)
    cluster.submit(PART)
    assert cluster.wait(0)[0].result is error


def pass_time(clock: Clock, cluster: Cluster, seconds: float) -> list[Ended]:
    """Let time pass in steps; return what ends, if anything does."""
    end = clock.now + seconds
    while clock.now < end:
        clock.now += 30
        if ended := list(cluster.wait(0)):
            return ended
    return []


@pytest.mark.parametrize("images", [None, 7], ids=["stopped", "hangs on an image"])
def test_an_actor_that_reads_nothing_is_ended_and_its_part_comes_back(
    images: int | None,
) -> None:
    clock = Clock()
    ray, cluster = cluster_of(Counts, most=1, clock=clock)
    cluster.wait(0)
    ray.hangs, ray.images = True, images
    cluster.submit(PART)
    assert pass_time(clock, cluster, SILENT_S - 60) == []
    assert ray.killed == 0
    assert pass_time(clock, cluster, 180) == [Ended(PART, None)]
    assert (ray.killed, ray.made) == (1, 2)
    assert cluster.wait(0) == []
    assert cluster.free()


def test_an_actor_that_reads_on_may_take_hours_and_so_may_a_pause_of_this_process() -> None:
    clock = Clock()
    ray, cluster = cluster_of(Counts, most=1, clock=clock)
    cluster.wait(0)
    ray.hangs = True
    cluster.submit(PART)
    for images in range(20):
        ray.images = images
        assert pass_time(clock, cluster, SILENT_S - 60) == []
    clock.now += 3600  # a computer that slept
    assert cluster.wait(0) == []
    assert pass_time(clock, cluster, SILENT_S - 60) == []
    ray.hangs = False
    assert list(cluster.wait(0)) == [Ended(PART, Counts())]
    assert ray.killed == 0


def test_many_actors_that_hang_are_not_taken_for_some_that_cannot_start() -> None:
    clock = Clock()
    ray, cluster = cluster_of(Counts, most=1, clock=clock)
    ray.hangs = True
    for _ in range(12):
        cluster.wait(0)
        cluster.submit(PART)
        assert pass_time(clock, cluster, SILENT_S + 120) == [Ended(PART, None)]


def test_a_cluster_without_a_free_cpu_is_waited_for_and_told_of() -> None:
    clock = Clock()
    ray, cluster = cluster_of(Counts, clock=clock)
    ray.starts, ray.free = False, 0
    clock.now += 15
    cluster.wait(0)
    assert cluster.waits_for() == ""
    assert pass_time(clock, cluster, 7200) == []  # another job has the CPUs for hours
    assert cluster.waits_for() == (
        "Waiting for a free CPU, on which a worker can start. The cluster's nodes: 1; their "
        "CPUs: 3; free: 0."
    )
    ray.starts = True
    cluster.wait(0)
    assert cluster.free()
    assert cluster.waits_for() == ""


def test_a_cluster_to_which_no_cpu_comes_ends_the_run_in_a_sentence() -> None:
    clock = Clock()
    ray, cluster = cluster_of(Counts, clock=clock)
    ray.starts, ray.free, ray.cpus = False, 0, 0
    assert pass_time(clock, cluster, 240) == []
    assert "CPUs: 0; free: 0." in cluster.waits_for()
    with pytest.raises(ClusterWithoutCpus, match="its 1 node offered no CPU in 300 seconds"):
        pass_time(clock, cluster, 120)


def test_what_is_waited_for_is_told_on_stderr(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a run that a test plays: it waits, and a worker starts."""

    def waits(job: object, on_progress: Callable[[Progress], None]) -> Summary:
        for waiting in ("", "Waiting for a free CPU.", "Waiting for a free CPU.", ""):
            on_progress(Progress(Counts(), 0, 0, None, None, 1.0, waiting))
        return Summary(1, 0, {}, 1, 1, 1.0, "default", "answers")

    monkeypatch.setattr("shufflenet.score.score", waits)
    code, output, notes = run("score", tmp_path, "--out", tmp_path / "out", "--json")
    assert code == 0
    assert json.loads(output)["images"] == 1
    assert notes.replace("\r", "").count("Waiting for a free CPU.\nA worker has started.\n") == 1


def test_actors_with_another_version_are_refused() -> None:
    _, cluster = cluster_of(Counts, version="0.0.1")
    with pytest.raises(WorkersDiffer, match="one has shufflenet 0.0.1"):
        cluster.wait(0)


@pytest.mark.parametrize("reason", ["No module: ModuleNotFoundError: 'shufflenet'", "died"])
def test_actors_that_cannot_start_are_told_of(reason: str) -> None:
    ray, cluster = cluster_of(Counts)

    def fail(reference: object) -> object:
        raise RayError(reason)

    ray.get = fail  # type: ignore[method-assign]

    def wait_long() -> None:
        for _ in range(30):
            cluster.wait(0)

    with pytest.raises(WorkersDiffer, match=reason[-5:]):
        wait_long()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nothing", "ray://127.0.0.1:1", "h:99999999"])
def test_an_address_without_a_cluster_is_told_at_once(address: str) -> None:
    with pytest.raises(ClusterMissing, match="There is no Ray cluster at"):
        join_cluster(address, task(), None)


def test_a_missing_ray_is_told_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(clusters, "import_module", missing)
    monkeypatch.setattr(clusters, "_check_host", lambda address: None)
    with pytest.raises(MissingDependency, match=r"shufflenet\[score\]"):
        join_cluster("127.0.0.1:1", task(), None)
