"""Int8 weights laid out for the kernels, and which of their products may be added in 16 bits."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shufflenet.native._layers import Floats, Weights
from shufflenet.native._memory import LINE_WORDS, Array, filled

__all__ = ["HIGH", "LOW", "STEP", "fits", "laid_out", "laid_out_ends", "laid_out_filters"]

STEP = 4  # channels that a step of a product reads
# Neighbouring weights of one sign may sum to so much: 255 * 128 is the last multiple below 2**15.
_MOST = 128
# AVX2 packs and unpacks each half of a vector by itself: two vectors of sums that are packed to 16
# channels in order, or were unpacked from such, hold these.
LOW, HIGH = [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]


def fits(weight: Weights) -> bool:
    """Say whether products of ``(out, in)`` weights with bytes can be added in 16 bits by pairs."""
    return bool(_reach(_steps(weight.T, runs=1)).max() <= _MOST)


def laid_out(
    weight: Weights, widths: Sequence[int], runs: Sequence[int] = (0,), *, in_pairs: bool = True
) -> Array:
    """Lay out ``(in, out)`` weights, one panel after the other.

    A panel begins with words of 32 bits: how many pairs of steps there are whose products can be
    added in 16 bits, then where the values of each step begin, those of pairs first. They fill
    cache lines; after them are weights of one step after the other, four of each channel.

    Args:
        weight: What is laid out.
        widths: Of the panels.
        runs: Where the values begin that the inputs are, in as many runs of the same length.
        in_pairs: Whether to look for pairs.
    """
    wide = np.pad(weight, [(0, 0), (0, sum(widths) - weight.shape[1])])[:, _order(widths)]
    panels = np.split(wide, np.cumsum(widths)[:-1], axis=1)
    length = len(weight) // len(runs)
    places = [run + first for run in runs for first in range(0, length, STEP)]
    steps = [_steps(panel, len(runs)) for panel in panels]
    return np.concatenate([_panel(own, places, in_pairs=in_pairs) for own in steps])


def laid_out_ends(scale: Floats, bias: Floats, widths: Sequence[int]) -> Floats:
    """Lay out what sums end with: of each panel all scales, then all that is added."""
    both = np.stack([filled(values, sum(widths))[_order(widths)] for values in (scale, bias)])
    parts = np.split(both, np.cumsum(widths)[:-1], axis=1)
    return np.concatenate([part.ravel() for part in parts])


def laid_out_filters(weight: Weights, channels: int) -> Array:
    """Lay out ``(channels, taps)`` weights by pairs of taps, each for what 16 channels become."""
    pairs = np.pad(weight, [(0, channels - len(weight)), (0, weight.shape[1] % 2)])
    vectors = pairs.astype(np.int16).reshape(-1, len(LOW + HIGH), pairs.shape[1] // 2, 2)
    return vectors[:, LOW + HIGH].swapaxes(1, 2)


def _order(widths: Sequence[int]) -> list[int]:
    """Say which channel stands where: as packing two vectors needs it, or one by itself.

    >>> _order([16, 8])
    [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]
    """
    lanes = len(LOW + HIGH)
    sixteens = sum(widths) // lanes
    order = [lanes * n + lane for n in range(sixteens) for lane in LOW + HIGH]
    return [*order, *range(lanes * sixteens, sum(widths))]


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
