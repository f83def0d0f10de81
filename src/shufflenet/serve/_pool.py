"""Threads that decode images one by one, and compute together those that wait together."""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt

from shufflenet.errors import ImageError
from shufflenet.machine import PerProcess
from shufflenet.preprocess import Pixels

__all__ = ["Batch", "Pool", "Tally", "Task"]

Crop: TypeAlias = Pixels
_Rows: TypeAlias = npt.NDArray[np.float32]
_Work: TypeAlias = Callable[[], None]
_CLOCK = time.perf_counter

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """The seconds that the images of one request took; those of a batch are shared evenly."""

    decode: float = 0.0
    compute: float = 0.0
    wait: float = 0.0


@dataclass(eq=False, slots=True)
class Task:
    """Images of one request, which are decoded and computed by one network.

    Attributes:
        key: What tells apart networks, and tasks of one network.
        network: Maps crops ``(n, h, w, c)`` to rows ``(n, d)``, or a detector's.
        load: Decodes and crops an image, given by its number and its bytes, or returns why it
            cannot be read.
        pictures: Image files' bytes, or crops ``(h, w, c)``.
        on_done: Called once, by a thread of the pool, when every image has its row or its error.
        rows: A row or an error for each picture, as they are found.
        failure: What ended the task; its rows are then not complete.
        abandoned: Whether nobody waits for it any more; see ``abandon``.
    """

    key: Hashable
    network: Callable[[Crop], _Rows]
    load: Callable[[int, bytes], Crop | ImageError]
    pictures: Sequence[bytes | Crop]
    on_done: Callable[[], None]
    tally: Tally = field(default_factory=Tally)
    rows: list[_Rows | ImageError | None] = field(default_factory=list)
    failure: Exception | None = None
    abandoned: bool = False
    left: int = 0
    added: float = 0.0

    def abandon(self) -> None:
        """Leave out what is not begun, and free its images, whenever a thread may come to it."""
        self.abandoned, self.pictures = True, ()


@dataclass(frozen=True, slots=True)
class Batch:
    """One call of a network.

    Attributes:
        key: The task's.
        images: The number of images.
        compute: The seconds of the call.
        wait: The seconds that its first image waited for it, decoded.
    """

    key: Hashable
    images: int
    compute: float
    wait: float


@dataclass(frozen=True, eq=False, slots=True)
class _Image:
    """An image of a task that is decoded, and when it was."""

    task: Task
    at: int
    crop: Crop
    decoded: float


class Pool:
    """Threads that take whatever is to be done next, oldest first.

    A thread computes a batch that is full, or whose oldest image has waited long enough; else it
    decodes an image that waits; else it computes what is decoded. So an image alone is computed at
    once, and of many that wait, each call of the network takes as many as it may.

    The threads start with the first task, in the process that uses them.
    """

    def __init__(
        self,
        *,
        threads: int,
        batch: int,
        wait_seconds: float,
        on_batch: Callable[[Batch], None] = lambda batch: None,
    ) -> None:
        """Use that many threads.

        Args:
            threads: The number of threads.
            batch: Images that a call of a network takes at most.
            wait_seconds: How long a decoded image waits for others to be decoded.
            on_batch: Called, by one of the threads, after each call of a network.
        """
        self._batch, self._wait_seconds, self._on_batch = batch, wait_seconds, on_batch
        self._changed = threading.Condition()
        self._undecoded: deque[_Work] = deque()
        self._decoded: OrderedDict[Hashable, deque[_Image]] = OrderedDict()
        self._begun: dict[threading.Thread, float] = {}
        self._number = threads
        self._threads = PerProcess(self._start)

    def add(self, task: Task) -> None:
        """Begin a task; ``task.on_done`` is called when it is done."""
        task.left, task.added = len(task.pictures), _CLOCK()
        task.rows = [None] * task.left
        with self._changed:
            self._threads.get()
            for at, picture in enumerate(task.pictures):
                if isinstance(picture, bytes):
                    self._undecoded.append(partial(self._decode, task, at))
                else:
                    self._keep(_Image(task, at, picture, task.added))
            self._changed.notify(len(task.pictures))

    def call(self, work: _Work) -> None:
        """Run a function by one of the threads, in its turn."""
        with self._changed:
            self._threads.get()
            self._undecoded.append(work)
            self._changed.notify()

    def busy_seconds(self) -> float:
        """Return for how long a thread has been at one piece of work, the longest of them."""
        return _CLOCK() - min(list(self._begun.values()), default=_CLOCK())

    def close(self) -> None:
        """End the threads once nothing waits; a later task starts new ones."""
        with self._changed:
            self._threads = PerProcess(self._start)
            self._changed.notify_all()

    def _start(self) -> list[threading.Thread]:
        started = [
            threading.Thread(
                target=self._run, args=(self._threads,), name=f"shufflenet-{at}", daemon=True
            )
            for at in range(self._number)
        ]
        for thread in started:
            thread.start()
        return started

    def _run(self, started: PerProcess[list[threading.Thread]]) -> None:
        thread = threading.current_thread()
        while work := self._next(started):
            self._begun[thread] = _CLOCK()
            try:
                work()
            except Exception:  # noqa: BLE001  # of what is called then: the thread goes on
                _log.exception("A thread of the pool failed.")
            finally:
                del self._begun[thread]

    def _next(self, started: PerProcess[list[threading.Thread]]) -> _Work | None:
        with self._changed:
            while True:
                if due := self._due_batch():
                    return due
                if self._undecoded:
                    return self._undecoded.popleft()
                if self._decoded:
                    return self._take(next(iter(self._decoded)))
                if started is not self._threads:  # closed since
                    return None
                self._changed.wait()

    def _due_batch(self) -> _Work | None:
        if not self._decoded:
            return None
        latest = _CLOCK() - self._wait_seconds
        for key, images in self._decoded.items():
            if len(images) >= self._batch or images[0].decoded <= latest:
                return self._take(key)
        return None

    def _take(self, key: Hashable) -> _Work:
        """Take the images of the next call of a network."""
        waiting = self._decoded.pop(key)
        images = [waiting.popleft() for _ in range(min(len(waiting), self._batch))]
        if waiting:  # behind those of other networks
            self._decoded[key] = waiting
        return partial(self._compute, images)

    def _keep(self, image: _Image) -> None:
        key = (image.task.key, image.crop.shape)
        self._decoded.setdefault(key, deque()).append(image)

    def _decode(self, task: Task, at: int) -> None:
        if task.abandoned or task.failure:
            return
        started = _CLOCK()
        try:
            crop = task.load(at, cast(bytes, task.pictures[at]))
        except Exception as error:  # noqa: BLE001  # it ends this request, not the thread
            self._fail([task], error)
            return
        decoded = _CLOCK()
        with self._changed:
            task.tally.wait += started - task.added
            task.tally.decode += decoded - started
            if isinstance(crop, ImageError):
                is_done = _answer(task, at, crop)
            else:  # nobody is woken for it: this thread looks next for what is to be done
                self._keep(_Image(task, at, crop, decoded))
                is_done = False
        if is_done:
            task.on_done()

    def _compute(self, images: Sequence[_Image]) -> None:
        images = [each for each in images if not (each.task.abandoned or each.task.failure)]
        if not images:
            return
        started = _CLOCK()
        first = images[0]
        crops = [image.crop for image in images]
        try:
            rows = first.task.network(np.stack(crops) if len(crops) > 1 else crops[0][None])
        except Exception as error:  # noqa: BLE001  # likewise
            self._fail([image.task for image in images], error)
            return
        seconds = _CLOCK() - started
        self._on_batch(Batch(first.task.key, len(images), seconds, started - first.decoded))
        done = []
        with self._changed:
            for image, row in zip(images, rows, strict=True):
                image.task.tally.compute += seconds / len(images)
                image.task.tally.wait += started - image.decoded
                if _answer(image.task, image.at, row):
                    done.append(image.task)
        for task in done:
            task.on_done()

    def _fail(self, tasks: Sequence[Task], error: Exception) -> None:
        for task in dict.fromkeys(tasks):
            with self._changed:
                first = not task.failure
                task.failure = task.failure or error
            if first:
                task.on_done()


def _answer(task: Task, at: int, row: _Rows | ImageError) -> bool:
    """Note the row or the error of an image; return whether the task is done by that."""
    task.rows[at] = row
    task.left -= 1
    return not task.left and not task.failure
