"""The nearest of many vectors, in memory that does not grow with how many there are."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.errors import SpecError

__all__ = ["Nearest", "nearest"]

_Floats = npt.NDArray[np.float32]

_VECTORS, _QUERIES = 8192, 256  # rows that are compared at a time: 8 MB of cosines


@dataclass(frozen=True, eq=False, slots=True)
class Nearest:
    """The nearest vectors of each query, the nearest first.

    Attributes:
        indices: Their rows, ``(queries, k)``.
        cosines: Their cosines to the query, -1 to 1, ``(queries, k)``.
    """

    indices: npt.NDArray[np.int64]
    cosines: _Floats


def nearest(vectors: _Floats, queries: _Floats, k: int) -> Nearest:
    """Find the ``k`` vectors with the largest cosines to each query, or all if there are fewer.

    A vector of zeros has a cosine of 0 to any. Of equal cosines the lower row comes first.

    Args:
        vectors: ``(n, d)``; read block by block, so that it may be mapped from a file.
        queries: ``(m, d)``.
        k: How many; at least 1.

    Raises:
        SpecError: the arrays do not have as many columns, or hold NaN or infinities, or k is less
            than 1.

    >>> found = nearest(np.float32([[1, 0], [0, 1], [1, 1]]), np.float32([[2, 0.1]]), 2)
    >>> found.indices.tolist(), found.cosines.round(2).tolist()
    ([[0, 2]], [[1.0, 0.74...]])
    """
    if vectors.ndim != 2 or queries.ndim != 2 or vectors.shape[1] != queries.shape[1]:
        raise SpecError("the vectors", (vectors.shape, queries.shape), "rows of one length")
    if k < 1:
        raise SpecError("k", k, "a whole number of at least 1")
    parts = [
        _nearest_of(vectors, _directions(queries[start : start + _QUERIES]), min(k, len(vectors)))
        for start in range(0, len(queries), _QUERIES)
    ]
    if not parts:
        empty = np.empty((0, min(k, len(vectors))))
        return Nearest(empty.astype(np.int64), empty.astype(np.float32))
    return Nearest(
        np.concatenate([part.indices for part in parts]),
        np.concatenate([part.cosines for part in parts]),
    )


def _nearest_of(vectors: _Floats, queries: _Floats, k: int) -> Nearest:
    """Find the nearest of all vectors for a block of queries, which have length 1."""
    best = Nearest(np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32))
    for start, block in _blocks(vectors):
        cosines = queries @ _directions(block).T
        indices = np.arange(start, start + len(block))[None].repeat(len(queries), axis=0)
        both = np.concatenate([best.cosines, cosines], axis=1)
        rows = np.concatenate([best.indices, indices], axis=1)
        chosen = _largest(both, k)
        best = Nearest(
            np.take_along_axis(rows, chosen, axis=1), np.take_along_axis(both, chosen, axis=1)
        )
    return Nearest(best.indices, best.cosines.clip(-1, 1))


def _largest(values: _Floats, k: int) -> npt.NDArray[np.int64]:
    """Return the places of the k largest values of each row, the largest first, ``(rows, k)``."""
    count = min(k, values.shape[1])
    least = -np.partition(-values, count - 1, axis=1)[:, count - 1 : count]
    chosen = np.empty((len(values), count), np.int64)
    for row, (numbers, limit) in enumerate(zip(values, least, strict=True)):
        places = np.flatnonzero(numbers >= limit)  # more than k where some are equal
        order = np.argsort(-numbers[places], kind="stable")
        chosen[row] = places[order[:count]]
    return chosen


def _blocks(vectors: _Floats) -> Iterator[tuple[int, _Floats]]:
    """Yield vectors some at a time, with the row of the first."""
    for start in range(0, len(vectors), _VECTORS):
        yield start, vectors[start : start + _VECTORS]


def _directions(vectors: _Floats) -> _Floats:
    """Return vectors with length 1; those of zeros stay.

    Raises:
        SpecError: they hold NaN or infinities.
    """
    rows = np.asarray(vectors, np.float32)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    if not np.isfinite(largest).all():
        raise SpecError("the vectors", "NaN or infinite in places", "finite numbers")
    even = rows / np.where(largest > 0, largest, 1)  # whose squares neither overflow nor vanish
    lengths = np.linalg.norm(even, axis=1, keepdims=True)
    return np.asarray(even / np.where(lengths > 0, lengths, 1), np.float32)
