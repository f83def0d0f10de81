"""What the routes share: the models, the limits, the pool that computes, and what is admitted."""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from shufflenet.errors import ImageError, NotAnsweredInTime, NotEmbedded, QueueFull, SpecError
from shufflenet.machine import return_memory
from shufflenet.runtimes import load_picture
from shufflenet.serve._limits import Limits
from shufflenet.serve._metrics import Metrics
from shufflenet.serve._pixels import Pixels
from shufflenet.serve._pool import Batch, Crop, Pool, Tally, Task
from shufflenet.serve._served import Served, find_served

__all__ = ["Computed", "Service", "Size", "Wanted"]

Wanted: TypeAlias = Literal["logits", "embedding"]
Size: TypeAlias = tuple[int, int]
_Row: TypeAlias = npt.NDArray[np.float32] | ImageError
_T = TypeVar("_T")

_LONGEST_RETRY_SECONDS = 30
_AT_ONCE_VALUES = 1 << 12  # of an answer: numbers that become JSON within some 2 ms
_MUCH_BYTES = 8 << 20  # of bodies, after which freed memory is given back
_NEWEST_SHARE = 0.05  # of the newest request in the average time of an image


@dataclass(frozen=True, eq=False, slots=True)
class Computed:
    """What was computed of images, in order, and the seconds that it took.

    Attributes:
        rows: A row ``(d,)``, that of a detector ``(cells, 4 + classes)``, or an error of each.
        sizes: Their widths and heights, px; 0 of those that were sent decoded.
        tally: The seconds.
    """

    rows: Sequence[_Row]
    sizes: Sequence[Size]
    tally: Tally


class Service:
    """One process's models with the threads that compute them.

    All its methods belong to one event loop. Images are admitted before they are read, so that
    what waits, and the memory that it takes, is bounded.
    """

    def __init__(
        self, models: Mapping[str, Served], limits: Limits, metrics: Metrics, *, threads: int
    ) -> None:
        """Serve these models by that many threads, of which each computes one batch."""
        self.models, self.limits, self.metrics = models, limits, metrics
        self.ending = False  # whether requests are still answered, but no new ones are expected
        self._threads = threads
        self._waiting = self._held_bytes = self._most_held = 0
        self._seconds_per_image = 0.005  # a guess, until images were computed
        self.pool = Pool(
            threads=threads,
            batch=limits.batch,
            wait_seconds=limits.batch_wait_ms / 1000,
            on_batch=self._count_batch,
        )

    def find(self, name: str | None) -> Served:
        """Return a model by its name; the first one without a name.

        Raises:
            ModelNotServed: no model has that name.
        """
        return find_served(self.models, name)

    def check_room(self, number: int) -> None:
        """Check that so many more bytes of bodies may be held.

        Raises:
            QueueFull: all bodies together would hold more than they may.
        """
        if self._held_bytes + number > self.limits.held_bytes:
            raise QueueFull(self.retry_seconds())

    @contextmanager
    def hold_bytes(self) -> Iterator[Callable[[int], None]]:
        """Yield a function that counts bytes of a body as held, until the block ends.

        It raises ``QueueFull`` as ``check_room`` does. One sum is kept of a body, however many
        chunks it comes in: who sends it byte by byte makes nothing grow that is not counted.
        """
        held = 0

        def hold(number: int) -> None:
            nonlocal held
            self.check_room(number)
            held += number
            self._count(0, number)

        try:
            yield hold
        finally:
            self._count(0, -held)

    @contextmanager
    def admit(self, images: int) -> Iterator[None]:
        """Count images as waiting, while the block runs.

        Raises:
            QueueFull: more would wait than may.
        """
        if self._waiting + images > self.limits.waiting:
            raise QueueFull(self.retry_seconds())
        self._count(images, 0)
        try:
            yield
        finally:
            self._count(-images, 0)

    def retry_seconds(self) -> int:
        """Return in how many seconds what waits now is likely to be done, at least 1."""
        seconds = self._waiting * self._seconds_per_image / self._threads
        return min(max(1, math.ceil(seconds)), _LONGEST_RETRY_SECONDS)

    async def compute(
        self,
        served: Served,
        pictures: Sequence[bytes | Crop],
        wanted: Wanted = "logits",
    ) -> Computed:
        """Compute a row for each image.

        Args:
            served: The model.
            pictures: The bytes of image files, or crops ``(h, w, c)``.
            wanted: Logits, or the input of the model's last layer.

        Raises:
            QueueFull: more images would wait than may.
            NotAnsweredInTime: they were not computed within ``Limits.seconds``.
            NotEmbedded: embeddings are wanted of a model that computes none.
            SpecError: the model takes images of another number of channels than three.
            CheckpointError: the model cannot be computed, or not to finite numbers.
        """
        network = _network(served, wanted)
        if not pictures:
            return Computed((), (), Tally())
        with self.admit(len(pictures)):
            done, on_done = _signal()
            sizes = [(0, 0)] * len(pictures)
            load = _loader(served, self.limits, sizes)
            task = Task((served.name, wanted), network, load, pictures, on_done)
            self.pool.add(task)
            try:
                await self._in_time(done)
            finally:
                task.abandon()
        if task.failure:
            raise task.failure
        rows = cast(list[_Row], task.rows)
        failed = sum(isinstance(row, ImageError) for row in rows)
        self.metrics.images(served.name, answered=len(rows) - failed, failed=failed)
        if files := sum(isinstance(each, bytes) for each in pictures):
            self.metrics.decoded(task.tally.decode, files)
        self._learn(task.tally, len(rows))
        return Computed(rows, sizes, task.tally)

    async def logits(self, served: Served, batch: npt.NDArray[np.float32]) -> Computed:
        """Compute the logits ``(classes,)`` of each of prepared images ``(n, channels, h, w)``.

        They are computed ``Limits.batch`` at once, for memory, by any threads that are free.

        Raises:
            QueueFull: more images would wait than may.
            NotAnsweredInTime: they were not computed within ``Limits.seconds``.
            SpecError: the batch has another shape, or is not finite.
            CheckpointError: the model cannot be computed, or not to finite logits.
        """
        step = self.limits.batch
        parts = [batch[at : at + step] for at in range(0, len(batch), step)]
        with self.admit(len(batch)):
            done = await asyncio.gather(*(self._logits(served, part) for part in parts))
        tally = Tally()
        for _, call in done:
            tally.compute += call.compute
            tally.wait += call.wait * call.images
        self.metrics.images(served.name, answered=len(batch), failed=0)
        self._learn(tally, len(batch))
        rows = [row for part, _ in done for row in part]
        return Computed(rows, [(0, 0)] * len(rows), tally)

    async def _logits(
        self, served: Served, images: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], Batch]:
        key: tuple[str, Wanted] = (served.name, "logits")
        asked = time.perf_counter()

        def compute() -> tuple[npt.NDArray[np.float32], Batch]:
            started = time.perf_counter()
            rows = served.model.logits(images)
            seconds = time.perf_counter() - started
            return rows, Batch(key, len(images), seconds, started - asked)

        rows, call = await self.run(compute)
        self._count_batch(call)
        return rows, call

    async def write(self, values: int, write: Callable[[], _T]) -> _T:
        """Run what writes an answer of so many values; by the pool, where that takes a while.

        Raises:
            NotAnsweredInTime: it was not done within ``Limits.seconds``.
        """
        return write() if values <= _AT_ONCE_VALUES else await self.run(write)

    async def run(self, work: Callable[[], _T]) -> _T:
        """Run a function by a thread of the pool, in its turn; not if nobody waits for it then.

        Raises:
            NotAnsweredInTime: it was not done within ``Limits.seconds``.
            Exception: what the function raised.
        """
        done, on_done = _signal()
        left, results = [work], list[_T | Exception]()

        def run() -> None:
            try:
                mine = left.pop()
            except IndexError:  # nobody waits any more
                return
            try:
                results.append(mine())
            except Exception as error:  # noqa: BLE001  # raised again where it is awaited
                results.append(error)
            on_done()

        self.pool.call(run)
        try:
            await self._in_time(done)
        finally:
            left.clear()  # and with it what it holds, such as a body
        if isinstance(results[0], Exception):
            raise results[0]
        return results[0]

    async def _in_time(self, done: "asyncio.Future[None]") -> None:
        try:
            async with asyncio.timeout(self.limits.seconds):
                await done
        except TimeoutError as error:
            raise NotAnsweredInTime(self.limits.seconds, self.retry_seconds()) from error

    def _learn(self, tally: Tally, images: int) -> None:
        """Take what images took into the average."""
        seconds = (tally.decode + tally.compute) / images
        self._seconds_per_image += _NEWEST_SHARE * (seconds - self._seconds_per_image)

    def _count(self, images: int, held_bytes: int) -> None:
        self._waiting += images
        self._held_bytes += held_bytes
        self.metrics.waiting(self._waiting, self._held_bytes)
        self._most_held = max(self._most_held, self._held_bytes)
        if not self._held_bytes and self._most_held >= _MUCH_BYTES:  # a burst is over
            self._most_held = 0
            self.pool.call(return_memory)

    def _count_batch(self, batch: Batch) -> None:
        model, _ = cast(tuple[str, Wanted], batch.key)
        self.metrics.batch(model, batch.images, batch.compute, batch.wait)


def _network(served: Served, wanted: Wanted) -> Callable[[Crop], npt.NDArray[np.float32]]:
    card = served.card
    if not card.takes_pixels:
        expected = f"{card.preprocess.in_channels} to take photos; send prepared images to /v2"
        raise SpecError("in_channels", card.network.in_channels, expected)
    if wanted == "logits":
        return served.model.logits_from_pixels
    if served.embedder is None:
        raise NotEmbedded(served.name)
    return served.embedder.embed_from_pixels


def _loader(
    served: Served, limits: Limits, sizes: list[Size]
) -> Callable[[int, bytes], Crop | ImageError]:
    """Return what decodes and crops the images of one request, within its limits.

    It is called with the number of an image, whose size it notes, and with its bytes.
    """
    preprocess, pixels = served.card.preprocess, Pixels(limits)
    several = len(sizes) > 1  # one alone is bounded by the limit of each

    def load(at: int, picture: bytes) -> Crop | ImageError:
        def note(width: int, height: int) -> None:
            sizes[at] = width, height

        try:
            if several:
                pixels.take(picture)
        except ImageError as error:
            return error
        return load_picture(picture, preprocess, most_pixels=limits.pixels, on_size=note)

    return load


def _signal() -> tuple["asyncio.Future[None]", Callable[[], None]]:
    """Return a future of the running loop, and what resolves it from another thread."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def resolve() -> None:
        if not future.done():
            future.set_result(None)

    def resolve_from_thread() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it who waited
            loop.call_soon_threadsafe(resolve)

    return future, resolve_from_thread
