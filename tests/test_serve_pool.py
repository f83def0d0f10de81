"""The pool: what is decoded alone, computed together, and left out."""

import sys
import threading
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from shufflenet.errors import ImageError
from shufflenet.serve._pool import Batch, Pool, Task  # the pool is not offered to programs

LONG = 60  # seconds after which a test has failed
Array = npt.NDArray[np.uint8 | np.uint16]


def load(at: int, picture: bytes) -> Array | ImageError:
    if picture == b"bad":
        return ImageError("a", "it is bad")
    return np.full((2, 2, 3), picture[0], np.uint8)


def first_values(crops: Array) -> npt.NDArray[np.float32]:
    return crops[:, 0, 0, :1].astype(np.float32)


class Gate:
    """A network that waits until it is let through, and keeps the size of each call."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Event(), threading.Event()

    def __call__(self, crops: Array) -> npt.NDArray[np.float32]:
        self.entered.set()
        assert self.open.wait(LONG)
        return first_values(crops)


Network = Callable[[Array], npt.NDArray[np.float32]]


def task(
    pictures: Sequence[bytes | Array], network: Network = first_values
) -> tuple[Task, threading.Event]:
    done = threading.Event()
    return Task("net", network, load, pictures, done.set), done


def finish(pool: Pool, made: Task, done: threading.Event) -> Task:
    pool.add(made)
    assert done.wait(LONG)
    return made


def values(made: Task) -> list[float | str]:
    return [float(row[0]) if isinstance(row, np.ndarray) else str(row) for row in made.rows]


def pool(threads: int, on_batch: Callable[[Batch], None] = lambda batch: None) -> Pool:
    return Pool(threads=threads, batch=4, wait_seconds=LONG, on_batch=on_batch)


def test_every_image_gets_its_row_or_its_error_in_order() -> None:
    made = finish(pool(3), *task([b"\1", b"bad", b"\3", np.full((2, 2, 3), 4, np.uint8)]))
    assert values(made) == [1, "Cannot read 'a' as an image: it is bad.", 3, 4]
    assert made.failure is None


def test_images_that_wait_together_are_computed_together() -> None:
    batches: list[Batch] = []
    one = pool(1, on_batch=batches.append)
    gate = Gate()
    one.add(task([b"\0"], gate)[0])
    assert gate.entered.wait(LONG)  # the only thread is busy, so that what follows waits
    others = [task([bytes([n])]) for n in range(1, 7)]
    for made, _ in others:
        one.add(made)
    gate.open.set()
    for _, done in others:
        assert done.wait(LONG)
    assert [values(made) for made, _ in others] == [[n] for n in range(1, 7)]
    assert [batch.images for batch in batches] == [1, 4, 2]


def test_an_image_alone_is_computed_at_once() -> None:
    made = finish(pool(1), *task([b"\5"]))  # though an image may wait a minute for others
    assert values(made) == [5]


def test_images_of_other_sizes_are_computed_apart() -> None:
    sizes: list[tuple[int, ...]] = []

    def network(crops: Array) -> npt.NDArray[np.float32]:
        sizes.append(crops.shape)
        return first_values(crops)

    pictures = [np.zeros((n, n, 3), np.uint8) for n in (2, 3, 2, 3)]
    finish(pool(1), *task(pictures, network))
    assert sorted(sizes) == [(2, 2, 2, 3), (2, 3, 3, 3)]


def test_what_raises_ends_its_task_only() -> None:
    def broken(crops: Array) -> npt.NDArray[np.float32]:
        raise ValueError("broken")

    one = pool(1)
    made, done = task([b"\1", b"\2"], broken)
    made.key = "broken"
    assert str(finish(one, made, done).failure) == "broken"
    assert values(finish(one, *task([b"\7"]))) == [7]


def test_what_nobody_waits_for_is_left_out() -> None:
    one, gate, seen = pool(1), Gate(), []

    def network(crops: Array) -> npt.NDArray[np.float32]:
        seen.append(len(crops))
        return first_values(crops)

    one.add(task([b"\0"], gate)[0])
    assert gate.entered.wait(LONG)
    abandoned, never = task([b"\1", b"\2"], network)
    one.add(abandoned)
    abandoned.abandon()
    gate.open.set()
    assert values(finish(one, *task([b"\3"], network))) == [3]
    assert seen == [1]
    assert not never.is_set()


def test_what_nobody_waits_for_is_freed_before_a_thread_comes_to_it() -> None:
    one, gate = pool(1), Gate()
    one.add(task([b"\0"], gate)[0])
    assert gate.entered.wait(LONG)  # the only thread, for as long as it likes
    picture = bytes(range(100))
    before = sys.getrefcount(picture)
    abandoned, _ = task([picture])
    one.add(abandoned)
    assert sys.getrefcount(picture) > before
    abandoned.abandon()
    assert sys.getrefcount(picture) == before
    gate.open.set()


def test_it_is_told_for_how_long_a_thread_is_at_one_piece_of_work() -> None:
    one, gate = pool(1), Gate()
    assert one.busy_seconds() <= 0
    made, done = task([b"\0"], gate)
    one.add(made)
    assert gate.entered.wait(LONG)
    assert one.busy_seconds() > 0
    gate.open.set()
    assert done.wait(LONG)
    after = threading.Event()
    one.call(after.set)
    assert after.wait(LONG)


def test_what_fails_when_a_task_is_done_ends_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    one = pool(1)
    made, _ = task([b"\1"])
    told = threading.Event()

    def fail() -> None:
        told.set()
        raise ZeroDivisionError

    made.on_done = fail
    one.add(made)
    assert told.wait(LONG)
    assert values(finish(one, *task([b"\2"]))) == [2]
    assert "A thread of the pool failed." in caplog.text


def test_calls_take_their_turn() -> None:
    one, done = pool(1), threading.Event()
    one.call(done.set)
    assert done.wait(LONG)


@pytest.mark.parametrize("threads", [1, 4])
def test_a_pool_that_is_closed_ends_its_threads(threads: int) -> None:
    closed = pool(threads)
    finish(closed, *task([b"\1"]))
    started = closed._threads.get()  # the threads are nobody else's business
    closed.close()
    for thread in started:
        thread.join(LONG)
        assert not thread.is_alive()


def test_a_pool_that_was_closed_takes_tasks_again() -> None:
    again = pool(2)
    for n in range(3):
        assert values(finish(again, *task([bytes([n])]))) == [n]
        started = again._threads.get()
        again.close()
        for thread in started:
            thread.join(LONG)
