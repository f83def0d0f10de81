"""Threads that wait for calls, where the system starts fewer than are asked for."""

import queue
import threading

import pytest

from shufflenet.runtimes._helpers import Helpers


@pytest.mark.parametrize("most", [0, 1])
def test_fewer_threads_help_where_the_system_starts_no_more(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def limited(thread: threading.Thread) -> None:
        if len(started) == most:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    helpers, called = Helpers(3), queue.SimpleQueue[int]()
    for number in range(5):
        helpers.submit(called.put, number)
    if most:
        assert [called.get(timeout=10) for _ in range(5)] == [*range(5)]
    assert called.empty()
    assert helpers._calls.empty()
    del helpers
    for thread in started:
        thread.join(10)
        assert not thread.is_alive()
