"""The order of channels as formulas: which convolution reads the channels that another computes.

Every channel of a stage has a name, a number. Shuffles and splits only permute names; nothing here
touches weights. A *producer* is a branch whose last convolution computes channels, a *consumer* is
a unit, or the end of the stage, that reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.spec import Split

__all__ = [
    "ZEROS",
    "Order",
    "Routing",
    "count_transfers",
    "find_positions",
    "interleave",
    "route",
    "trace_stage",
]

Order = npt.NDArray[np.intp]  # output[i] = input[order[i]]
ZEROS = -1  # in an order: a channel of zeros


def interleave(channels: Order, groups: int) -> Order:
    """Permute names ``(c,)`` as ``networks.channel_shuffle`` permutes channels.

    ``output[i * groups + g] = channels[g * (c // groups) + i]``

    >>> interleave(np.arange(6), groups=2).tolist()
    [0, 3, 1, 4, 2, 5]
    """
    return channels.reshape(groups, -1).T.reshape(-1)


def trace_stage(widths: Sequence[int], split: Split) -> tuple[Order, list[Order]]:
    """Trace the channels of a stage of V2 from their producers to their consumers.

    Args:
        widths: How many channels each producer computes: the two branches of the opening unit,
            then the branch of every later unit. Names count through them all.
        split: How units split their input, as in ``V2Spec``.

    Returns:
        The names of the stage's output channels, ``(c,)``, in order; and for every later unit
        the names that its branch reads, ``(c / 2,)``.

    >>> output, reads = trace_stage([2, 2, 2], "halves")
    >>> [names.tolist() for names in reads], output.tolist()
    ([[1, 3]], [0, 4, 2, 5])
    >>> output, reads = trace_stage([2, 2, 2], "even-odd")
    >>> [names.tolist() for names in reads], output.tolist()
    ([[1, 3]], [0, 2, 4, 5])
    """
    first, second, *later = np.split(np.arange(sum(widths)), np.cumsum(widths)[:-1])
    channels = _concatenate(first, second, split)
    reads = []
    for names in later:
        passed, transformed = _split(channels, split)
        reads.append(transformed)
        channels = _concatenate(passed, names, split)
    return channels, reads


def _concatenate(first: Order, second: Order, split: Split) -> Order:
    both = np.concatenate((first, second))
    return interleave(both, groups=2) if split == "halves" else both


def _split(channels: Order, split: Split) -> tuple[Order, Order]:
    if split == "halves":
        first, second = np.split(channels, 2)
        return first, second
    return channels[0::2], channels[1::2]


def find_positions(names: Order, arrival: Order) -> Order:
    """Return the position in ``names``, ``(n,)``, of each name of ``arrival``, ``(m,)``.

    ``names[output[i]] = arrival[i]``; where ``arrival[i]`` is ``ZEROS``, so is ``output[i]``.

    >>> find_positions(np.array([7, 8, 9]), np.array([9, 7, ZEROS, 8])).tolist()
    [2, 0, -1, 1]
    """
    by_name = np.argsort(names)
    known = np.maximum(arrival, names[by_name[0]])  # ZEROS is no name
    positions = by_name[np.searchsorted(names, known, sorter=by_name)]
    return np.where(arrival == ZEROS, ZEROS, positions)


def count_transfers(widths: Sequence[int], reads: Sequence[Order]) -> npt.NDArray[np.intp]:
    """Count how many channels go from each producer to each consumer, ``(producers, consumers)``.

    >>> count_transfers([2, 2], [np.array([0, 1, 3]), np.array([2])]).tolist()
    [[2, 0], [1, 1]]
    """
    ends = np.cumsum(widths)
    producers = [np.searchsorted(ends, names, "right") for names in reads]
    return np.stack([np.bincount(each, minlength=len(widths)) for each in producers], axis=1)


@dataclass(frozen=True, slots=True)
class Routing:
    """An order of each producer's channels in which every consumer reads slices.

    Attributes:
        rows: For every producer the order in which it stores its channels.
        routes: For every producer the consumers of its slices, in order, and their lengths.
        arrivals: For every consumer the names that it reads, concatenated by producer.
    """

    rows: tuple[Order, ...]
    routes: tuple[tuple[tuple[int, int], ...], ...]
    arrivals: tuple[Order, ...]


def route(
    widths: Sequence[int], reads: Sequence[Order], zeros: npt.NDArray[np.intp] | None = None
) -> Routing:
    """Order the channels of every producer by their consumer.

    Args:
        widths: How many channels each producer computes; names count through them all.
        reads: The names that each consumer reads, ``(c,)``; every name has one consumer.
        zeros: How many channels of zeros to append to the slice of each producer for each
            consumer, ``(producers, consumers)``; none if None.

    >>> routing = route([2, 3], [np.array([3, 0]), np.array([1, 2, 4])])
    >>> routing.routes
    (((0, 1), (1, 1)), ((0, 1), (1, 2)))
    >>> [rows.tolist() for rows in routing.rows], [names.tolist() for names in routing.arrivals]
    ([[0, 1], [1, 0, 2]], [[0, 3], [1, 2, 4]])
    """
    zeros = np.zeros((len(widths), len(reads)), np.intp) if zeros is None else zeros
    consumer = np.empty(sum(widths), np.intp)
    for number, names in enumerate(reads):
        consumer[names] = number
    rows, routes = [], []
    arrivals: list[list[Order]] = [[] for _ in reads]
    first = 0
    for width, padding in zip(widths, zeros, strict=True):
        names = np.arange(first, first + width)
        slices = [
            np.append(names[consumer[names] == k], np.full(padding[k], ZEROS))
            for k in range(len(reads))
        ]
        stored = np.concatenate(slices)
        rows.append(np.where(stored == ZEROS, ZEROS, stored - first))
        routes.append(tuple((k, len(each)) for k, each in enumerate(slices) if len(each)))
        for k, each in enumerate(slices):
            arrivals[k].append(each)
        first += width
    return Routing(tuple(rows), tuple(routes), tuple(map(np.concatenate, arrivals)))
