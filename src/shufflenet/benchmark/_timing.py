"""How fast classifiers answer, measured side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.benchmark._cost import cost
from shufflenet.benchmark._peak import GEMMS, Precision, gemms, peak_gops
from shufflenet.benchmark._turns import ROUNDS, Turns, take_turns
from shufflenet.preprocess import normalize
from shufflenet.runtimes import Classifier

__all__ = ["Contender", "Timing", "compare", "turns"]

_GEMM_SECONDS = 0.5  # for each size; the best of them counts


@dataclass(frozen=True, slots=True)
class Contender:
    """A model opened in one runtime."""

    model: str
    runtime: str
    precision: Precision
    threads: int
    classifier: Classifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long one call of a contender takes.

    Attributes:
        network: The name of the architecture; those of one network do the same work.
        batch: Images a call.
        image_px: Their side.
        calls: How many were measured.
        p50_ms: The median of calls that found the weights in cache.
        p95_ms: What 95 % of them did not exceed.
        cold_ms: The median of first calls after another contender's turn, as when a device wakes.
        rounds_ms: The median of each round; contenders of one comparison share the rounds.
        images_per_second: ``batch`` divided by the median.
        spread: The largest of the medians of rounds divided by the smallest.
        is_reference: Whether others are held against it, and it against itself.
        max_abs_difference: From the logits of the reference.
        max_abs_logit: The largest of the reference's logits.
        gops: Multiplications and additions of convolutions and linear layers, in billions a second.
        gemm_gops: What products of matrices reach in the same numbers and the same rounds, on as
            many threads: the rate of one thread, times their number.
        gemm_share: ``gops`` divided by ``gemm_gops``.
    """

    model: str
    network: str
    runtime: str
    precision: Precision
    threads: int
    batch: int
    image_px: int
    calls: int
    p50_ms: float
    p95_ms: float
    cold_ms: float
    rounds_ms: tuple[float, ...]
    images_per_second: float
    spread: float
    is_reference: bool
    max_abs_difference: float
    max_abs_logit: float
    gops: float
    gemm_gops: float
    gemm_share: float


def turns(contenders: Sequence[Contender]) -> int:
    """Say how many turns ``compare`` takes for these, those of matrices with them."""
    kinds = {contender.precision for contender in contenders}
    return ROUNDS * (len(contenders) + GEMMS * len(kinds))


def compare(
    contenders: Sequence[Contender],
    *,
    batch: int,
    seconds: float = 3.0,
    reference: Callable[[Contender], Contender],
    on_progress: Callable[[int], None] = lambda turns: None,
) -> list[Timing]:
    """Measure contenders in turns, on random images of the size that each model's card says.

    Products of matrices take turns with them, to tell what the machine could give meanwhile.

    Args:
        contenders: What is compared.
        batch: Images a call.
        seconds: How long each is measured, in all.
        reference: Gives the one whose logits a contender's are held against.
        on_progress: Called with 1 after each turn; ``turns`` says how many there are.
    """
    images = [_images(contender, batch) for contender in contenders]
    works = [_work(c, pixels) for c, pixels in zip(contenders, images, strict=True)]
    kinds = sorted({contender.precision for contender in contenders})
    products = [gemm for kind in kinds for gemm in gemms(kind)]
    measured = take_turns(
        [*works, *(gemm.work for gemm in products)],
        seconds=[seconds] * len(works) + [min(seconds, _GEMM_SECONDS)] * len(products),
        on_progress=on_progress,
    )
    rates = list(zip(products, measured[len(works) :], strict=True))
    peaks = {kind: peak_gops(rates, kind) for kind in kinds}
    return [
        _timing(contender, pixels, found, reference(contender), peaks[contender.precision])
        for contender, pixels, found in zip(contenders, images, measured, strict=False)
    ]


def _images(contender: Contender, batch: int) -> npt.NDArray[np.float32]:
    """Make images that could have been photos: random bytes, prepared as the card says."""
    card, rng = contender.classifier.card, np.random.default_rng(0)
    side, channels = card.preprocess.crop_px, card.network.in_channels
    if channels != 3:  # of which no photo is made
        return rng.standard_normal((batch, channels, side, side), np.float32)
    return normalize(rng.integers(0, 256, (batch, side, side, 3), np.uint8), card.preprocess)


def _work(contender: Contender, images: npt.NDArray[np.float32]) -> Callable[[], object]:
    return lambda: contender.classifier.logits(images)


def _timing(
    contender: Contender,
    images: npt.NDArray[np.float32],
    found: Turns,
    reference: Contender,
    peak: float,
) -> Timing:
    calls = np.concatenate(found.warm) * 1e3
    rounds = [1e3 * seconds for seconds in found.rounds]
    median = float(np.median(calls))
    logits, expected = (c.classifier.logits(images) for c in (contender, reference))
    network = contender.classifier.card.network
    side = images.shape[-1]
    gops = 2e-6 * cost(network, side, side).multiply_adds * len(images) / median
    return Timing(
        model=contender.model,
        network=network.name,
        runtime=contender.runtime,
        precision=contender.precision,
        threads=contender.threads,
        batch=len(images),
        image_px=side,
        calls=len(calls),
        p50_ms=median,
        p95_ms=float(np.percentile(calls, 95)),
        cold_ms=1e3 * float(np.median(found.cold)),
        rounds_ms=tuple(rounds),
        images_per_second=1e3 * len(images) / median,
        spread=max(rounds) / min(rounds),
        is_reference=reference is contender,
        max_abs_difference=float(np.abs(logits - expected).max()),
        max_abs_logit=float(np.abs(expected).max()),
        gops=gops,
        gemm_gops=peak * contender.threads,
        gemm_share=gops / (peak * contender.threads),
    )
