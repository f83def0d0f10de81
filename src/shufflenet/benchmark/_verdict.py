"""State in sentences which contender is fastest, and by how much."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from shufflenet.benchmark._timing import Timing
from shufflenet.spec import RUNTIMES

__all__ = ["Speedup", "speedup", "verdict"]


@dataclass(frozen=True, slots=True)
class Speedup:
    """How many times as fast one contender is as another: quartiles over their shared rounds."""

    low: float
    median: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the middle half of the rounds agrees which is faster, by at least 2 %."""
        return self.low > 1.02 or self.high < 0.98


def speedup(rounds: Sequence[float], baseline: Sequence[float]) -> Speedup:
    """Compare the times of one contender with those of another in the same rounds.

    Args:
        rounds: A time for each round.
        baseline: The other contender's time in each of these rounds.

    >>> speedup([2, 2, 4, 2], [4, 4, 8, 6])
    Speedup(low=2.0, median=2.0, high=2.25)
    """
    low, median, high = np.percentile(np.array(baseline) / np.array(rounds), (25, 50, 75))
    return Speedup(float(low), float(median), float(high))


def verdict(timings: Iterable[Timing]) -> list[str]:
    """Return sentences: which contender and runtime is fastest, and whether int8 is faster.

    Only contenders measured in the same rounds are compared: one batch size and thread count.
    """
    ordered = sorted(timings, key=lambda t: (t.threads, t.batch))
    return [
        sentence
        for _, group in groupby(ordered, key=lambda t: (t.threads, t.batch))
        for sentence in _sentences(list(group))
    ]


def _sentences(timings: list[Timing]) -> Iterator[str]:
    if len(timings) == 1:
        return
    best = min(timings, key=lambda t: t.p50_ms)
    threads = "1 thread" if best.threads == 1 else f"{best.threads} threads"
    yield (
        f"Batch {best.batch}, {threads}: {best.model} in {best.precision} by "
        f"{RUNTIMES[best.runtime].title} is fastest, {best.p50_ms:.2f} ms."
    )
    yield from _compare_runtimes(timings)
    yield from _compare_int8(timings)


def _compare_runtimes(timings: list[Timing]) -> Iterator[str]:
    """Compare the fastest runtime of each model with the others."""
    for model in dict.fromkeys(t.model for t in timings):
        best, *others = sorted((t for t in timings if t.model == model), key=lambda t: t.p50_ms)
        clauses = [
            _clause(speedup(best.rounds_ms, other.rounds_ms), RUNTIMES[other.runtime].title)
            for other in others
        ]
        if clauses:
            yield f"For {model}, {RUNTIMES[best.runtime].title} is {' and '.join(clauses)}."


def _compare_int8(timings: list[Timing]) -> Iterator[str]:
    """Compare int8 with float32 of the same network in the same runtime."""
    for small in (t for t in timings if t.precision == "int8"):
        same = (small.network, small.runtime, small.image_px)
        for plain in timings:
            if plain.precision == "float32" and same == (
                plain.network, plain.runtime, plain.image_px,
            ):  # fmt: skip
                ratio = speedup(small.rounds_ms, plain.rounds_ms)
                pays = "pays" if ratio.is_clear and ratio.median > 1 else "does not pay"
                yield (
                    f"int8 {pays} here by {RUNTIMES[small.runtime].title}: {small.model} is "
                    f"{_clause(ratio, f'{plain.model} in float32')}."
                )


def _clause(ratio: Speedup, other: str) -> str:
    """Describe a speedup so that "X is ..." is a sentence.

    >>> _clause(Speedup(2.0, 2.1, 2.2), "Y")
    '2.10 times as fast as Y'
    """
    if not ratio.is_clear:
        return f"about as fast as {other} ({ratio.median:.2f} times, within the measured variation)"
    return f"{ratio.median:.2f} times as fast as {other}"
