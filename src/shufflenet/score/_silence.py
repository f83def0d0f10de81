"""Workers that say nothing: which of those that have a part are taken to hang."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from shufflenet.data.parts import Part

__all__ = ["SILENT_S", "Watch"]

# From one image to the next, or to open a model, takes seconds; a disk or a store that does not
# answer may take minutes to say so. A process that is stopped, or hangs, says nothing at all.
SILENT_S = 600.0
_PAUSE_S = 60.0  # between looks: this process was stopped itself, and with it all others perhaps


class _Heard(Protocol):
    part: Part | None
    heard: float  # when it was, by the clock of the watch


_H = TypeVar("_H", bound=_Heard)


class Watch:
    """The time since each worker was heard, of which that is left out when nobody listened."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._looked = clock, clock()

    def silent(self, workers: Iterable[_H]) -> list[_H]:
        """Return the workers that have a part and from which nothing was heard for ``SILENT_S``."""
        now = self._clock()
        paused = now - self._looked > _PAUSE_S
        self._looked = now
        found = []
        for each in workers:
            if paused:
                each.heard = now
            if each.part is not None and now - each.heard > SILENT_S:
                found.append(each)
        return found
