"""A step's pixels divided among the threads that compute one image together."""

from collections.abc import Iterator
from contextlib import contextmanager

from shufflenet.codegen.kernels import INDEX, Claims, Function, Signature, Value, index

__all__ = ["TEAM", "Team", "parts_of"]

# What every function of a team takes: the number of the thread, that of the image, and what a
# thread calls that has waited for long (see ``Claims.wait``).
TEAM = Signature({"thread": INDEX, "image_number": INDEX, "rest": Claims.rest})

_LEAST_PIXELS = 4  # of a portion: for fewer, weights are loaded in vain


def parts_of(size: int, most: int, threads: int) -> int:
    """Return into how many portions to divide so many pixels, at most ``most`` in each.

    There are as many for each thread where there are enough pixels.

    >>> [parts_of(size, 196, 2) for size in (1, 8, 49, 784, 800)]
    [1, 2, 2, 4, 6]
    """
    least = -(-size // most)
    return max(least, min(-(-least // threads) * threads, size // _LEAST_PIXELS), 1)


class Team:
    """What a function divides work with that every thread of a team runs.

    Args:
        f: The function; its arguments are those of ``TEAM``, and ``arena``.
        claims: The kernels of claims.
        counters: Pointer to the counters.
        portion: Pointer to the number of the portion that this thread has claimed.
        threads: How many threads there are at most.
    """

    def __init__(
        self, f: Function, claims: Claims, counters: Value, portion: Value, threads: int
    ) -> None:
        self.threads = threads
        self.written = 0  # portions of the steps so far
        self._f, self._claims = f, claims
        self._counters, self._portion = counters, portion

    def claim(self) -> None:
        """Write the claim of a portion."""
        number = self._f.arguments.image_number
        self._claims.claim().call(
            self._f, counters=self._counters, image_number=number, portion=self._portion
        )

    def wait(self) -> None:
        """Write what waits until all portions of the steps so far are done."""
        rest = self._f.arguments.rest
        self._claims.wait().call(self._f, counters=self._counters, portions=self.written, rest=rest)

    @contextmanager
    def portions(self, count: int) -> Iterator[Value]:
        """Write a loop over those of a step's portions that this thread claims: their numbers."""
        f, end = self._f, self.written + count
        head, body, after = (f.append_basic_block() for _ in range(3))
        f.branch(head)
        f.position_at_end(head)
        portion = f.load(self._portion)
        f.cbranch(f.icmp_unsigned("<", portion, index(end)), body, after)  # -1 is the largest
        f.position_at_end(body)
        self.wait()
        yield f.sub(portion, index(self.written))
        self._claims.finish().call(f, counters=self._counters)
        self.claim()
        f.branch(head)
        f.position_at_end(after)
        self.written = end

    def divide(self, size: int, parts: int) -> Iterator[tuple[Value, Value]]:
        """Write a loop over claimed portions: the first element of each, and how many it has."""
        f, (fewest, larger) = self._f, divmod(size, parts)
        with self.portions(parts) as part:
            first = f.mul(part, index(fewest))
            is_larger = f.icmp_unsigned("<", part, index(larger))
            before = f.select(is_larger, part, index(larger))
            yield f.add(first, before), f.add(index(fewest), f.zext(is_larger, INDEX))

    def choose(self, size: int, parts: int) -> Iterator[range]:
        """Write code for each portion of a few elements, of which the one claimed is executed."""
        with self.portions(parts) as part:
            for number in range(parts):
                with self._f.if_then(self._f.icmp_unsigned("==", part, index(number))):
                    yield range(number * size // parts, (number + 1) * size // parts)
