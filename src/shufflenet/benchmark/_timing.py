"""Measure and compare the latency of several classifiers, side by side."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet.benchmark._cost import cost
from shufflenet.benchmark._gemm import GEMMS, gemms, peak_gops, product_precision
from shufflenet.benchmark._interleave import ROUNDS, CallTimes, Clock, time_interleaved
from shufflenet.preprocess import Pixels, draw_noise
from shufflenet.runtimes import Classifier, check_rows, comparable
from shufflenet.spec import Card, Precision

__all__ = ["Contender", "Timing", "compare", "count_blocks"]

_Images: TypeAlias = npt.NDArray[np.float32] | Pixels

_GEMM_SECONDS = 0.5  # for each size


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
    """The latency of one contender.

    Attributes:
        network: The name of the architecture; contenders of one network do the same work.
        batch: Images a call.
        image_px: The side of the images; of rectangles their height and width.
        calls: How many calls were measured.
        p50_ms: The median of the calls that found the weights in cache.
        p95_ms: Their 95th percentile.
        cold_ms: The median of the first calls after another contender's block, when the weights
            are not in cache.
        rounds_ms: The median of each round; the contenders of a comparison share the rounds.
        images_per_second: ``batch`` divided by the median.
        spread: The largest median of a round divided by the smallest.
        is_reference: Whether this contender is its own reference.
        max_abs_difference: Between its logits and those of the reference; of detectors between
            boxes, in shares of the input's longer side, and between scores.
        max_abs_logit: The largest absolute logit of the reference, or of these.
        gops: Multiplications and additions of convolutions and linear layers, in 1e9 a second.
        gemm_gops: The rate of matrix products in the same precision and the same rounds, float32
            for float16: that of one thread, times the number of threads.
        gemm_share: ``gops`` divided by ``gemm_gops``.
    """

    model: str
    network: str
    runtime: str
    precision: Precision
    threads: int
    batch: int
    image_px: int | tuple[int, int]
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


def count_blocks(contenders: Sequence[Contender]) -> int:
    """Count the blocks that ``compare`` measures, those of matrix products included."""
    precisions = {product_precision(contender.precision) for contender in contenders}
    return ROUNDS * (len(contenders) + GEMMS * len(precisions))


def compare(
    contenders: Sequence[Contender],
    *,
    batch: int,
    seconds: float = 3.0,
    clock: Clock = time.perf_counter,
    on_progress: Callable[[int], None] = lambda blocks: None,
) -> list[Timing]:
    """Measure contenders side by side, on random images of the size in each model's card.

    Matrix products are measured in the same rounds, which gives the peak rate of the machine under
    the same conditions. The reference of a contender is the same model in float32, computed by
    torch if that is among the contenders.

    Args:
        contenders: What is compared.
        batch: Images a call.
        seconds: How long each contender is measured, in all rounds together.
        clock: Returns the time in seconds.
        on_progress: Called with 1 after each block; ``count_blocks`` returns how many there are.
    """
    images = [_random_images(contender, batch) for contender in contenders]
    calls = [_call(c, pixels) for c, pixels in zip(contenders, images, strict=True)]
    precisions = sorted({product_precision(contender.precision) for contender in contenders})
    products = [gemm for precision in precisions for gemm in gemms(precision)]
    times = time_interleaved(
        [*calls, *(gemm.run for gemm in products)],
        seconds=[seconds] * len(calls) + [min(seconds, _GEMM_SECONDS)] * len(products),
        clock=clock,
        on_progress=on_progress,
    )
    rates = list(zip(products, times[len(calls) :], strict=True))
    peaks = {precision: peak_gops(rates, precision) for precision in precisions}
    return [
        _timing(c, pixels, taken, _reference(c, contenders), peaks[product_precision(c.precision)])
        for c, pixels, taken in zip(contenders, images, times, strict=False)
    ]


def _reference(contender: Contender, contenders: Sequence[Contender]) -> Contender:
    """Choose the contender whose logits another is compared with.

    A float file and the int8 file quantized from it are the same model: their cards agree.
    """

    def identity(one: Contender) -> tuple[object, ...]:
        card = one.classifier.card
        return card.network, card.detector, card.preprocess, card.labels, card.origin

    same = [other for other in contenders if identity(other) == identity(contender)]
    return min(same, key=lambda other: (other.precision != "float32", other.runtime != "torch"))


def _random_images(contender: Contender, batch: int) -> _Images:
    """Return what predicting gives a runtime: pixels ``(batch, h, w, c)``.

    For a network whose card is of images of other channels they are normalized images,
    ``(batch, c, h, w)``.
    """
    card, rng = contender.classifier.card, np.random.default_rng(0)
    if card.takes_pixels:
        return draw_noise(rng, card.preprocess, batch)
    shape = (batch, card.network.in_channels, *card.preprocess.size_px)
    return rng.standard_normal(shape, np.float32)


def _call(contender: Contender, images: _Images) -> Callable[[], npt.NDArray[np.float32]]:
    """Return a function that computes images as predicting does, pixels as pixels.

    A file that takes bytes would otherwise be given floats, and time be spent on turning them back.
    """
    classifier = contender.classifier
    if images.dtype == np.float32:
        batch = np.asarray(images, np.float32)
        return lambda: classifier.logits(batch)
    pixels: Pixels = np.asarray(images, images.dtype)
    return lambda: classifier.logits_from_pixels(pixels)


def _network_name(card: Card) -> str:
    """Return a name that two contenders share if they do the same work."""
    if card.detector is None:
        return card.network.name
    sizes = dataclasses.astuple(card.detector)
    return f"detector {'x'.join(map(str, sizes))} on {card.network.name}"


def _timing(
    contender: Contender,
    images: _Images,
    times: CallTimes,
    reference: Contender,
    peak: float,
) -> Timing:
    calls = np.concatenate(times.warm) * 1e3
    rounds = [1e3 * seconds for seconds in times.round_medians]
    median = float(np.median(calls))
    card = contender.classifier.card
    logits, expected = (comparable(_call(c, images)(), card) for c in (contender, reference))
    check_rows(logits, (len(images), *card.row_shape), contender.model, what="model")
    of_one = cost(card.network, *card.preprocess.size_px, card.detector)
    gops = 2e-6 * of_one.multiply_adds * len(images) / median
    return Timing(
        model=contender.model,
        network=_network_name(card),
        runtime=contender.runtime,
        precision=contender.precision,
        threads=contender.threads,
        batch=len(images),
        image_px=card.preprocess.crop_px,
        calls=len(calls),
        p50_ms=median,
        p95_ms=float(np.percentile(calls, 95)),
        cold_ms=1e3 * float(np.median(times.cold)),
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
