"""What computes parts: processes of this machine or actors of a cluster, by one interface."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shufflenet.data.parts import Part
from shufflenet.score._answers import Counts

__all__ = ["Ended", "Workers"]


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a part: its counts, an error, or None where its worker ended."""

    part: Part
    result: Counts | Exception | None


class Workers(Protocol):
    """Workers that take a part each."""

    def free(self) -> bool:
        """Return whether a part would be taken at once."""

    def submit(self, part: Part) -> None:
        """Send a part to a worker that is free."""

    def wait(self, seconds: float) -> Sequence[Ended]:
        """Return the parts that have ended; wait for one of them, but not for longer.

        Raises:
            ShuffleNetError: no worker can do the work.
        """

    def waits_for(self) -> str:
        """Return a sentence about what is waited for, where no worker can start; else nothing."""

    def close(self) -> None:
        """End all workers at once."""
