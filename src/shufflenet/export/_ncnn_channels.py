"""Channels selected in any order, by the layers that ncnn has for that."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from shufflenet.export._ncnn_builder import Builder

__all__ = ["add_selection"]


def add_selection(
    builder: Builder, tensor: str, output: str, indices: Sequence[int], channels: int
) -> None:
    """Add the layers that select channels of a tensor; one may be selected several times.

    Args:
        builder: The layers so far.
        tensor: The tensor.
        output: The name of the result, whose channel ``i`` is channel ``indices[i]`` of the tensor.
        indices: Those channels.
        channels: How many the tensor has.
    """
    for groups in range(2, channels):
        if channels % groups == 0:
            order = np.arange(channels).reshape(groups, -1).T.ravel()
            first = int(np.flatnonzero(order == indices[0])[0])
            if np.array_equal(order[first : first + len(indices)], indices):
                whole = output if len(indices) == channels else f"{output} of all"
                builder.add("ShuffleChannel", [tensor], [whole], {0: groups})
                if whole != output:
                    _add_runs(builder, whole, output, range(first, first + len(indices)), channels)
                return
    _add_runs(builder, tensor, output, indices, channels)


def _add_runs(
    builder: Builder, tensor: str, output: str, indices: Sequence[int], channels: int
) -> None:
    """Add a Slice between all channels that are not neighbors in the result, and a Concat."""
    starts = [0, *(i for i in range(1, len(indices)) if indices[i] != indices[i - 1] + 1)]
    runs = [
        (indices[start], indices[end - 1] + 1)
        for start, end in zip(starts, [*starts[1:], len(indices)], strict=True)
    ]
    ends = sorted({0, channels, *(end for run in runs for end in run)})
    pieces = {first: f"{output} from {first}" for first in ends[:-1]}
    if len(runs) == 1:
        pieces[runs[0][0]] = output
    sizes = tuple(end - first for first, end in pairwise(ends))
    builder.add("Slice", [tensor], list(pieces.values()), {0: sizes})
    if len(runs) > 1:
        parts = [pieces[at] for first, end in runs for at in ends if first <= at < end]
        builder.add("Concat", parts, [output])
