"""Time several functions side by side, in alternating blocks of calls.

On a machine that does other things too, two measurements taken one after the other differ by what
happened in between. Blocks of calls therefore alternate: each function is called for a short time,
long enough for its weights to settle in cache, then the next; every round has a new random order.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

__all__ = ["ROUNDS", "CallTimes", "Clock", "quietest_rounds", "time_interleaved"]

Clock: TypeAlias = Callable[[], float]
"""Returns seconds since a fixed moment, as ``time.perf_counter`` does."""

ROUNDS = 10
_MIN_CALLS = 2  # a block; the first call is kept apart, because it finds the caches cold


@dataclass(frozen=True, slots=True)
class CallTimes:
    """How many seconds each call of a function took.

    Attributes:
        cold: The first call of each round, made after a block of another function.
        warm: The other calls, one list for each round.
    """

    cold: list[float]
    warm: list[list[float]]

    @property
    def round_medians(self) -> list[float]:
        """The median of each round's warm calls, in seconds."""
        return [float(np.median(block)) for block in self.warm]


def time_interleaved(
    functions: Sequence[Callable[[], object]],
    *,
    seconds: Sequence[float],
    rounds: int = ROUNDS,
    clock: Clock = time.perf_counter,
    on_progress: Callable[[int], None] = lambda blocks: None,
) -> list[CallTimes]:
    """Call each function repeatedly in short alternating blocks and time every call.

    Args:
        functions: What is measured; each is called once beforehand, to allocate and to compile.
        seconds: How long each function is measured in ``ROUNDS`` rounds; a block takes
            ``1 / ROUNDS`` of it, but at least two calls.
        rounds: How many rounds; each has one block of every function.
        clock: Returns the time in seconds.
        on_progress: Called with 1 after each block; there are ``rounds * len(functions)``.
    """
    for function in functions:
        function()
    rng = np.random.default_rng(0)
    times = [CallTimes([], []) for _ in functions]
    for _ in range(rounds):
        for index in rng.permutation(len(functions)):
            first, *others = _time_block(functions[index], seconds[index] / ROUNDS, clock)
            times[index].cold.append(first)
            times[index].warm.append(others)
            on_progress(1)
    return times


def quietest_rounds(times: Sequence[CallTimes], references: Sequence[CallTimes]) -> list[CallTimes]:
    """Return only the ``ROUNDS`` rounds in which the reference functions ran fastest.

    On a machine shared with others these are the rounds in which the others did least. The
    references choose them, so the choice favors none of the functions that are compared.

    Args:
        times: All functions measured in the same rounds.
        references: Functions measured in those rounds that nobody compares, such as matrix
            products.
    """
    medians = [np.array(reference.round_medians) for reference in references]
    slowness = np.mean([each / each.min() for each in medians], axis=0)
    chosen = np.sort(np.argsort(slowness)[:ROUNDS])
    return [
        CallTimes([each.cold[n] for n in chosen], [each.warm[n] for n in chosen]) for each in times
    ]


def _time_block(function: Callable[[], object], seconds: float, clock: Clock) -> list[float]:
    """Call a function for so many seconds; return how many seconds each call took."""
    calls: list[float] = []
    end = clock() + seconds
    while len(calls) < _MIN_CALLS or clock() < end:
        start = clock()
        function()
        calls.append(clock() - start)
    return calls
