"""The calls that compute the features of an image in its planes, by one thread or by a team."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from shufflenet.codegen.kernels import Function, Kernels, Value, index
from shufflenet.codegen.plan import (
    Buffer,
    Memory,
    Planes,
    ReadImages,
    Team,
    Turn,
    Writer,
    write_turn_of_images,
    write_turns,
)

__all__ = ["NetworkCalls"]


@dataclass(frozen=True, slots=True)
class NetworkCalls:
    """The steps of a network, with places for all that they read and write.

    Attributes:
        kernels: The kernels by the type of the elements of maps.
        memory: What lies in the blocks.
        turns: The order of the steps.
        own_at: The byte of the arena at which the parts begin of which each thread has one.
    """

    kernels: Mapping[type[np.generic], Kernels]
    memory: Memory
    turns: Sequence[Turn]
    own_at: int

    @classmethod
    def create(
        cls,
        kernels: Mapping[type[np.generic], Kernels],
        memory: Memory,
        turns: Sequence[Turn],
    ) -> "NetworkCalls":
        """Return the steps of a network, whose maps have places; the rest of the arena gets them.

        Raises:
            TooLargeToCompile: the arena would be too large.
        """
        own_at = memory.reserve(memory.threads * memory.own_length) if memory.own_length else 0
        return cls(kernels, memory, turns, own_at)

    def write(self, f: Function, team: Team | None = None) -> None:
        """Write the computation of all steps into a function: by one thread, or by a team's."""
        with self._writers(f, team) as writers:
            # Where images are read in strips, the first turn is written where they are read.
            write_turns(writers, self.turns[self.turns[0].of_images :])

    def write_images(self, f: Function, images: Planes, read: ReadImages) -> None:
        """Write the first turn, in strips for which images are read."""
        with self._writers(f) as writers:
            write_turn_of_images(writers, self.turns[0], images, read)

    @contextmanager
    def _writers(
        self, f: Function, team: Team | None = None
    ) -> Iterator[Mapping[type[np.generic], Writer]]:
        """Yield the writers of a function, between what must stand before and after kernels."""
        own = self._own_part(f, f.arguments.thread if team else index(0))
        for kernels in self.kernels.values():
            kernels.begin(f)
        yield {
            dtype: Writer(f, kernels, self.memory, own=own, team=team)
            for dtype, kernels in self.kernels.items()
        }
        for kernels in self.kernels.values():
            kernels.end(f)

    @property
    def features(self) -> Buffer:
        """The map that the classifier reads."""
        return self.turns[-1].steps[-1].output

    def own_parts(self, f: Function, of: Buffer | Planes) -> Iterator[Value | None]:
        """Yield a pointer to each thread's own part, if a map lies in each; else None, once."""
        if isinstance(of, Buffer) and of.own:
            for thread in range(self.memory.threads):
                yield self._own_part(f, index(thread))
        else:
            yield None

    def _own_part(self, f: Function, thread: Value) -> Value | None:
        """Return a pointer to a thread's own part of the arena; None if there are none."""
        if not self.memory.own_length:
            return None
        at = f.mul(thread, index(self.memory.own_length))
        return f.at(f.arguments.arena, self.own_at, at)
