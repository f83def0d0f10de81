"""Which convolution reads what which convolution makes: channels followed by name.

A channel's name is a number. Shuffles and splits move names about; nothing here touches weights.
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

Order = npt.NDArray[np.intp]  # position i holds the channel that was at position order[i]
ZEROS = -1  # in an order: a channel of zeros


def interleave(channels: Order, groups: int) -> Order:
    """Interleave names as ``blocks.channel_shuffle`` interleaves channels.

    >>> interleave(np.arange(6), groups=2).tolist()
    [0, 3, 1, 4, 2, 5]
    """
    return channels.reshape(groups, -1).T.reshape(-1)


def trace_stage(made: Sequence[int], split: Split) -> tuple[Order, list[Order]]:
    """Follow channels through a stage of V2.

    Args:
        made: How many channels each producer makes: the two branches of the unit that opens the
            stage, then the branch of every unit after it. Names count through them all.
        split: As in ``V2Spec``.

    Returns:
        The names of the stage's output channels in order, and of what every later unit reads.

    >>> out, reads = trace_stage([2, 2, 2], "halves")
    >>> [read.tolist() for read in reads], out.tolist()
    ([[1, 3]], [0, 4, 2, 5])
    >>> out, reads = trace_stage([2, 2, 2], "even-odd")
    >>> [read.tolist() for read in reads], out.tolist()
    ([[1, 3]], [0, 2, 4, 5])
    """
    first, second, *later = np.split(np.arange(sum(made)), np.cumsum(made)[:-1])
    channels = _joined(first, second, split)
    reads = []
    for names in later:
        kept, read = _parted(channels, split)
        reads.append(read)
        channels = _joined(kept, names, split)
    return channels, reads


def _joined(first: Order, second: Order, split: Split) -> Order:
    both = np.concatenate((first, second))
    return interleave(both, groups=2) if split == "halves" else both


def _parted(channels: Order, split: Split) -> tuple[Order, Order]:
    if split == "halves":
        kept, read = np.split(channels, 2)
        return kept, read
    return channels[0::2], channels[1::2]


def find_positions(names: Order, arrival: Order) -> Order:
    """Say at which position of ``names`` each name of ``arrival`` stands.

    >>> find_positions(np.array([7, 8, 9]), np.array([9, 7, ZEROS, 8])).tolist()
    [2, 0, -1, 1]
    """
    by_name = np.argsort(names)
    at = np.searchsorted(names, np.maximum(arrival, names[by_name[0]]), sorter=by_name)
    return np.where(arrival == ZEROS, ZEROS, by_name[at])


def count_transfers(made: Sequence[int], reads: Sequence[Order]) -> npt.NDArray[np.intp]:
    """Count how many channels go from every producer to every consumer, ``(made, reads)``.

    >>> count_transfers([2, 2], [np.array([0, 1, 3]), np.array([2])]).tolist()
    [[2, 0], [1, 1]]
    """
    ends = np.cumsum(made)
    by_reader = [np.bincount(np.searchsorted(ends, r, "right"), minlength=len(made)) for r in reads]
    return np.stack(by_reader, axis=1)


@dataclass(frozen=True, slots=True)
class Routing:
    """Channels in such an order that slices of what is made, joined, are what is read.

    Attributes:
        rows: For every producer which of its channels it puts out, in order.
        routes: For every producer to which consumers, in order, how many of them go.
        arrivals: For every consumer the names that arrive, from one producer after the other.
    """

    rows: tuple[Order, ...]
    routes: tuple[tuple[tuple[int, int], ...], ...]
    arrivals: tuple[Order, ...]


def route(
    made: Sequence[int], reads: Sequence[Order], zeros: npt.NDArray[np.intp] | None = None
) -> Routing:
    """Order what every producer makes by who reads it.

    Args:
        made: How many channels each producer makes; names count through them all.
        reads: The names that each consumer reads, every name in one of them.
        zeros: How many channels of zeros go along, ``(made, reads)``; none unless given.

    >>> found = route([2, 3], [np.array([3, 0]), np.array([1, 2, 4])])
    >>> found.routes
    (((0, 1), (1, 1)), ((0, 1), (1, 2)))
    >>> [rows.tolist() for rows in found.rows], [names.tolist() for names in found.arrivals]
    ([[0, 1], [1, 0, 2]], [[0, 3], [1, 2, 4]])
    """
    zeros = np.zeros((len(made), len(reads)), np.intp) if zeros is None else zeros
    consumer = np.empty(sum(made), np.intp)
    for number, read in enumerate(reads):
        consumer[read] = number
    rows, routes = [], []
    arrivals: list[list[Order]] = [[] for _ in reads]
    first = 0
    for own, padding in zip(made, zeros, strict=True):
        names = np.arange(first, first + own)
        pieces = [
            np.append(names[consumer[names] == k], np.full(padding[k], ZEROS))
            for k in range(len(reads))
        ]
        together = np.concatenate(pieces)
        rows.append(np.where(together == ZEROS, ZEROS, together - first))
        routes.append(tuple((k, len(piece)) for k, piece in enumerate(pieces) if len(piece)))
        for k, piece in enumerate(pieces):
            arrivals[k].append(piece)
        first += own
    return Routing(tuple(rows), tuple(routes), tuple(map(np.concatenate, arrivals)))
