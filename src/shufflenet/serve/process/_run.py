"""The service as a process: it listens, opens models, and answers until it is told to end."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from starlette.types import ASGIApp

from shufflenet.errors import SpecError
from shufflenet.machine import check_threads, cores
from shufflenet.preprocess import pixel_type
from shufflenet.serve._app import build_app
from shufflenet.serve._hosts import hosts_to_check
from shufflenet.serve._limits import Limits
from shufflenet.serve._metrics import Metrics
from shufflenet.serve._served import Served, list_served, open_served
from shufflenet.serve._service import Service
from shufflenet.serve.process._beats import Beats
from shufflenet.serve.process._connections import ConnectionLimits, OpenConnections
from shufflenet.serve.process._listen import listen, url_of
from shufflenet.serve.process._log import AccessLog, LogForm, log_faults
from shufflenet.serve.process._notify import notify
from shufflenet.serve.process._server import WorkerApp, WorkerSettings
from shufflenet.serve.process._workers import check_workers, default_workers, run_workers

__all__ = ["Serving", "Started", "serve"]

_HANG_SECONDS = 60
_MOST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Where and how models are served.

    Attributes:
        host: The name or address to listen at; all addresses are ``0.0.0.0`` or ``::``.
        port: The port; 0 for a free one.
        workers: Processes that answer; ``default_workers`` if it is None.
        threads: Threads of each that decode and compute; an equal share of the cores unless given.
        runtime: The runtime of models that are opened, as ``open_model`` takes it.
        limits: What requests may take.
        connections: What connections may take.
        token: What requests must bear; nothing if it is None.
        allow_hosts: Names that requests may ask for, beside those of loopback.
        log: How requests are logged.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int | None = None
    threads: int | None = None
    runtime: str = "auto"
    limits: Limits = field(default_factory=Limits)
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    token: str | None = None
    allow_hosts: tuple[str, ...] = ()
    log: LogForm = "none"

    def __post_init__(self) -> None:
        if not 0 <= self.port <= _MOST_PORT:
            raise SpecError("port", self.port, f"a whole number from 0 to {_MOST_PORT}")
        if self.workers is not None:
            check_workers(self.workers)
        check_threads(self.threads)


@dataclass(frozen=True, slots=True)
class Started:
    """A service that answers.

    Attributes:
        url: Its address.
        models: What it serves, by name.
        workers: Its processes.
        threads: Threads of each.
    """

    url: str
    models: dict[str, Served]
    workers: int
    threads: int


def serve(
    models: Iterable[str | Path | Served],
    serving: Serving,
    on_start: Callable[[Started], None] = lambda started: None,
) -> int:
    """Serve models until SIGTERM or SIGINT; then answer what was accepted.

    It listens before models are opened, which takes a while: what comes meanwhile waits.

    Args:
        models: Names and files as ``open_served`` takes them, or what it returned.
        serving: Where and how.
        on_start: Is called once, when requests are answered.

    Returns:
        The exit code: 0, or 130 after a second SIGINT, which ends the service at once.

    Raises:
        ServeError: it cannot listen there, or its workers end.
        SpecError: there is no model, or two have one name.
        ShuffleNetError: a model cannot be opened, see ``open_model``.
    """
    sockets = listen(serving.host, serving.port)
    try:
        served = list_served(
            each if isinstance(each, Served) else open_served(each, runtime=serving.runtime)
            for each in models
        )
        for each in served.values():
            _warm(each)
        workers = serving.workers or default_workers()
        threads = serving.threads or max(1, cores() // workers)
        settings = WorkerSettings(
            sockets,
            OpenConnections(workers),
            Beats(workers),
            limits=serving.connections,
            end_seconds=serving.limits.seconds,
            hang_seconds=serving.limits.seconds + _HANG_SECONDS,
        )
        metrics = Metrics(list(served), workers)
        make = partial(_make, serving, served, metrics, threads)
        started = Started(url_of(serving.host, sockets), served, workers, threads)

        def on_ready() -> None:
            on_start(started)
            notify("READY=1")

        log_faults(serving.log)
        return run_workers(make, workers, settings, on_ready)
    finally:
        for listening in sockets:
            listening.close()


def _warm(served: Served) -> None:
    """Compute an image before workers are forked: what a runtime makes at the first, they share.

    Raises:
        CheckpointError: the model cannot be computed, or not to finite numbers.
    """
    channels, how = served.card.network.in_channels, served.card.preprocess
    sides = how.size_px
    if not served.card.takes_pixels:
        served.model.logits(np.zeros((1, channels, *sides), np.float32))
        return
    crops = np.zeros((1, *sides, channels), pixel_type(how))
    served.model.logits_from_pixels(crops)
    if served.embedder:
        served.embedder.embed_from_pixels(crops)


def _make(
    serving: Serving, served: dict[str, Served], metrics: Metrics, threads: int, worker: int
) -> WorkerApp:
    """Return the app of a worker, made in its process."""
    metrics.begin(worker)
    service = Service(served, serving.limits, metrics, threads=threads)
    hosts = hosts_to_check(serving.host, serving.allow_hosts)
    app: ASGIApp = build_app(service, token=serving.token, hosts=hosts)

    def end() -> None:
        service.ending = True

    logged = app if serving.log == "none" else AccessLog(app, serving.log)
    return WorkerApp(logged, end, metrics.refused, service.pool.busy_seconds)
