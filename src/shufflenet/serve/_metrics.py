"""What the service counts, for Prometheus: written by each worker process, read by any of them.

The cells lie in anonymous shared memory that is made before the workers are forked: a slot of
float64 cells for each worker, which only that worker writes, and reading sums the slots. So every
worker answers ``/metrics`` for all, and a worker that replaces a dead one goes on in its slot.
prometheus_client's own mode for several processes keeps files, one for each kind of metric and
process, in a folder that somebody must empty (its module ``multiprocess``); a service that writes
no file cannot use it. The formats are that package's, and so is the choice between them.

A call takes 0.4 to 1.4 microseconds on a core of about 2.5 GHz, the lock included (by ``timeit``):
less than a thousandth of what an image takes.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from mmap import mmap
from threading import Lock

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

__all__ = ["OTHER", "ROUTES", "STATUSES", "Metrics"]

ROUTES = (
    *("/v1/classify", "/v1/detect", "/v1/embed", "/v1/models"),
    *("/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics"),
    *("/v2", "/v2/", "/v2/health/live", "/v2/health/ready", "/v2/repository/index"),
    *(
        f"/v2/models/{{name}}{version}{what}"
        for version in ("", "/versions/{version}")
        for what in ("", "/ready", "/config", "/infer")
    ),
)
"""The values of the label ``route``; whatever else is asked for is ``OTHER``.

Labels are bounded, for each new value would take memory here and in Prometheus for good.
"""
STATUSES = (
    *(200, 204, 304, 307, 308),
    *(400, 401, 403, 404, 405, 406, 408, 411, 413, 414, 415, 421, 422, 429, 431, 499),
    *(500, 501, 503),
)
"""The values of the label ``status``; every other status is ``OTHER``."""
OTHER = "other"

_VERSION = version("shufflenet")
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)
_CONTENT_TYPE = re.compile(
    r"(text/plain|application/openmetrics-text); version=(0\.0\.4|1\.0\.0); charset=utf-8"
    r"(; escaping=[a-z0-9-]+)?"
)


@dataclass(frozen=True, slots=True)
class _Histogram:
    """A histogram's name, its help, and the upper bounds of its buckets, which include them."""

    name: str
    text: str
    bounds: tuple[float, ...]

    @property
    def cells(self) -> int:
        """Return how many cells it takes: a bucket up to each bound, one above, and the sum."""
        return len(self.bounds) + 2


_REQUEST = _Histogram(
    "shufflenet_request_seconds", "From the head of a request to its answer.", _SECONDS
)
_BATCH = _Histogram("shufflenet_batch_images", "Images that were computed together.", _IMAGES)
_COMPUTE = _Histogram(
    "shufflenet_compute_seconds", "That the network took for images computed together.", _SECONDS
)
_WAIT = _Histogram(
    "shufflenet_wait_seconds",
    "That the first of the images computed together had waited, decoded, to be computed.",
    _SECONDS,
)
_DECODE = _Histogram(
    "shufflenet_decode_seconds",
    "That an image took to be decoded and cropped; those of one request count with their mean.",
    _SECONDS,
)

# A slot: what the worker is, decoding, then a block for each route, then one for each model.
_STARTS, _WAITING, _HELD, _DECODE_AT = range(4)
_HEAD = _DECODE_AT + _DECODE.cells
_ROUTE_CELLS = len(STATUSES) + 1 + _REQUEST.cells
_ANSWERED, _FAILED, _BATCH_AT = range(3)
_PER_MODEL = (_BATCH, _COMPUTE, _WAIT)
_COMPUTE_AT = _BATCH_AT + _BATCH.cells
_WAIT_AT = _COMPUTE_AT + _COMPUTE.cells
_MODEL_CELLS = _WAIT_AT + _WAIT.cells

_STATUS_AT = {status: place for place, status in enumerate(STATUSES)}


class Metrics:
    """Counters and histograms of a service; threads of a worker may write at the same time.

    A process writes the slot of worker 0 until ``begin`` is called.
    """

    def __init__(self, models: Sequence[str], workers: int = 1) -> None:
        self._models = tuple(models)
        after_routes = _HEAD + (len(ROUTES) + 1) * _ROUTE_CELLS
        self._route_at = {
            route: _HEAD + place * _ROUTE_CELLS for place, route in enumerate((*ROUTES, OTHER))
        }
        self._model_at = {
            name: after_routes + place * _MODEL_CELLS for place, name in enumerate(self._models)
        }
        self._cells = after_routes + len(self._models) * _MODEL_CELLS
        self._workers = range(workers)
        # Shared with processes that are forked later: that is mmap's default where there is fork.
        self._memory = memoryview(mmap(-1, self._cells * workers * 8)).cast("d")
        self._lock = Lock()
        self._own = self._slot(0)

    def begin(self, worker: int) -> None:
        """Write to a worker's slot from now on, and count that it started; once in each process.

        Raises:
            IndexError: there is no such worker.
        """
        self._own = self._slot(self._workers[worker])
        self._lock = Lock()  # another thread may have held the old one when this process was forked
        self._own[_STARTS] += 1
        self.waiting(0, 0)  # what waited in a worker that died does not wait any more

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request.

        Args:
            route: One of ``ROUTES``, or anything else.
            status: The HTTP status of its answer.
            seconds: From its head to its answer.
        """
        at = self._route_at.get(route)
        if at is None:
            at = self._route_at[OTHER]
        with self._lock:
            self._own[at + _STATUS_AT.get(status, len(STATUSES))] += 1
            self._observe(at + len(STATUSES) + 1, _REQUEST.bounds, seconds, 1)

    def refused(self, status: int) -> None:
        """Count what was refused before a route was asked: too many connections, a slow head."""
        with self._lock:
            self._own[self._route_at[OTHER] + _STATUS_AT.get(status, len(STATUSES))] += 1

    def decoded(self, seconds: float, images: int) -> None:
        """Count the images of a request that were decoded, at least 1, in so many seconds."""
        with self._lock:
            self._observe(_DECODE_AT, _SECONDS, seconds / images, images)

    def batch(self, model: str, images: int, compute_seconds: float, wait_seconds: float) -> None:
        """Count images that were computed together.

        Args:
            model: The served model's name.
            images: How many they were.
            compute_seconds: What the network took for all of them.
            wait_seconds: What the first of them had waited for it.
        """
        at = self._model_at[model]
        with self._lock:
            self._observe(at + _BATCH_AT, _IMAGES, images, 1)
            self._observe(at + _COMPUTE_AT, _SECONDS, compute_seconds, 1)
            self._observe(at + _WAIT_AT, _SECONDS, wait_seconds, 1)

    def images(self, model: str, *, answered: int, failed: int) -> None:
        """Count images that a model was asked for: those it answered, and those that are none."""
        at = self._model_at[model]
        with self._lock:
            self._own[at + _FAILED] += failed
            self._own[at + _ANSWERED] += answered

    def waiting(self, images: int, held_bytes: int) -> None:
        """Note how many images and bytes of bodies this worker holds now."""
        self._own[_WAITING] = images
        self._own[_HELD] = held_bytes

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return all workers' metrics, and the content type.

        Args:
            accept: The header ``Accept`` of who asks; OpenMetrics is written on request.
        """
        try:
            encode, content_type = choose_encoder(accept)
        except TypeError:  # a version that is no number is compared with one, as of 0.26
            encode, content_type = generate_latest, CONTENT_TYPE_PLAIN_0_0_4
        if not _CONTENT_TYPE.fullmatch(content_type):  # it repeats whatever version was asked for
            encode, content_type = generate_latest, CONTENT_TYPE_PLAIN_0_0_4
        return encode(self), content_type

    def collect(self) -> Iterator[Metric]:
        """Return the metric families, as prometheus_client collects them."""
        totals = self._totals()
        yield InfoMetricFamily("shufflenet_build", "The program.", {"version": _VERSION})
        yield GaugeMetricFamily("shufflenet_workers", "Worker processes.", len(self._workers))
        starts = (self._slot(worker)[_STARTS] for worker in self._workers)
        yield CounterMetricFamily(
            "shufflenet_worker_restarts",
            "Times that a worker process was started in the place of one that had ended.",
            sum(max(0.0, each - 1) for each in starts),
        )
        yield GaugeMetricFamily(
            "shufflenet_waiting_images", "Images accepted and not answered yet.", totals[_WAITING]
        )
        yield GaugeMetricFamily(
            "shufflenet_held_bytes", "Bytes of requests' bodies in memory.", totals[_HELD]
        )
        decode = HistogramMetricFamily(_DECODE.name, _DECODE.text, labels=[])
        _add(decode, [], _DECODE, totals[_DECODE_AT:])
        yield decode
        yield from self._of_routes(totals)
        yield from self._of_models(totals)

    def _of_routes(self, totals: Sequence[float]) -> Iterator[Metric]:
        """Return what is counted by route; what nobody asked for is left out."""
        requests = CounterMetricFamily(
            "shufflenet_requests", "Requests answered.", labels=["route", "status"]
        )
        seconds = HistogramMetricFamily(_REQUEST.name, _REQUEST.text, labels=["route"])
        for route, at in self._route_at.items():
            answered = totals[at : at + len(STATUSES) + 1]
            for status, count in zip((*STATUSES, OTHER), answered, strict=True):
                if count:
                    requests.add_metric([route, str(status)], count)
            if any(answered):
                _add(seconds, [route], _REQUEST, totals[at + len(STATUSES) + 1 :])
        yield from (requests, seconds)

    def _of_models(self, totals: Sequence[float]) -> Iterator[Metric]:
        """Return what is counted by model, of every model."""
        images = CounterMetricFamily(
            "shufflenet_images",
            "Images that a model was asked for: answered, or failed because they are no images.",
            labels=["model", "outcome"],
        )
        for model, at in self._model_at.items():
            images.add_metric([model, "answered"], totals[at + _ANSWERED])
            images.add_metric([model, "failed"], totals[at + _FAILED])
        yield images
        offset = _BATCH_AT
        for histogram in _PER_MODEL:
            family = HistogramMetricFamily(histogram.name, histogram.text, labels=["model"])
            for model, at in self._model_at.items():
                _add(family, [model], histogram, totals[at + offset :])
            offset += histogram.cells
            yield family

    def _slot(self, worker: int) -> "memoryview[float]":
        return self._memory[worker * self._cells : (worker + 1) * self._cells]

    def _totals(self) -> list[float]:
        """Return the cells' sums over all workers, in the order of a slot."""
        slots = [list[float](self._slot(worker)) for worker in self._workers]
        return [sum(cells) for cells in zip(*slots, strict=True)]

    def _observe(self, at: int, bounds: Sequence[float], value: float, times: int) -> None:
        """Add a value to the histogram that begins at a cell; the lock is held."""
        self._own[at + bisect_left(bounds, value)] += times
        self._own[at + len(bounds) + 1] += value * times


def _add(
    family: HistogramMetricFamily, labels: list[str], histogram: _Histogram, cells: Sequence[float]
) -> None:
    """Add the histogram that the first cells hold, its buckets cumulated as Prometheus wants."""
    buckets: list[tuple[str, float]] = []
    count = 0.0
    for bound, cell in zip((*histogram.bounds, float("inf")), cells, strict=False):
        count += cell
        buckets.append((str(float(bound)) if bound < float("inf") else "+Inf", count))
    family.add_metric(labels, buckets, cells[len(histogram.bounds) + 1])
