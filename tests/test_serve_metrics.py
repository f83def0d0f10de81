"""What a service counts is summed over its processes, and written as Prometheus reads it."""

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

from serving import client, picture
from shufflenet.serve._metrics import OTHER, ROUTES, STATUSES, Metrics

FORK = multiprocessing.get_context("fork")
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"


def families(metrics: Metrics) -> dict[str, Metric]:
    text, content_type = metrics.render()
    assert content_type == PLAIN
    return {family.name: family for family in plain_text(text.decode())}


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return every sample by its name and the values of its labels, in the labels' order."""
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in families(metrics).values()
        for sample in family.samples
    }


def in_a_process(work: Callable[[], None]) -> None:
    process = FORK.Process(target=work)
    process.start()
    process.join(60)
    assert process.exitcode == 0


def test_requests_are_counted_by_route_and_status_with_the_seconds_they_took() -> None:
    metrics = Metrics(["default"])
    metrics.request("/v1/classify", 200, 0.004)
    metrics.request("/v1/classify", 200, 0.006)
    metrics.request("/v1/classify", 429, 40)
    found = values(metrics)
    assert found["shufflenet_requests_total", "/v1/classify", "200"] == 2
    assert found["shufflenet_requests_total", "/v1/classify", "429"] == 1
    bucket = "shufflenet_request_seconds_bucket"
    below = {
        bound: found[bucket, bound, "/v1/classify"] for bound in ("0.002", "0.005", "0.01", "30.0")
    }
    assert below == {"0.002": 0, "0.005": 1, "0.01": 2, "30.0": 2}
    assert found[bucket, "+Inf", "/v1/classify"] == 3
    assert found["shufflenet_request_seconds_count", "/v1/classify"] == 3
    assert found["shufflenet_request_seconds_sum", "/v1/classify"] == pytest.approx(40.01)


def test_what_no_route_saw_is_counted_without_seconds() -> None:
    metrics = Metrics(["default"])
    metrics.refused(431)
    found = values(metrics)
    assert found["shufflenet_requests_total", OTHER, "431"] == 1
    assert found["shufflenet_request_seconds_count", OTHER] == 0


def test_a_value_at_a_bound_lies_below_it() -> None:
    metrics = Metrics(["default"])
    metrics.batch("default", 8, 0.001, 0.0)
    found = values(metrics)
    assert found["shufflenet_batch_images_bucket", "4.0", "default"] == 0
    assert found["shufflenet_batch_images_bucket", "8.0", "default"] == 1


@pytest.mark.parametrize("route", ["/v1/classify/", "/wp-login.php", 'a"b\n', "", OTHER])
def test_no_route_or_status_makes_a_new_label(route: str) -> None:
    metrics = Metrics(["default"])
    metrics.request(route, 299, 0.1)
    requests = {key: count for key, count in values(metrics).items() if "requests_total" in key[0]}
    assert requests == {("shufflenet_requests_total", OTHER, OTHER): 1}


def test_every_known_route_and_status_has_its_own_count() -> None:
    metrics = Metrics(["default"])
    for times, route in enumerate(ROUTES, 1):
        for status in STATUSES:
            for _ in range(times):
                metrics.request(route, status, 0)
    found = values(metrics)
    for times, route in enumerate(ROUTES, 1):
        counts = {found["shufflenet_requests_total", route, str(status)] for status in STATUSES}
        assert counts == {times}
        assert found["shufflenet_request_seconds_count", route] == times * len(STATUSES)


def test_images_and_batches_are_counted_by_model() -> None:
    metrics = Metrics(["default", "birds"])
    metrics.images("default", answered=3, failed=1)
    metrics.batch("default", 3, 0.25, 0.5)
    metrics.images("birds", answered=7, failed=0)
    metrics.decoded(0.9, 3)
    found = values(metrics)
    assert found["shufflenet_images_total", "default", "answered"] == 3
    assert found["shufflenet_images_total", "default", "failed"] == 1
    assert found["shufflenet_images_total", "birds", "answered"] == 7
    for name, total in (("batch_images", 3), ("compute_seconds", 0.25), ("wait_seconds", 0.5)):
        assert found[f"shufflenet_{name}_sum", "default"] == total
        assert found[f"shufflenet_{name}_count", "default"] == 1
        assert found[f"shufflenet_{name}_count", "birds"] == 0
    assert found["shufflenet_decode_seconds_count",] == 3
    assert found["shufflenet_decode_seconds_sum",] == pytest.approx(0.9)
    assert found["shufflenet_decode_seconds_bucket", "0.2"] == 0
    assert found["shufflenet_decode_seconds_bucket", "0.5"] == 3


def test_what_waits_is_as_it_was_last_noted() -> None:
    metrics = Metrics(["default"])
    metrics.waiting(5, 7000)
    metrics.waiting(2, 300)
    found = values(metrics)
    assert found["shufflenet_waiting_images",] == 2
    assert found["shufflenet_held_bytes",] == 300


def test_every_process_answers_for_all() -> None:
    metrics = Metrics(["default"], workers=3)
    seen = FORK.SimpleQueue()

    def work(worker: int) -> None:
        metrics.begin(worker)
        for _ in range(10**worker):
            metrics.request("/healthz", 200, 0.5)
        metrics.waiting(worker, 100)
        seen.put(metrics.render())

    for worker in range(3):
        in_a_process(lambda worker=worker: work(worker))  # type: ignore[misc]
    _, _, last = seen.get(), seen.get(), seen.get()
    assert last == metrics.render()
    found = values(metrics)
    assert found["shufflenet_requests_total", "/healthz", "200"] == 111
    assert found["shufflenet_request_seconds_sum", "/healthz"] == 55.5
    assert found["shufflenet_waiting_images",] == 3
    assert found["shufflenet_held_bytes",] == 300
    assert found["shufflenet_workers",] == 3


def test_a_worker_goes_on_where_the_dead_one_that_it_replaces_ended() -> None:
    metrics = Metrics(["default"], workers=2)

    def work() -> None:
        metrics.begin(1)
        metrics.images("default", answered=4, failed=0)
        metrics.waiting(9, 99)

    def replace() -> None:
        metrics.begin(1)
        metrics.images("default", answered=2, failed=0)

    in_a_process(work)
    assert values(metrics)["shufflenet_worker_restarts_total",] == 0
    assert values(metrics)["shufflenet_waiting_images",] == 9
    in_a_process(replace)
    found = values(metrics)
    assert found["shufflenet_images_total", "default", "answered"] == 6
    assert found["shufflenet_worker_restarts_total",] == 1
    assert found["shufflenet_waiting_images",] == 0
    assert found["shufflenet_held_bytes",] == 0


def test_a_process_forked_while_a_thread_counts_can_count() -> None:
    metrics = Metrics(["default"], workers=2)
    metrics._lock.acquire()  # as a thread does that the fork leaves behind

    def work() -> None:
        metrics.begin(1)
        metrics.request("/", 200, 0.1)

    in_a_process(work)
    assert values(metrics)["shufflenet_requests_total", "/", "200"] == 1


def test_threads_lose_no_count() -> None:
    metrics = Metrics(["default"])
    together = threading.Barrier(4)

    def work() -> None:
        together.wait()
        for _ in range(5000):
            metrics.request("/", 200, 1.0)
            metrics.images("default", answered=1, failed=1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = values(metrics)
    assert found["shufflenet_requests_total", "/", "200"] == 20_000
    assert found["shufflenet_request_seconds_sum", "/"] == 20_000
    assert found["shufflenet_images_total", "default", "failed"] == 20_000


def test_there_is_no_worker_but_those_it_was_made_for() -> None:
    metrics = Metrics(["default"], workers=2)
    with pytest.raises(IndexError):
        metrics.begin(2)


def test_every_metric_says_what_it_is_and_is_named_as_prometheus_wants() -> None:
    metrics = Metrics(["default"])
    metrics.request("/", 200, 0.1)
    for family in families(metrics).values():
        assert family.documentation.endswith(".")
        assert family.name.startswith("shufflenet_")
        assert family.type in ("counter", "gauge", "histogram")
        assert family.samples
    text = metrics.render()[0].decode()
    assert text.count("# HELP") == text.count("# TYPE") == len(families(metrics))


def test_a_model_of_any_name_is_a_label() -> None:
    name = 'a "model"\n\\ of ü'
    metrics = Metrics([name])
    metrics.images(name, answered=1, failed=0)
    assert values(metrics)["shufflenet_images_total", name, "answered"] == 1


def test_openmetrics_is_written_for_who_asks_for_it() -> None:
    metrics = Metrics(["default"], workers=2)
    metrics.request("/v1/embed", 413, 0.1)
    # What Prometheus 3 asks for: scrape/scrape.go, acceptHeader
    accept = (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
        "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    )
    text, content_type = metrics.render(accept)
    assert content_type.startswith(OPEN_METRICS)
    read = open_metrics(text.decode())  # type: ignore[no-untyped-call]
    families = {family.name: family for family in read}
    [sample] = families["shufflenet_requests"].samples
    assert (sample.labels, sample.value) == ({"route": "/v1/embed", "status": "413"}, 1)


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "text/plain;version=x", "application/openmetrics-text;version=9\t9", "a;=;,;b"],
)
def test_whatever_else_is_asked_for_is_answered_with_text(accept: str) -> None:
    assert Metrics(["default"]).render(accept)[1] == PLAIN


@given(st.text(st.characters(max_codepoint=255)).map("text/plain;version=".__add__) | st.text())
def test_no_header_fails(accept: str) -> None:
    text, content_type = Metrics(["default"]).render(accept)
    assert text
    assert content_type.startswith(("text/plain; version=", OPEN_METRICS))


def test_the_service_counts_by_the_route_that_answers() -> None:
    web = client()
    for path in ("/v2/models/reddest", "/v2/models/default", "/v2/models/none", "/none", "/v2/"):
        web.get(path)
    web.get("/v1/classify")
    web.post("/v1/classify", content=picture())
    web.post("/v1/classify", content=b"no image")
    read = plain_text(web.get("/metrics").text)
    samples = [sample for family in read for sample in family.samples]
    assert {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for sample in samples
        if sample.name == "shufflenet_requests_total"
    } == {
        ("/v2/models/{name}", "200"): 2,
        ("/v2/models/{name}", "404"): 1,
        (OTHER, "404"): 1,
        ("/v2/", "200"): 1,
        ("/v1/classify", "405"): 1,
        ("/v1/classify", "200"): 1,
        ("/v1/classify", "422"): 1,
    }
    by_outcome = {
        sample.labels["outcome"]: sample.value
        for sample in samples
        if sample.name == "shufflenet_images_total"
    }
    assert by_outcome == {"answered": 1, "failed": 1}


def test_counting_writes_no_file_where_prometheus_client_would(tmp_path: Path) -> None:
    code = (
        "from shufflenet.serve._metrics import Metrics; metrics = Metrics(['default'], 2);"
        "metrics.begin(1); metrics.request('/', 200, 0.1); metrics.render()"
    )
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
