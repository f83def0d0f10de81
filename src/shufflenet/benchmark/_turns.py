"""Work measured side by side.

On a machine that does other things too, two measurements taken one after the other differ by what
happened in between. So contenders take turns: each works for a short block, long enough for its
weights to settle in cache, then the next; the order is drawn anew every round.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["ROUNDS", "Turns", "take_turns"]

ROUNDS = 10
_LEAST_CALLS = 2  # a block; the first is left out, for it finds the caches cold


@dataclass(frozen=True, slots=True)
class Turns:
    """How many seconds each call of a contender took.

    Attributes:
        cold: The first call of each round, after another contender's turn.
        warm: The others, a list a round.
    """

    cold: list[float]
    warm: list[list[float]]

    @property
    def rounds(self) -> list[float]:
        """The median of each round's warm calls, in seconds."""
        return [float(np.median(block)) for block in self.warm]


def take_turns(
    works: Sequence[Callable[[], object]],
    *,
    seconds: Sequence[float],
    on_progress: Callable[[int], None] = lambda turns: None,
) -> list[Turns]:
    """Do each work again and again, in turns.

    Args:
        works: What is measured; each is done once beforehand, to allocate and to compile.
        seconds: For how long each of them, in all.
        on_progress: Called with 1 after each turn, of which there are ``ROUNDS`` a work.
    """
    for work in works:
        work()
    rng = np.random.default_rng(0)
    found = [Turns([], []) for _ in works]
    for _ in range(ROUNDS):
        for index in rng.permutation(len(works)):
            first, *others = _block(works[index], seconds[index] / ROUNDS)
            found[index].cold.append(first)
            found[index].warm.append(others)
            on_progress(1)
    return found


def _block(work: Callable[[], object], seconds: float) -> list[float]:
    """Work again and again for so long; give how many seconds each time took."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < _LEAST_CALLS or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return taken
