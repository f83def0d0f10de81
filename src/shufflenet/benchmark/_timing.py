"""How fast classifiers answer, measured side by side.

On a machine that does other things too, two measurements taken one after the other differ by what
happened in between. So contenders take turns: each computes for a short block, long enough for its
weights to settle in cache, then the next; the order is drawn anew every round.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.engine import Classifier

__all__ = ["Contender", "Timing", "compare"]

_ROUNDS = 10
_LEAST_CALLS = 3  # a block; the first is left out, for it finds the caches cold


@dataclass(frozen=True, slots=True)
class Contender:
    """A model opened in one runtime."""

    model: str
    runtime: str
    precision: str  # float32 or int8
    threads: int
    classifier: Classifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long one call of a contender takes.

    Attributes:
        batch: Images a call.
        image_px: Their side.
        calls: How many were measured.
        p50_ms: The median of calls that found the weights in cache.
        p95_ms: What 95 % of them did not exceed.
        cold_ms: The median of first calls after another contender's turn, as when a device wakes.
        images_per_second: ``batch`` divided by the median.
        spread: The largest of the medians of rounds divided by the smallest.
        max_abs_difference: From the logits of the first contender with the same weights.
    """

    model: str
    runtime: str
    precision: str
    threads: int
    batch: int
    image_px: int
    calls: int
    p50_ms: float
    p95_ms: float
    cold_ms: float
    images_per_second: float
    spread: float
    max_abs_difference: float


def compare(
    contenders: Sequence[Contender],
    *,
    batch: int,
    seconds: float = 3.0,
    reference: Callable[[Contender, npt.NDArray[np.float32]], npt.NDArray[np.float32]],
    on_progress: Callable[[int], None] = lambda calls: None,
) -> list[Timing]:
    """Measure contenders in turns, on random images of the size that each model's card says.

    Args:
        contenders: What is compared.
        batch: Images a call.
        seconds: How long each is measured, in all.
        reference: Gives the logits that a contender's are held against.
        on_progress: Called with 1 after each turn, of which there are ten a contender.
    """
    images = [_images(contender, batch) for contender in contenders]
    for contender, pixels in zip(contenders, images, strict=True):
        contender.classifier.logits(pixels)  # allocates, and compiles where a runtime does
    rng = np.random.default_rng(0)
    cold: list[list[float]] = [[] for _ in contenders]
    warm: list[list[list[float]]] = [[] for _ in contenders]
    for _ in range(_ROUNDS):
        for index in rng.permutation(len(contenders)):
            first, *others = _block(contenders[index].classifier, images[index], seconds / _ROUNDS)
            cold[index].append(first)
            warm[index].append(others)
            on_progress(1)
    return [
        _timing(contender, pixels, first, others, reference(contender, pixels))
        for contender, pixels, first, others in zip(contenders, images, cold, warm, strict=True)
    ]


def _images(contender: Contender, batch: int) -> npt.NDArray[np.float32]:
    card = contender.classifier.card
    side = card.preprocess.crop_px
    shape = (batch, card.network.in_channels, side, side)
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def _block(classifier: Classifier, images: npt.NDArray[np.float32], seconds: float) -> list[float]:
    """Compute again and again for so long; give how many seconds each call took."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < _LEAST_CALLS or time.perf_counter() < end:
        start = time.perf_counter()
        classifier.logits(images)
        taken.append(time.perf_counter() - start)
    return taken


def _timing(
    contender: Contender,
    images: npt.NDArray[np.float32],
    cold: list[float],
    warm: list[list[float]],
    expected: npt.NDArray[np.float32],
) -> Timing:
    calls = np.concatenate(warm) * 1e3
    rounds = [float(np.median(block)) for block in warm]
    median = float(np.median(calls))
    difference = np.abs(contender.classifier.logits(images) - expected).max()
    return Timing(
        model=contender.model,
        runtime=contender.runtime,
        precision=contender.precision,
        threads=contender.threads,
        batch=len(images),
        image_px=images.shape[-1],
        calls=len(calls),
        p50_ms=median,
        p95_ms=float(np.percentile(calls, 95)),
        cold_ms=float(np.median(cold)) * 1e3,
        images_per_second=1e3 * len(images) / median,
        spread=max(rounds) / min(rounds),
        max_abs_difference=float(difference),
    )
