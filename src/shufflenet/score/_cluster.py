"""Workers as actors of a Ray cluster: one for each CPU, replaced when they end, or hang.

Ray places actors and tells when they end; what is answered, and what is not, the files tell.
Nothing is sent to Ray's makers, and Ray prints nothing: both are set before it is imported.
"""

import contextlib
import logging
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any

import shufflenet
from shufflenet.data.parts import Part
from shufflenet.errors import (
    ClusterMissing,
    ClusterWithoutCpus,
    MissingDependency,
    ShuffleNetError,
    WorkersDiffer,
)
from shufflenet.runtimes import silent_stderr
from shufflenet.score._answers import Counts
from shufflenet.score._job import Task
from shufflenet.score._model_files import place_files, read_files
from shufflenet.score._scorer import Scorer
from shufflenet.score._silence import Watch
from shufflenet.score._workers import Ended

__all__ = ["HERE", "Actor", "Cluster", "Joined", "join_cluster"]

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what its C++ parts print on stderr
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # or it prints about GPUs
}
_ENVIRONMENT_HERE = {
    "RAY_AUTH_MODE": "token",
    # Else Ray takes the address by which this machine is known to others, even if told another.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}
HERE = "local"  # Ray's own name for a cluster of this machine alone, which ends with this process
_STORE_BYTES = 100 << 20  # of Ray's shared memory here: only the model's file is in it
_CONNECT_S = 5.0
_LOOK_S = 10.0  # between looks at how many CPUs the cluster has
_ASK_S = 20.0  # between questions to an actor whether it reads on
_START_S = 20.0  # in which an actor starts if there is a CPU for it; here it took five to twelve
_NO_CPU_S = 300.0  # in which a cloud starts a node that was asked for
_MOST_FAILURES = 10  # actors that end one after the other before they answer anything
_LONGEST_SOCKET = 40  # characters of a folder in which Ray's sockets still have names


class Actor:
    """A worker: it runs in a process of the cluster, on one thread, and tells on another."""

    def __init__(self, task: Task, files: Mapping[str, bytes]) -> None:
        self._task, self._files = task, files
        self._scorer: Scorer | None = None
        self._read = 0

    def version(self) -> str:
        """Return the version of this package here."""
        return shufflenet.__version__

    def images(self) -> int:
        """Return how many images were read so far, while a part is answered too."""
        return self._read

    def score(self, part: Part) -> Counts | Exception:
        """Answer a part; errors are returned, so that Ray does not wrap them."""
        try:
            if self._scorer is None:
                task = self._task
                opening = place_files(task.opening, task.sha256, self._files)
                self._scorer, self._files = Scorer(replace(task, opening=opening)), {}
            return self._scorer.score(part, self._count)
        except MemoryError:
            os._exit(1)  # as if the system had ended it: another attempt may have more
        except ShuffleNetError as error:
            return error
        except Exception as error:  # noqa: BLE001  # raised where the part came from
            return RuntimeError(f"{type(error).__name__}: {error}")

    def _count(self) -> None:
        self._read += 1


@dataclass(eq=False, slots=True)
class _Hired:
    """An actor, as this process knows it."""

    actor: Any
    heard: float
    part: Part | None = None
    images: int = -1  # that it said it had read
    told: Any = None  # its next answer to how many it has read


@dataclass(frozen=True, slots=True)
class _Size:
    """How large the cluster is."""

    nodes: int
    cpus: int
    free: int


@dataclass(frozen=True, slots=True)
class Joined:
    """A cluster that this process has joined.

    Attributes:
        ray: Ray's module.
        address: Where the cluster is.
        folder: What Ray writes into on this machine, if it was started here.
    """

    ray: Any
    address: str
    folder: str | None = None


class Cluster:
    """As many actors as the cluster has CPUs, or as are asked for; silent ones are ended."""

    def __init__(
        self,
        joined: Joined,
        task: Task,
        most: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._joined, self._ray, self._most, self._clock = joined, joined.ray, most, clock
        # Two threads: one answers parts, the other how far that is.
        options = {"num_cpus": 1, "max_restarts": 0, "max_concurrency": 2}
        self._make: Any = self._ray.remote(**options)(Actor).remote
        self._task = self._ray.put(task)
        self._files = self._ray.put(read_files(task.opening.path))
        self._asked: dict[Any, _Hired] = {}  # by an answer to come
        self._idle: list[_Hired] = []
        self._looked = self._asked_at = float("-inf")
        self._worked, self._had_cpu = clock(), clock()
        self._watch = Watch(clock)
        self._failures = 0
        self._grow()

    def free(self) -> bool:
        """Return whether an actor has no part."""
        return bool(self._idle)

    def submit(self, part: Part) -> None:
        """Send a part to an actor that has none."""
        hired = self._idle.pop()
        hired.part, hired.heard = part, self._clock()
        self._asked[hired.actor.score.remote(part)] = hired

    def wait(self, seconds: float) -> Sequence[Ended]:
        """Return the parts that have ended; wait for one, but not for longer.

        Raises:
            ClusterWithoutCpus: no node with a CPU came for minutes.
            WorkersDiffer: actors have another version of this package, or cannot be started.
        """
        if not self._asked:
            time.sleep(seconds)
        ended = []
        for reference in self._ready(list(self._asked), seconds):
            hired = self._asked.pop(reference)
            part, hired.part = hired.part, None
            result = self._result(reference, hired)
            if part is not None:
                ended.append(Ended(part, result))
        self._hear()
        ended += self._end_silent()
        self._grow()
        return ended

    def _ready(self, references: list[Any], seconds: float) -> list[Any]:
        """Return the answers that are there; wait for one, but not for longer."""
        if not references:
            return []
        ready, _ = self._ray.wait(references, num_returns=1, timeout=seconds)
        others, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        return list({*ready, *others})

    def _result(self, reference: Any, hired: _Hired) -> Counts | Exception | None:  # noqa: ANN401  # Ray's
        """Return what an actor answered, None if it ended; one that answered is free again.

        Raises:
            WorkersDiffer: it has another version of this package, or cannot be started.
        """
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._failures += 1
            if self._failures >= _MOST_FAILURES or _cannot_start(error):
                raise WorkersDiffer(f"actors end at once ({_last_line(error)})") from error
            return None
        if isinstance(answer, str) and answer != shufflenet.__version__:
            raise WorkersDiffer(
                f"one has shufflenet {answer}, and this machine {shufflenet.__version__}"
            )
        self._idle.append(hired)
        if isinstance(answer, Counts):
            self._failures = 0
        return answer if isinstance(answer, Counts | Exception) else None

    def _hear(self) -> None:
        """Note which actors have read images since they were asked, and ask now and then."""
        asked = {hired.told: hired for hired in self._asked.values() if hired.told is not None}
        for reference in self._ready(list(asked), 0):
            hired = asked[reference]
            hired.told = None
            with contextlib.suppress(self._ray.exceptions.RayError):  # told by its part too
                images = self._ray.get(reference)
                if images != hired.images:
                    hired.images, hired.heard = images, self._clock()
        if self._clock() - self._asked_at < _ASK_S:
            return
        self._asked_at = self._clock()
        for hired in self._asked.values():
            if hired.part is not None and hired.told is None:
                hired.told = hired.actor.images.remote()

    def _end_silent(self) -> list[Ended]:
        """Kill the actors that read nothing for too long; return their parts."""
        ended = []
        silent = self._watch.silent(self._asked.values())
        for reference, hired in list(self._asked.items()):
            if hired in silent and hired.part is not None:
                del self._asked[reference]  # with what it may still answer
                self._ray.kill(hired.actor)
                ended.append(Ended(hired.part, None))
        return ended

    def _grow(self) -> None:
        """Start actors for CPUs that have none, as after a node came or an actor ended.

        Raises:
            ClusterWithoutCpus: there was no CPU for minutes.
        """
        now = self._clock()
        if now - self._looked > _LOOK_S:
            self._size, self._looked = self._measure(), now
        if self._size.cpus or self._works():
            self._had_cpu = now
        elif now - self._had_cpu > _NO_CPU_S:
            raise ClusterWithoutCpus(self._joined.address, self._size.nodes, int(_NO_CPU_S))
        if self._works():
            self._worked = now
        wanted = max(1, min(self._most or self._size.cpus, self._size.cpus))
        for _ in range(wanted - len(self._idle) - len(self._asked)):
            hired = _Hired(self._make(self._task, self._files), now)
            self._asked[hired.actor.version.remote()] = hired

    def _measure(self) -> _Size:
        nodes = [each for each in self._ray.nodes() if each.get("Alive")]
        cpus = self._ray.cluster_resources().get("CPU", 0)
        free = self._ray.available_resources().get("CPU", 0)
        return _Size(len(nodes), int(cpus), int(free))

    def _works(self) -> bool:
        """Return whether any actor has started."""
        return bool(self._idle) or any(hired.part for hired in self._asked.values())

    def waits_for(self) -> str:
        """Return a sentence about what is waited for, if no actor could start for a while."""
        if self._works() or self._clock() - self._worked < _START_S:
            return ""
        size = self._size
        return (
            "Waiting for a free CPU, on which a worker can start. The cluster's nodes: "
            f"{size.nodes}; their CPUs: {size.cpus}; free: {size.free}."
        )

    def close(self) -> None:
        """End all actors, and leave the cluster; what Ray wrote on this machine is removed."""
        for hired in (*self._idle, *self._asked.values()):
            self._ray.kill(hired.actor)
        self._ray.shutdown()
        if self._joined.folder is not None:
            shutil.rmtree(self._joined.folder, ignore_errors=True)


def _cannot_start(error: Exception) -> bool:
    """Return whether an actor ended because this package, or one it needs, is not there."""
    return "ModuleNotFoundError" in str(error) or "ImportError" in str(error)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[-1][:200].rstrip(".")


def join_cluster(address: str, task: Task, most: int | None) -> "Cluster":
    """Join a cluster, and start actors in it.

    Args:
        address: ``HOST:PORT`` of its head, ``ray://HOST:PORT``, or ``local`` for one of this
            machine alone.
        task: What the actors do.
        most: How many there are at most; None for all CPUs.

    Raises:
        ClusterMissing: there is none.
        MissingDependency: Ray is not installed.
    """
    folder = None
    if address != HERE:
        _check_host(address)
    with silent_stderr():
        ray = _import_ray(address)
        try:
            if address == HERE:
                folder = _start_here(ray)
            else:
                ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL)
        except Exception as error:  # Ray raises anything here
            raise ClusterMissing(address, error) from error
    return Cluster(Joined(ray, address, folder), task, most)


def _import_ray(address: str) -> Any:  # noqa: ANN401  # its types are incomplete
    """Import Ray, which reads its environment then.

    Raises:
        MissingDependency: it is not installed.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if address == HERE:
        os.environ.update(_ENVIRONMENT_HERE, RAY_AUTH_TOKEN=_token())
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    try:
        return import_module("ray")
    except ModuleNotFoundError as error:
        raise MissingDependency("Scoring on a cluster", error.name or "ray", "score") from error


@cache
def _token() -> str:
    """Return a token that only this process knows: one, since Ray keeps the first that it reads."""
    return secrets.token_hex(32)


def _start_here(ray: Any) -> str:  # noqa: ANN401  # likewise
    """Start Ray on this machine, with the token of this process; return its folder."""
    folder = tempfile.gettempdir()
    folder = tempfile.mkdtemp(
        prefix="shufflenet-ray-", dir=folder if len(folder) < _LONGEST_SOCKET else "/tmp"
    )
    # Even without a dashboard Ray starts its server, with the one module that asks the addresses of
    # clouds where this machine is; there is no option that leaves it out.
    import_module("ray._private.node").Node.start_api_server = _start_nothing
    ray.init(
        HERE,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
        object_store_memory=_STORE_BYTES,
        _node_ip_address="127.0.0.1",
        _temp_dir=folder,
    )
    return folder


def _start_nothing(node: Any, *, include_dashboard: bool, raise_on_failure: bool) -> None:  # noqa: ANN401  # likewise
    """Stand in for the method by which a node of Ray starts its dashboard's server."""


def _check_host(address: str) -> None:
    """Check that something listens there: Ray itself would try for a minute.

    Raises:
        ClusterMissing: nothing does.
    """
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        with contextlib.closing(socket.create_connection((host, int(port)), _CONNECT_S)):
            pass
    except (OSError, ValueError, OverflowError) as error:
        raise ClusterMissing(address, error) from error
