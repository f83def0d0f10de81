"""An order of classes in which those that are confused with each other lie together."""

import numpy as np
import numpy.typing as npt

__all__ = ["order_by_confusion"]

_Floats = npt.NDArray[np.float64]


def order_by_confusion(counts: npt.NDArray[np.integer]) -> list[int]:
    """Return the classes in an order in which those confused with each other are neighbors.

    Classes are merged by average linkage of how often they are confused, both ways, by chains of
    nearest neighbors: F. Murtagh, "A survey of recent advances in hierarchical clustering
    algorithms", 1983, section 3. When two groups are merged, each is turned so that the ends that
    meet are the most confused of the four. Classes that are confused with no other come last, in
    the order given.

    Args:
        counts: ``(classes, classes)``: how often the images of a row's class got a column's answer.

    >>> counts = np.zeros((5, 5), int)
    >>> counts[0, 3] = counts[3, 0] = counts[3, 4] = 5
    >>> order_by_confusion(counts)
    [0, 3, 4, 1, 2]
    """
    alike = _confusion(counts)
    confused = np.flatnonzero(alike.any(axis=1))
    if len(confused) < 2:
        return list(range(len(counts)))
    alike = alike[np.ix_(confused, confused)]
    order = [int(confused[at]) for at in _merge(alike)]
    return order + sorted(set(range(len(counts))) - set(order))


def _confusion(counts: npt.NDArray[np.integer]) -> _Floats:
    """Return the mean of both shares of a pair's images that get the other's class."""
    total = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(total, 1)
    np.fill_diagonal(shares, 0)
    return np.asarray((shares + shares.T) / 2, np.float64)


def _merge(alike: _Floats) -> list[int]:
    """Return the leaves of the tree of average linkage, from left to right."""
    linkage = alike.copy()
    np.fill_diagonal(linkage, -np.inf)
    groups = [[at] for at in range(len(alike))]
    chain: list[int] = []
    for _ in range(len(alike) - 1):
        first, second = _nearest_pair(linkage, chain, groups)
        sizes = len(groups[first]), len(groups[second])
        merged = (sizes[0] * linkage[first] + sizes[1] * linkage[second]) / sum(sizes)
        groups[first] = _joined(groups[first], groups[second], alike)
        groups[second] = []
        linkage[first], linkage[:, first] = merged, merged
        linkage[first, first] = linkage[second] = linkage[:, second] = -np.inf
    return next(group for group in groups if group)


def _nearest_pair(linkage: _Floats, chain: list[int], groups: list[list[int]]) -> tuple[int, int]:
    """Return two groups of which each is the other's nearest, and leave the chain before them."""
    if not chain:
        chain.append(next(at for at, group in enumerate(groups) if group))
    while True:
        last = chain[-1]
        near = int(linkage[last].argmax())
        # Of equally near ones the one before in the chain, or the chain would never end.
        if len(chain) > 1 and linkage[last, chain[-2]] >= linkage[last, near]:
            second, first = chain.pop(), chain.pop()
            return first, second
        chain.append(near)


def _joined(left: list[int], right: list[int], alike: _Floats) -> list[int]:
    """Return two groups as one, turned so that the ends that meet are the most confused."""
    ways = [
        (left, right),
        (left[::-1], right),
        (left, right[::-1]),
        (left[::-1], right[::-1]),
    ]
    first, second = max(ways, key=lambda way: alike[way[0][-1], way[1][0]])
    return first + second
