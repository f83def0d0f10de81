"""Int8 weights laid out for the kernels, and which of their products may be added in 16 bits."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from shufflenet.codegen._memory import LINE_WORDS, Array, filled
from shufflenet.graph import Convolution, Floats, Linear, Network, Weights

__all__ = [
    "STEP",
    "all_fit",
    "channel_order",
    "fits",
    "laid_out",
    "laid_out_ends",
    "laid_out_filters",
    "lane_order",
]

STEP = 4  # channels that a step of a product reads
# Neighbouring weights of one sign may sum to so much: 255 * 128 is the last multiple below 2**15.
_MOST = 128


def fits(weight: Weights) -> bool:
    """Say whether products of ``(out, in)`` weights with bytes can be added in 16 bits by pairs."""
    return bool(_reach(_steps(weight.T, runs=1)).max() <= _MOST)


def all_fit(network: Network) -> bool:
    """Say whether weights fit in all layers but depthwise ones, which are added in 32 bits."""
    products = [
        layer
        for layer in (*network.layers, network.classifier)
        if isinstance(layer, Linear) or (isinstance(layer, Convolution) and not layer.depthwise)
    ]
    return all(fits(_read_together(layer)) for layer in products)


def laid_out(
    weight: Weights,
    widths: Sequence[int],
    channels: Sequence[int],
    runs: Sequence[int] = (0,),
    *,
    in_pairs: bool,
) -> Array:
    """Lay out ``(in, out)`` weights, one panel after the other.

    A panel begins with words of 32 bits: how many pairs of steps there are whose products can be
    added in 16 bits, then where the values of each step begin, those of pairs first. They fill
    cache lines; after them are weights of one step after the other, four of each channel. What
    multiplies otherwise than by pairs leaves their number unread.

    Args:
        weight: What is laid out.
        widths: Of the panels.
        channels: The order of channels, of all panels.
        runs: Where the values begin that the inputs are, in as many runs of the same length.
        in_pairs: Whether to look for pairs.
    """
    wide = np.pad(weight, [(0, 0), (0, sum(widths) - weight.shape[1])])[:, channels]
    panels = np.split(wide, np.cumsum(widths)[:-1], axis=1)
    length = len(weight) // len(runs)
    places = [run + first for run in runs for first in range(0, length, STEP)]
    steps = [_steps(panel, len(runs)) for panel in panels]
    return np.concatenate([_panel(own, places, in_pairs=in_pairs) for own in steps])


def laid_out_ends(
    scale: Floats | None, bias: Floats, widths: Sequence[int], channels: Sequence[int]
) -> Floats:
    """Lay out what sums end with: of each panel all scales, then all that is added."""
    scale = np.ones_like(bias) if scale is None else scale
    both = np.stack([filled(values, sum(widths))[channels] for values in (scale, bias)])
    parts = np.split(both, np.cumsum(widths)[:-1], axis=1)
    return np.concatenate([part.ravel() for part in parts])


def laid_out_filters(
    weight: Weights, widths: Sequence[int], channels: Sequence[int], taps: int
) -> npt.NDArray[np.int8]:
    """Lay out ``(channels, taps)`` weights, some taps at a time, each time for all of a width."""
    whole = np.pad(weight, [(0, sum(widths) - len(weight)), (0, -weight.shape[1] % taps)])
    parted = whole.astype(np.int8)[channels].reshape(len(channels), -1, taps)
    blocks = np.split(parted, np.cumsum(widths)[:-1])
    return np.concatenate([block.swapaxes(0, 1).ravel() for block in blocks])


def channel_order(widths: Sequence[int], vectors: Sequence[int]) -> list[int]:
    """Say which channel stands where, in panels of so many vectors."""
    starts = accumulate(widths, initial=0)
    return [
        start + lane
        for start, width, count in zip(starts, widths, vectors, strict=False)
        for lane in lane_order(count, width // count)
    ]


def lane_order(vectors: int, lanes: int) -> list[int]:
    """Say which channel each lane of some vectors of sums is of: of one vector, two or four.

    >>> lane_order(2, 8)
    [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15]
    """
    return [
        4 * vectors * (lane // 4) + 4 * vector + lane % 4
        for vector in range(vectors)
        for lane in range(lanes)
    ]


def _read_together(layer: Convolution | Linear) -> Weights:
    """Give the weights that are read after each other: rows of a large kernel, else all inputs."""
    length = layer.weight.shape[-1] if layer.weight.ndim == 4 else 1
    return layer.weight.reshape(-1, length if length > 1 else layer.weight[0].size)


def _steps(weight: Weights, runs: int) -> npt.NDArray[np.int8]:
    """Give the weights of each step: ``(steps, out, 4)`` of ``(in, out)``."""
    parted = weight.astype(np.int8).reshape(runs, -1, weight.shape[1])
    whole = np.pad(parted, [(0, 0), (0, -parted.shape[1] % STEP), (0, 0)])
    return whole.reshape(-1, STEP, whole.shape[2]).swapaxes(1, 2)


def _panel(steps: npt.NDArray[np.int8], places: Sequence[int], *, in_pairs: bool) -> Array:
    """Lay out one panel."""
    pairs = _pairs(steps) if in_pairs else []
    paired = [step for pair in pairs for step in pair]
    order = [*paired, *(step for step in range(len(steps)) if step not in set(paired))]
    head = np.array([len(pairs), *(places[step] for step in order)], np.int32)
    head = np.pad(head, (0, -len(head) % LINE_WORDS))
    return np.concatenate([head, np.ascontiguousarray(steps[order]).view(np.int32).ravel()])


def _reach(steps: npt.NDArray[np.int8]) -> npt.NDArray[np.int16]:
    """Give the sums of neighbours' positive and of their negative weights, ``(steps, sums)``."""
    pairs = steps.reshape(*steps.shape[:2], -1, 2).astype(np.int16)
    sums = np.stack([pairs.clip(0).sum(3), -pairs.clip(None, 0).sum(3)])
    return sums.swapaxes(0, 1).reshape(len(steps), -1).astype(np.int16)


def _pairs(steps: npt.NDArray[np.int8]) -> list[tuple[int, int]]:
    """Choose pairs of steps whose sums fit together, those first that fit few others."""
    reach = _reach(steps)
    match: npt.NDArray[np.bool_] = np.all(reach[:, None] <= _MOST - reach, axis=2)
    np.fill_diagonal(match, val=False)
    order = np.argsort(match.sum(1), kind="stable")
    # A row as a whole number: its lowest bit is the match that fits the fewest.
    packed = np.packbits(match[order][:, order], axis=1, bitorder="little")
    rows = [int.from_bytes(row.tobytes(), "little") for row in packed]
    free, pairs = (1 << len(rows)) - 1, []
    for step, row in enumerate(rows):
        found = row & free
        if free >> step & 1 and found:
            lowest = found & -found
            free &= ~(lowest | 1 << step)
            pairs.append((int(order[step]), int(order[lowest.bit_length() - 1])))
    return pairs
