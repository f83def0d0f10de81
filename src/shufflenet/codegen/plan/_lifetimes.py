"""Places in one block for parts that are needed at different times, and then share bytes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

__all__ = ["Part", "largest_gap", "lowest_place", "most_live", "pack"]

_TRIES = 20  # orders, the later of which differ from the best so far by one part


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes that are needed from one turn to another, both included.

    >>> Part(64, 0, 2).meets(Part(64, 2, 3)), Part(64, 0, 1).meets(Part(64, 2, 3))
    (True, False)
    """

    size: int
    first: int
    last: int

    def meets(self, other: "Part") -> bool:
        """Return whether both are needed in some turn."""
        return self.first <= other.last and other.first <= self.last


def most_live(parts: Sequence[Part]) -> int:
    """Return the most bytes that are needed in one turn, below which no block can be.

    >>> most_live([Part(64, 0, 1), Part(128, 1, 2), Part(64, 2, 3)])
    192
    """
    turns = {part.first for part in parts}
    return max(sum(p.size for p in parts if p.first <= turn <= p.last) for turn in turns)


def pack(parts: Sequence[Part]) -> tuple[list[int], int]:
    """Return the first byte of each part, and the length of the block.

    Parts are placed one after the other, each as low as those allow that it meets: the largest
    first, then in some other orders, until no better one is found.

    >>> pack([Part(64, 0, 1), Part(128, 1, 2), Part(64, 2, 3)])
    ([128, 0, 128], 192)
    """
    least, random = most_live(parts), Random(0)
    neighbors = [[n for n, each in enumerate(parts) if each.meets(part)] for part in parts]
    best = sorted(range(len(parts)), key=lambda n: (-parts[n].size, parts[n].first))
    places, length = _in_order(parts, neighbors, best)
    others = [
        sorted(best, key=lambda n: parts[n].size * (parts[n].first - parts[n].last - 1)),
        sorted(best, key=lambda n: parts[n].first),
    ]
    for number in range(_TRIES):
        if length == least:
            break
        order = others[number] if number < len(others) else _one_moved(best, random)
        tried, end = _in_order(parts, neighbors, order)
        if end <= length:
            best, places, length = order, tried, end
    return places, length


def lowest_place(taken: Iterable[tuple[int, int]], size: int) -> int:
    """Return the lowest byte at which so many lie beside parts, ``(first byte, size)``.

    >>> lowest_place([(0, 64), (192, 64)], 128), lowest_place([(0, 64), (192, 64)], 192)
    (64, 256)
    """
    at = 0
    for first, taken_size in sorted(taken):
        if first - at >= size:
            break
        at = max(at, first + taken_size)
    return at


def largest_gap(parts: Sequence[tuple[int, int]], length: int) -> tuple[int, int]:
    """Return where the largest gap between parts, ``(first byte, size)``, begins, and its size.

    >>> largest_gap([(0, 64), (192, 64)], 320)
    (64, 128)
    """
    best, at = (0, 0), 0
    for first, size in [*sorted(parts), (length, 0)]:
        if first - at > best[1]:
            best = at, first - at
        at = max(at, first + size)
    return best


def _one_moved(order: Sequence[int], random: Random) -> list[int]:
    moved = list(order)
    a, b = random.randrange(len(order)), random.randrange(len(order))
    moved.insert(b, moved.pop(a))
    return moved


def _in_order(
    parts: Sequence[Part], neighbors: Sequence[Sequence[int]], order: Sequence[int]
) -> tuple[list[int], int]:
    """Place parts in an order, each as low as those allow that it meets and that have a place."""
    places, length = [-1] * len(parts), 0
    for number in order:
        taken = [(places[n], parts[n].size) for n in neighbors[number] if places[n] >= 0]
        places[number] = lowest_place(taken, parts[number].size)
        length = max(length, places[number] + parts[number].size)
    return places, length
