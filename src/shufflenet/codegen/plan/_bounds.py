"""What is compiled is bounded before any code is written: seconds, and bytes of constants."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from shufflenet.codegen.kernels import Layout, panel_widths
from shufflenet.codegen.plan._schedule import Turn
from shufflenet.codegen.plan._sources import ConcatSource, DepthwiseSource, Slice
from shufflenet.codegen.plan._steps import Concat, Depthwise, Gemm, Step
from shufflenet.errors import TooLargeToCompile
from shufflenet.graph import Linear, dtype_of

__all__ = ["check_bounds"]

_WINDOW = 31  # side of a depthwise window, all of whose pixels are written out: half a second
_CALLS = 20_000  # of kernels, written out one after the other: twenty seconds
_SLICES = 4096  # of channels put together by different kernels, written out: ten seconds
_CONSTANT_BYTES = 1 << 30
# Comparisons of steps whose products may be added in 16 bits: some twenty seconds.
_COMPARISONS = 2 * 10**10


def check_bounds(
    turns: Sequence[Turn], classifier: Linear, layouts: Mapping[type[np.generic], Layout]
) -> None:
    """Check that code for a network is compiled within about half a minute.

    Args:
        turns: The steps that are compiled.
        classifier: The classifier.
        layouts: How weights lie, by the type of the elements of maps.

    Raises:
        TooLargeToCompile: it is not.
    """
    steps = [step for turn in turns for step in turn.steps]
    kernel = max((each.layer.kernel for each in _depthwise(steps)), default=0)
    _check(kernel, "depthwise windows of {} px", _WINDOW)
    _check(sum(turn.calls for turn in turns), "layers of {} steps for images of this size", _CALLS)
    gathers = {tuple(_sizes(slices)) for slices in _gathered(steps)}
    _check(sum(map(len, gathers)), "channels put together in {} slices", _SLICES)
    sizes = [(layouts[x.output.dtype], *_matrix(x)) for x in steps if isinstance(x, Gemm)]
    # Twice: for one image, and for many.
    last = layouts[dtype_of(classifier)]
    sizes += 2 * [(last, 1, classifier.weight.shape[1], len(classifier.weight))]
    constant_bytes = sum(n * _packed_bytes(layout, read, out) for layout, n, read, out in sizes)
    _check(constant_bytes, "weights of {} bytes, packed", _CONSTANT_BYTES)
    compared = sum(
        n * layout.steps(read) ** 2 * 4 * out
        for layout, n, read, out in sizes
        if getattr(layout, "in_pairs", False)
    )
    _check(compared, "weights in {} pairs", _COMPARISONS)


def _check(number: int, what: str, most: int) -> None:
    """Check that a number is not too large.

    Raises:
        TooLargeToCompile: it is.
    """
    if number > most:
        raise TooLargeToCompile(what.format(f"{number:,}"), f"{most:,}")


def _depthwise(steps: Sequence[Step]) -> Iterator[DepthwiseSource]:
    for step in steps:
        if isinstance(step, Gemm | Depthwise) and isinstance(step.source, DepthwiseSource):
            yield step.source


def _gathered(steps: Sequence[Step]) -> Iterator[Sequence[Slice]]:
    for step in steps:
        if isinstance(step, Concat):
            yield step.slices
        elif isinstance(step, Gemm) and isinstance(step.source, ConcatSource):
            yield step.source.slices


def _sizes(slices: Sequence[Slice]) -> Iterator[tuple[int, int, int]]:
    """Yield what the kernel that puts slices together depends on, or more."""
    for part in slices:
        yield part.channels, part.buffer.pitch, part.buffer.border


def _matrix(step: Gemm) -> tuple[int, int, int]:
    """Return the groups of a product, and the inputs and outputs of each."""
    groups = step.layer.groups
    return groups, step.layer.weight[0].size, len(step.layer.weight) // groups


def _packed_bytes(layout: Layout, read: int, out: int) -> int:
    """Return about how many bytes weights and the header of each panel take."""
    widths = panel_widths(layout, out)
    return 4 * (layout.steps(read) + 16) * (sum(widths) + len(widths))
