"""When each worker's event loop last ran, in memory that the workers share with who watches."""

import mmap
import time
from collections.abc import Callable

__all__ = ["Beats"]


class Beats:
    """The latest sign of life of each worker.

    >>> beats = Beats(2, clock=iter([5.0, 8.0]).__next__)
    >>> beats.beat(1)
    >>> beats.silent_seconds(1)
    3.0
    """

    def __init__(self, workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._times = memoryview(mmap.mmap(-1, 8 * workers)).cast("d")  # shared after a fork
        self._clock = clock  # the system's, so that processes may compare it

    def beat(self, worker: int) -> None:
        """Note that a worker lives."""
        self._times[worker] = self._clock()

    def silent_seconds(self, worker: int) -> float:
        """Return how long ago that was noted."""
        return self._clock() - self._times[worker]
