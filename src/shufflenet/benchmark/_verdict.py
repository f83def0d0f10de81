"""What measurements mean, in words."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from shufflenet.benchmark._timing import Timing

__all__ = ["RUNTIMES", "Ratio", "times_as_fast", "verdict"]

RUNTIMES = {
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "llvm": "LLVM",
    "torch": "PyTorch",
}


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as fast one is as another: median and quartiles of the rounds they shared."""

    low: float
    median: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether the middle half of the rounds agrees on which is faster, by 2 % at least."""
        return self.low > 1.02 or self.high < 0.98


def times_as_fast(rounds: Sequence[float], as_rounds: Sequence[float]) -> Ratio:
    """Compare the times of one, a number a round, with those of another in the same rounds.

    >>> times_as_fast([2, 2, 4, 2], [4, 4, 8, 6])
    Ratio(low=2.0, median=2.0, high=2.25)
    """
    low, median, high = np.percentile(np.array(as_rounds) / np.array(rounds), (25, 50, 75))
    return Ratio(float(low), float(median), float(high))


def verdict(timings: Iterable[Timing]) -> list[str]:
    """Say which is fastest, which runtime, and whether int8 pays; a sentence each.

    Only what took turns with each other is compared: the same batch on as many threads.
    """
    ordered = sorted(timings, key=lambda t: (t.threads, t.batch))
    return [
        sentence
        for _, group in groupby(ordered, key=lambda t: (t.threads, t.batch))
        for sentence in _of_one_comparison(list(group))
    ]


def _of_one_comparison(timings: list[Timing]) -> Iterator[str]:
    if len(timings) == 1:
        return
    best = min(timings, key=lambda t: t.p50_ms)
    threads = "1 thread" if best.threads == 1 else f"{best.threads} threads"
    yield (
        f"Batch {best.batch}, {threads}: {best.model} in {best.precision} by "
        f"{RUNTIMES[best.runtime]} is fastest, {best.p50_ms:.2f} ms."
    )
    yield from _of_runtimes(timings)
    yield from _of_int8(timings)


def _of_runtimes(timings: list[Timing]) -> Iterator[str]:
    """Hold the fastest runtime of each model against its others."""
    for model in dict.fromkeys(t.model for t in timings):
        best, *others = sorted((t for t in timings if t.model == model), key=lambda t: t.p50_ms)
        clauses = [
            _words(times_as_fast(best.rounds_ms, other.rounds_ms), RUNTIMES[other.runtime])
            for other in others
        ]
        if clauses:
            yield f"For {model}, {RUNTIMES[best.runtime]} is {' and '.join(clauses)}."


def _of_int8(timings: list[Timing]) -> Iterator[str]:
    """Hold int8 against float32 of the same network by the same runtime."""
    for small in (t for t in timings if t.precision == "int8"):
        same = (small.network, small.runtime, small.image_px)
        for plain in timings:
            if plain.precision == "float32" and same == (
                plain.network, plain.runtime, plain.image_px,
            ):  # fmt: skip
                ratio = times_as_fast(small.rounds_ms, plain.rounds_ms)
                pays = "pays" if ratio.certain and ratio.median > 1 else "does not pay"
                yield (
                    f"int8 {pays} here by {RUNTIMES[small.runtime]}: {small.model} is "
                    f"{_words(ratio, f'{plain.model} in float32')}."
                )


def _words(ratio: Ratio, other: str) -> str:
    """Say a ratio so that "X is ..." is a sentence.

    >>> _words(Ratio(2.0, 2.1, 2.2), "Y")
    '2.10 times as fast as Y'
    """
    if not ratio.certain:
        return f"about as fast as {other} ({ratio.median:.2f} times, within what varies)"
    return f"{ratio.median:.2f} times as fast as {other}"
