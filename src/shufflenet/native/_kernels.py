"""The few loops a network's time goes into, written once for every size."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from llvmlite import ir

from shufflenet.native._ir import BYTE, FLOAT, FLOATS, INDEX, OFFSETS, Function, Value, index
from shufflenet.native._layers import Floats, Weights
from shufflenet.native._memory import LINE_BYTES, Array
from shufflenet.native._moves import Moves

__all__ = ["CLASSES", "Kernels", "Kind", "filled"]

# What a product ends with: values of a map, those to which others are added, or logits.
Kind: TypeAlias = Literal["", "adding", "logits"]

CLASSES = 8  # vectors of classes that the classifier computes at once
_UNROLLED = 4  # steps of a product's inner loop
_WORD_BYTES = 4  # of what a value is multiplied with at a time: a float32, or four bytes
_WORDS = LINE_BYTES // _WORD_BYTES  # of a cache line


class Kernels(Moves):
    """Functions of one module, each written when first asked for.

    A product of matrices is computed a tile at a time: some pixels by a panel of two vectors of
    channels, as many as registers hold, so that a weight loaded serves all pixels and a value all
    channels of the tile. The last panel has another number of vectors where theirs is odd.

    Attributes:
        dtype: Of maps.
        columns: Channels that a vector of sums holds.
        odd: Vectors of the last panel where their number is odd.
    """

    dtype: type[np.generic]
    odd: int

    def __init__(
        self,
        module: ir.Module,
        element: ir.Type,
        lanes: int,
        *,
        columns: int,
        words: ir.Type,
        most_pixels: dict[int, int],
        ends: int,
    ) -> None:
        """Begin with no function.

        Args:
            module: Where they are written to.
            element: What maps are made of.
            lanes: Elements of the vectors that are moved.
            columns: Channels that a vector of sums holds.
            words: What weights are made of: what one step of a product takes of a channel.
            most_pixels: Of a tile, by the vectors of its panel.
            ends: Numbers that a channel's sum ends with, as its bias.
        """
        super().__init__(module, element, lanes)
        self.columns = columns
        self._words = words.as_pointer()
        self._most_pixels = most_pixels
        self._ends = ends

    @abstractmethod
    def vectors(self, channels: int) -> int:
        """Say how many vectors of ``lanes`` hold channels."""

    @abstractmethod
    def steps(self, read: int) -> int:
        """Say how many steps of a product's inner loop read so many channels."""

    @abstractmethod
    def packed(self, weight: Weights, widths: Sequence[int]) -> Array:
        """Lay out ``(in, out)`` weights of a product, cut into panels of these widths."""

    @abstractmethod
    def ends(self, scale: Floats | None, bias: Floats, widths: Sequence[int]) -> Floats:
        """Lay out what a product's sums end with, likewise."""

    @abstractmethod
    def filters(self, weight: Weights, channels: int) -> Array:
        """Lay out the ``(channels, taps)`` weights of a depthwise convolution, filled up."""

    @abstractmethod
    def images(self) -> ir.Function:
        """Take float32 images into planes.

        Takes: images, a table of rows, planes, a table of their rows, rows, elements of a row, what
        they are multiplied with, and what is added.
        """

    @abstractmethod
    def depthwise(self, kernel: int) -> ir.Function:
        """Multiply square windows by their channels' own kernels, a vector of channels at a time.

        Takes: map, table of windows, pixels, channels, elements of a row and of a pixel, weights as
        ``filters`` has them, what sums end with, result, its table of pixels, floor.
        """

    @abstractmethod
    def mean(self) -> ir.Function:
        """Take the mean of all pixels.

        Takes: map, pixels, channels, elements of a pixel, what the sum is multiplied with, what is
        added, result.
        """

    def panels(self, channels: int) -> list[int]:
        """Cut channels into panels; says how wide each is."""
        vectors = max(-(-channels // self.columns), min(2, self.odd))
        odd = [self.odd * self.columns] * (vectors % 2)
        return [2 * self.columns] * ((vectors - len(odd) * self.odd) // 2) + odd

    def class_panels(self, classes: int) -> int:
        """Say how many panels of ``CLASSES`` vectors hold classes."""
        return -(-classes // (CLASSES * self.columns))

    def product(self, kind: Kind = "") -> ir.Function:
        """Multiply pixels by all panels of weights.

        Takes: values, their table of pixels, pixels, steps, weights, panels of two vectors, odd
        panels, what sums end with, result, its table of pixels, floor; if ``adding``, what is
        added as well, and its table of pixels.
        """

        def write(f: Function) -> None:
            values, table, pixels, steps, weights, twos, odds, *rest = f.arguments
            ends, made, places, floor, *added = rest
            done = index(0)
            for vectors, panels in ((2, twos), (self.odd, odds)):
                panel_of, width = self._panel(vectors, kind), index(vectors * self.columns)
                with f.counting(panels) as panel:
                    channel = f.add(done, f.mul(panel, width))
                    own = f.at(weights, f.mul(channel, steps)), f.at(ends, self._end(f, channel))
                    also = (f.at(added[0], channel), added[1]) if added else ()
                    f.call(
                        panel_of,
                        [values, table, pixels, steps, *own, f.at(made, channel), places]
                        + [floor, *also],
                    )
                done = f.mul(panels, width)

        result, also = self._given(kind)
        takes = (
            *(self.elements, OFFSETS, INDEX, INDEX, self._words, INDEX, INDEX),
            *(FLOATS, result, OFFSETS, FLOAT, *also),
        )
        return self._function(f"product_{kind}", takes, write)

    def linear(self) -> ir.Function:
        """Multiply one image's features by panels of ``CLASSES`` vectors.

        Takes: features, steps, weights, panels, what sums end with, logits, a table of one zero.
        """

        def write(f: Function) -> None:
            features, steps, weights, panels, ends, made, zero = f.arguments
            width = index(CLASSES * self.columns)
            with f.counting(panels) as panel:
                first = f.mul(panel, width)
                own = f.at(weights, f.mul(first, steps))
                following = f.at(own, f.mul(width, steps))
                tile = self._tile(1, CLASSES, "logits")
                given = features, zero, steps, own, f.at(ends, self._end(f, first))
                floor = ir.Constant(FLOAT, float("-inf"))
                f.call(tile, [*given, f.at(made, first), zero, floor, following])

        takes = (self.elements, INDEX, self._words, INDEX, FLOATS, FLOATS, OFFSETS)
        return self._function("linear", takes, write)

    def _end(self, f: Function, channel: Value) -> Value:
        return f.mul(channel, index(self._ends))

    def _given(self, kind: Kind) -> tuple[ir.Type, Sequence[ir.Type]]:
        """Say what results are of, and what a product of a kind takes besides."""
        result = FLOATS if kind == "logits" else self.elements
        return result, (self.elements, OFFSETS) if kind == "adding" else ()

    def _panel(self, vectors: int, kind: Kind) -> ir.Function:
        """Multiply pixels by one panel, in tiles of sizes that differ by one at most."""
        most = self._most_pixels[vectors]
        # A tile fetches a line for each round of its inner loop; so many tiles fetch the panel.
        fetching = index(vectors * self.columns * _UNROLLED // _WORDS)

        def write(f: Function) -> None:
            values, table, pixels, steps, weights, ends, made, places, floor, *added = f.arguments
            following = f.at(weights, f.mul(steps, index(vectors * self.columns)))
            tiles = f.sdiv(f.add(pixels, index(most - 1)), index(most))
            fewest, larger = f.sdiv(pixels, tiles), f.srem(pixels, tiles)
            with f.counting(tiles) as tile:
                is_larger = f.icmp_signed("<", tile, larger)
                size = f.select(is_larger, f.add(fewest, index(1)), fewest)
                before = f.select(is_larger, tile, larger)
                pixel = f.add(f.mul(tile, fewest), before)
                part = f.at(following, f.mul(f.mul(tile, steps), index(_WORDS // _UNROLLED)))
                ahead = f.select(f.icmp_signed("<", tile, fetching), part, weights)
                own = f.at(table, pixel), steps, weights, ends, made, f.at(places, pixel)
                also = (added[0], f.at(added[1], pixel)) if added else ()
                given = [values, *own, floor, ahead, *also]
                never, after = f.append_basic_block(), f.append_basic_block()
                chosen = f.switch(size, never)
                f.position_at_end(never)
                f.unreachable()
                for count in range(1, most + 1):
                    block = f.append_basic_block()
                    chosen.add_case(index(count), block)
                    f.position_at_end(block)
                    f.call(self._tile(count, vectors, kind), given)
                    f.branch(after)
                f.position_at_end(after)

        result, also = self._given(kind)
        takes = (
            *(self.elements, OFFSETS, INDEX, INDEX, self._words, FLOATS),
            *(result, OFFSETS, FLOAT, *also),
        )
        return self._function(f"panel_{vectors}_{kind}", takes, write)

    def _tile(self, pixels: int, vectors: int, kind: Kind) -> ir.Function:
        """Multiply some pixels by one panel: the inner loop, all sums in registers."""
        result, also = self._given(kind)
        line = LINE_BYTES if result.pointee == BYTE else _WORDS

        def write(f: Function) -> None:
            values, table, steps, weights, ends, made, places, floor, ahead, *added = f.arguments
            results = [f.at(made, f.offset(places, pixel)) for pixel in range(pixels)]
            for goal in results:
                for start in range(0, vectors * self.columns, line):
                    f.fetch(f.at(goal, start), to_write=True)
            rows = [f.at(values, f.offset(table, pixel)) for pixel in range(pixels)]
            more = [f.at(added[0], f.offset(added[1], pixel)) for pixel in range(pixels) if added]
            sums = self._begun(f, pixels, vectors, ends, more)
            width = index(vectors * self.columns)

            def step(number: Value) -> None:
                own = f.at(weights, f.mul(number, width))
                loaded = [self._weights(f, f.at(own, v * self.columns)) for v in range(vectors)]
                for row, rooms in zip(rows, sums, strict=True):
                    value = self._value(f, row, number)
                    for room, weight in zip(rooms, loaded, strict=True):
                        f.store(self._sum(f, value, weight, f.load(room)), room)

            whole = f.and_(steps, index(-_UNROLLED))
            with f.counting(whole, step=_UNROLLED) as number:
                f.fetch(f.at(ahead, f.mul(number, index(_WORDS // _UNROLLED))))
                for later in range(_UNROLLED):
                    step(f.add(number, index(later)))
            with f.counting(steps, whole) as number:
                step(number)
            for goal, rooms in zip(results, sums, strict=True):
                self._finish(f, [f.load(room) for room in rooms], ends, floor, goal)

        takes = (
            *(self.elements, OFFSETS, INDEX, self._words, FLOATS),
            *(result, OFFSETS, FLOAT, self._words, *also),
        )
        return self._function(f"tile_{pixels}_{vectors}_{kind}", takes, write)

    @abstractmethod
    def _begun(
        self, f: Function, pixels: int, vectors: int, ends: Value, added: Sequence[Value]
    ) -> list[list[Value]]:
        """Make a tile's sums, vectors for each pixel, and what they begin with."""

    @abstractmethod
    def _weights(self, f: Function, pointer: Value) -> Value:
        """Load a vector of weights."""

    @abstractmethod
    def _value(self, f: Function, row: Value, step: Value) -> Value:
        """Load what a step reads of a pixel, for all channels alike."""

    @abstractmethod
    def _sum(self, f: Function, value: Value, weight: Value, before: Value) -> Value:
        """Add products of values and weights."""

    @abstractmethod
    def _finish(
        self, f: Function, sums: Sequence[Value], ends: Value, floor: Value, goal: Value
    ) -> None:
        """Keep one pixel's results."""


def filled(values: Array, length: int) -> Array:
    """Fill up with zeros."""
    return np.pad(values, [(0, length - len(values)), *[(0, 0)] * (values.ndim - 1)])
