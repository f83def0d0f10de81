"""Work measured side by side.

On a machine that does other things too, two measurements taken one after the other differ by what
happened in between. So contenders take turns: each works for a short block, long enough for its
weights to settle in cache, then the next; the order is drawn anew every round.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["ROUNDS", "Turns", "quietest", "take_turns"]

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
    rounds: int = ROUNDS,
    on_progress: Callable[[int], None] = lambda turns: None,
) -> list[Turns]:
    """Do each work again and again, in turns.

    Args:
        works: What is measured; each is done once beforehand, to allocate and to compile.
        seconds: For how long each of them, in ``ROUNDS`` rounds.
        rounds: How many there are.
        on_progress: Called with 1 after each turn, of which there are as many a work.
    """
    for work in works:
        work()
    rng = np.random.default_rng(0)
    found = [Turns([], []) for _ in works]
    for _ in range(rounds):
        for index in rng.permutation(len(works)):
            first, *others = _block(works[index], seconds[index] / ROUNDS)
            found[index].cold.append(first)
            found[index].warm.append(others)
            on_progress(1)
    return found


def quietest(turns: Sequence[Turns], judges: Sequence[Turns]) -> list[Turns]:
    """Keep the ``ROUNDS`` rounds in which other work, the judges', was done fastest.

    On a machine shared with others that is when they did least, whatever the contenders' times.

    Args:
        turns: What took turns in the same rounds.
        judges: Work that is nobody's, such as products of matrices.
    """
    slowness = np.mean([np.array(judge.rounds) / min(judge.rounds) for judge in judges], axis=0)
    kept = np.sort(np.argsort(slowness)[:ROUNDS])
    return [Turns([own.cold[n] for n in kept], [own.warm[n] for n in kept]) for own in turns]


def _block(work: Callable[[], object], seconds: float) -> list[float]:
    """Work again and again for so long; give how many seconds each time took."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < _LEAST_CALLS or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return taken
