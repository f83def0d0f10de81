"""Which convolution reads what which convolution makes: channels followed by name.

A channel's name is a number. Shuffles and splits move names about; nothing here touches weights.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shufflenet.spec import Split

__all__ = ["Order", "follow", "positions", "shuffled"]

Order = npt.NDArray[np.intp]  # position i holds the channel that was at position order[i]


def shuffled(channels: Order, groups: int) -> Order:
    """Interleave names as ``blocks.channel_shuffle`` interleaves channels.

    >>> shuffled(np.arange(6), groups=2).tolist()
    [0, 3, 1, 4, 2, 5]
    """
    return channels.reshape(groups, -1).T.reshape(-1)


def follow(made: Sequence[int], split: Split) -> tuple[Order, list[Order]]:
    """Follow channels through a stage of V2.

    Args:
        made: How many channels each producer makes: the two branches of the unit that opens the
            stage, then the branch of every unit after it. Names count through them all.
        split: As in ``V2Spec``.

    Returns:
        The names of the stage's output channels in order, and of what every later unit reads.

    >>> out, reads = follow([2, 2, 2], "halves")
    >>> [read.tolist() for read in reads], out.tolist()
    ([[1, 3]], [0, 4, 2, 5])
    >>> out, reads = follow([2, 2, 2], "even-odd")
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
    return shuffled(both, groups=2) if split == "halves" else both


def _parted(channels: Order, split: Split) -> tuple[Order, Order]:
    if split == "halves":
        kept, read = np.split(channels, 2)
        return kept, read
    return channels[0::2], channels[1::2]


def positions(names: Order, arrival: Order) -> Order:
    """Say at which position of ``names`` each name of ``arrival`` stands.

    >>> positions(np.array([7, 8, 9]), np.array([9, 7, 8])).tolist()
    [2, 0, 1]
    """
    by_name = np.argsort(names)
    return by_name[np.searchsorted(names, arrival, sorter=by_name)]
