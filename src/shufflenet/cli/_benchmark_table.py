"""The table that ``shufflenet benchmark`` prints, and the explanations below it."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from shufflenet.cli._output import print_line, print_table

if TYPE_CHECKING:
    from shufflenet.benchmark import Timing

__all__ = ["COLUMNS", "Result", "json_fields", "print_results"]

COLUMNS = {
    "p50 ms": "median time of a call whose weights are in the processor's cache",
    "p95 ms": "time that 95 % of these calls do not exceed",
    "cold ms": "median time of the first call after another contender ran: weights not in cache",
    "spread": "the slowest round's median divided by the fastest's; near 1 on a quiet machine",
    "of peak": "share of the arithmetic rate that matrix products reach in the same rounds, in "
    "float32 for float16",
    "memory MB": "peak memory that the model adds to a process that has loaded NumPy",
    "difference": "largest difference from the reference's logits, of its largest logit; the "
    "reference is the same model in float32, by torch if that is measured",
}
"""What a column means, for those whose name does not say it; one line each."""


class Result(NamedTuple):
    """What was measured of a contender at one batch size."""

    timing: "Timing"
    file_bytes: int
    peak_memory_bytes: int | None


def json_fields(result: Result) -> dict[str, object]:
    """Return a result as fields of a JSON object."""
    sizes = {"file_bytes": result.file_bytes, "peak_memory_bytes": result.peak_memory_bytes}
    return dataclasses.asdict(result.timing) | sizes


def print_results(results: Sequence[Result]) -> None:
    """Print a table, what its columns mean, and conclusions in sentences."""
    from shufflenet.benchmark import verdict

    print_table([_row(result) for result in results])
    print_line()
    for name, meaning in COLUMNS.items():
        print_line(f"{name}: {meaning}")
    print_line()
    print_line(_peak_sentence(results))
    for sentence in verdict(result.timing for result in results):
        print_line(sentence)
    if len(results) == 1:
        print_line("There is nothing to compare it with.")


def _row(result: Result) -> dict[str, str]:
    timing, memory = result.timing, result.peak_memory_bytes
    difference = f"{timing.max_abs_difference:.1e} of {timing.max_abs_logit:.2g}"
    return {
        "model": timing.model,
        "runtime": timing.runtime,
        "precision": timing.precision,
        "threads": str(timing.threads),
        "batch": str(timing.batch),
        "p50 ms": f"{timing.p50_ms:.2f}",
        "p95 ms": f"{timing.p95_ms:.2f}",
        "cold ms": f"{timing.cold_ms:.2f}",
        "images/s": f"{timing.images_per_second:.0f}",
        "spread": f"{timing.spread:.2f}",
        "of peak": f"{timing.gemm_share:.0%}",
        "memory MB": "not known" if memory is None else f"{memory / 1e6:.0f}",
        "file MB": f"{result.file_bytes / 1e6:.2f}",
        "difference": "reference" if timing.is_reference else difference,
    }


def _peak_sentence(results: Sequence[Result]) -> str:
    from shufflenet.benchmark import product_precision

    peaks: dict[str, float] = {}
    for timing in (result.timing for result in results):
        rate, precision = timing.gemm_gops / timing.threads, product_precision(timing.precision)
        peaks[precision] = max(rate, peaks.get(precision, 0.0))
    rates = " and ".join(f"{peak:.0f} in {precision}" for precision, peak in peaks.items())
    return (
        "Peak of one thread, in billions of multiplications and additions a second, by ONNX "
        f"Runtime's matrix products: {rates}."
    )
