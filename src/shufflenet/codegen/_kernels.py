"""The few loops a network's time goes into, written once for every size."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from llvmlite import ir

from shufflenet.codegen._ir import FLOAT, FLOATS, INDEX, OFFSETS, Function, Value, index
from shufflenet.codegen._memory import LINE_WORDS, Array
from shufflenet.codegen._moves import Moves
from shufflenet.codegen._prefetch import Prefetch
from shufflenet.graph import Floats, Weights

__all__ = ["CLASSES", "Kernels", "Kind"]

# What a product ends with: values of a map, those to which others are added, or logits; or that it
# reads values in several runs.
Kind: TypeAlias = Literal["", "runs", "adding", "logits"]

CLASSES = 8  # vectors of classes that the classifier computes at once
_CLASS_WORDS_AHEAD = 2  # of its next weights, that are fetched with each step


class Kernels(Moves):
    """Functions of one module, each written when first asked for.

    A product of matrices is computed a tile at a time: some pixels by a panel of a few vectors of
    channels, as many as registers hold, so that a weight loaded serves all pixels and a value all
    channels of the tile. Panels are of several kinds, for channels seldom fill one kind alone.

    Attributes:
        dtype: Of maps.
        columns: Channels that a vector of sums holds.
        kinds: Vectors that a panel may have, in the order of panels.
        fetches_results: Whether a tile fetches the lines that its results, then float32, go to.
        reads_evenly: Whether products read pixels at equal distances only: of a map with a border
            they are copied first.
    """

    dtype: type[np.generic]
    fetches_results: bool
    reads_evenly = False

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
            most_pixels: Of a tile, by the vectors of its panel, in the order of panels.
            ends: Numbers that a channel's sum ends with, as its bias.
        """
        super().__init__(module, element, lanes, columns * 4 // np.dtype(self.dtype).itemsize)
        self.columns = columns
        self._words = words.as_pointer()
        self.kinds = tuple(most_pixels)
        self._most_pixels = {**most_pixels, CLASSES: 1}
        self._ends = ends

    def begin(self, f: Function) -> None:
        """Write what stands before all kernels are called."""

    def end(self, f: Function) -> None:
        """Write what stands after that."""

    @abstractmethod
    def vectors(self, channels: int) -> int:
        """Say how many vectors of ``lanes`` hold channels."""

    @abstractmethod
    def steps(self, read: int, runs: int = 1) -> int:
        """Say how many steps of a product's inner loop read so many values, in equal runs.

        They may read up to a cache line beyond the last, and multiply that by zeros.
        """

    @abstractmethod
    def packed(
        self, weight: Weights, widths: Sequence[int], kind: Kind = "", runs: Sequence[int] = (0,)
    ) -> Array:
        """Lay out ``(in, out)`` weights of a product, cut into panels of these widths.

        Args:
            weight: What is laid out.
            widths: Of the panels.
            kind: Of the product.
            runs: Where the values that they are multiplied with begin.
        """

    @abstractmethod
    def ends(
        self, scale: Floats | None, bias: Floats, widths: Sequence[int], kind: Kind = ""
    ) -> Floats:
        """Lay out what a product's sums end with, likewise."""

    @abstractmethod
    def filters(
        self, weight: Weights, scale: Floats | None, bias: Floats, channels: int
    ) -> tuple[Array, Floats]:
        """Lay out what a depthwise convolution reads: its weights, and what sums end with.

        Args:
            weight: ``(channels, taps)``.
            scale: What sums are multiplied with, in int8.
            bias: What is added.
            channels: How many there are once filled up, as whole vectors.
        """

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
        ``filters`` has them, what sums end with, result, its table of pixels, floor, ceiling.
        """

    @abstractmethod
    def mean(self) -> ir.Function:
        """Take the mean of all pixels.

        Takes: map, pixels, channels, elements of a pixel, what the sum is multiplied with, what is
        added, result.
        """

    @abstractmethod
    def parted(self, vectors: int) -> list[int]:
        """Part vectors of channels into panels of ``kinds``, in their order."""

    def panels(self, channels: int) -> list[int]:
        """Cut channels into panels; says how wide each is.

        >>> from shufflenet.codegen._float_kernels import FloatKernels
        >>> FloatKernels(None, 8, 16).panels(116)
        [16, 16, 16, 16, 16, 16, 24]
        """
        return [self.columns * own for own in self.parted(-(-channels // self.columns))]

    def counts(self, widths: Sequence[int]) -> list[int]:
        """Say how many panels of each kind there are."""
        return [widths.count(kind * self.columns) for kind in self.kinds]

    def class_panels(self, classes: int) -> int:
        """Say how many panels of ``CLASSES`` vectors hold classes."""
        return -(-classes // (CLASSES * self.columns))

    def product(self, kind: Kind = "") -> ir.Function:
        """Multiply pixels by all panels of weights.

        Takes: values, their table of pixels, pixels, steps, weights, how many panels of each kind,
        what sums end with, result, its table of pixels, floor, ceiling; if ``adding``, what is
        added as well, its table of pixels, what it is multiplied with, and the least and the most
        that sums become before.
        """

        def write(f: Function) -> None:
            values, table, pixels, steps, weights, *rest = f.arguments
            counts, rest = rest[: len(self.kinds)], rest[len(self.kinds) :]
            ends, output, places, floor, ceiling, *added = rest
            done = index(0)
            # The classifier is filled up to whole panels of the first kind.
            kinds = self.kinds[:1] if kind == "logits" else self.kinds
            for vectors, panels in zip(kinds, counts, strict=False):
                panel_of, width = self._panel(vectors, kind), index(vectors * self.columns)
                words = self._panel_words(f, steps, vectors, kind)
                with f.counting(panels) as panel:
                    channel = f.add(done, f.mul(panel, width))
                    own = f.at(weights, f.mul(panel, words)), f.at(ends, self._end(f, channel))
                    also = (f.at(added[0], channel), *added[1:]) if added else ()
                    given = values, table, pixels, steps, *own, f.at(output, channel), places
                    f.call(panel_of, [*given, floor, ceiling, *also])
                done = f.add(done, f.mul(panels, width))
                weights = f.at(weights, f.mul(panels, words))

        result, also = self._given(kind)
        takes = (
            *(self.elements, OFFSETS, INDEX, INDEX, self._words, *[INDEX] * len(self.kinds)),
            *(FLOATS, result, OFFSETS, FLOAT, FLOAT, *also),
        )
        return self._function(f"product_{kind}", takes, write)

    def linear(self) -> ir.Function:
        """Multiply one image's features by panels of ``CLASSES`` vectors.

        Takes: features, steps, weights, panels, what sums end with, logits, a table of one zero.
        """

        def write(f: Function) -> None:
            features, steps, weights, panels, ends, output, zero = f.arguments
            width, words = (
                index(CLASSES * self.columns),
                self._panel_words(f, steps, CLASSES, "logits"),
            )
            with f.counting(panels) as panel:
                first = f.mul(panel, width)
                own = f.at(weights, f.mul(panel, words))
                given = features, zero, steps, own, f.at(ends, self._end(f, first))
                limits = (ir.Constant(FLOAT, float(end)) for end in ("-inf", "inf"))
                one_tile = *limits, f.at(own, words), index(_CLASS_WORDS_AHEAD), index(1)
                tiles = self._tiles(1, CLASSES, "logits")
                f.call(tiles, [*given, f.at(output, first), zero, *one_tile])

        takes = (self.elements, INDEX, self._words, INDEX, FLOATS, FLOATS, OFFSETS)
        return self._function("linear", takes, write)

    def _end(self, f: Function, channel: Value) -> Value:
        """Say where begins what the sums of a channel and those after it end with."""
        return f.mul(channel, index(self._ends))

    def _panel_words(self, f: Function, steps: Value, vectors: int, kind: Kind) -> Value:
        """Say how many words hold a panel."""
        return f.add(self._head_words(f, steps, kind), f.mul(steps, index(vectors * self.columns)))

    @abstractmethod
    def _head_words(self, f: Function, steps: Value, kind: Kind) -> Value:
        """Say how many words a panel has before its weights."""

    def _given(self, kind: Kind) -> tuple[ir.Type, Sequence[ir.Type]]:
        """Say what results are of, and what a product of a kind takes besides."""
        result = FLOATS if kind == "logits" else self.elements
        adding = (self.elements, OFFSETS, FLOAT, FLOAT, FLOAT)
        return result, adding if kind == "adding" else ()

    def _panel(self, vectors: int, kind: Kind) -> ir.Function:
        """Multiply pixels by one panel, in tiles of sizes that differ by one at most."""
        most = self._most_pixels[vectors]

        def write(f: Function) -> None:
            values, table, pixels, steps, weights, ends, output, places, *rest = f.arguments
            floor, ceiling, *added = rest
            tiles = f.sdiv(f.add(pixels, index(most - 1)), index(most))
            fewest, larger = f.sdiv(pixels, tiles), f.srem(pixels, tiles)
            larger_size = f.add(fewest, index(1))
            # The panel that follows is fetched meanwhile.
            following = f.at(weights, self._panel_words(f, steps, vectors, kind))
            words_ahead = self._words_ahead(f, vectors, tiles)
            for size, first, pixel, count in (
                (larger_size, index(0), index(0), larger),
                (fewest, larger, f.mul(larger, larger_size), f.sub(tiles, larger)),
            ):
                own = f.at(table, pixel), steps, weights, ends, output, f.at(places, pixel)
                also = (added[0], f.at(added[1], pixel), *added[2:]) if added else ()
                ahead = f.at(following, f.mul(first, f.mul(steps, words_ahead)))
                given = [values, *own, floor, ceiling, ahead, words_ahead, count, *also]
                with f.if_then(f.icmp_signed(">", count, index(0))):
                    never, after = f.append_basic_block(), f.append_basic_block()
                    chosen = f.switch(size, never)
                    f.position_at_end(never)
                    f.unreachable()
                    for each in range(1, most + 1):
                        block = f.append_basic_block()
                        chosen.add_case(index(each), block)
                        f.position_at_end(block)
                        f.call(self._tiles(each, vectors, kind), given)
                        f.branch(after)
                    f.position_at_end(after)

        return self._function(f"panel_{vectors}_{kind}", self._panel_takes(kind), write)

    def _panel_takes(self, kind: Kind) -> Sequence[ir.Type]:
        """Say what a panel takes: what a product does, with its own weights and no counts."""
        result, also = self._given(kind)
        return (
            *(self.elements, OFFSETS, INDEX, INDEX, self._words, FLOATS),
            *(result, OFFSETS, FLOAT, FLOAT, *also),
        )

    def _words_ahead(self, f: Function, vectors: int, parts: Value) -> Value:
        """Say with how many words a step a whole panel is fetched after so many parts."""
        return f.add(f.sdiv(index(vectors * self.columns), parts), index(1))

    def _tiles(self, pixels: int, vectors: int, kind: Kind) -> ir.Function:
        """Multiply tiles of some pixels by one panel, the sums of each in registers.

        Takes what a panel does without the number of pixels, and after the ceiling: what is fetched
        ahead, so many words of it with each step, how many tiles there are.
        """
        result, also = self._given(kind)
        width = vectors * self.columns

        def write(f: Function) -> None:
            values, table, steps, weights, ends, output, places, floor, ceiling, *rest = f.arguments
            ahead, words_ahead, tiles, *added = rest
            with f.counting(tiles) as tile:
                following = f.at(ahead, f.mul(f.mul(tile, steps), words_ahead))
                pixel = f.mul(tile, index(pixels))
                own, goals = f.at(table, pixel), f.at(places, pixel)
                if self.fetches_results:
                    for number in range(pixels):
                        goal = f.at(output, f.offset(goals, number))
                        for start in range(0, width, LINE_WORDS):
                            f.fetch(f.at(goal, start), to_write=True)
                rows = [f.at(values, f.offset(own, number)) for number in range(pixels)]
                offsets = f.at(added[1], pixel) if added else None
                more = [f.at(added[0], f.offset(offsets, n)) for n in range(pixels) if added]
                sums = self._begun(f, pixels, vectors, ends, more)
                own_ahead = Prefetch(following, words_ahead)
                self._multiply(f, steps, rows, weights, sums, kind, own_ahead)
                for each, variables in enumerate(sums):
                    goal = f.at(output, f.offset(goals, each))
                    loaded = [f.load(variable) for variable in variables]
                    also = (more[each], *added[2:]) if added else ()
                    self._finish(f, loaded, ends, (floor, ceiling), goal, also)

        takes = (
            *(self.elements, OFFSETS, INDEX, self._words, FLOATS),
            *(result, OFFSETS, FLOAT, FLOAT, self._words, INDEX, INDEX, *also),
        )
        return self._function(f"tiles_{pixels}_{vectors}_{kind}", takes, write)

    @abstractmethod
    def _begun(
        self, f: Function, pixels: int, vectors: int, ends: Value, added: Sequence[Value]
    ) -> list[list[Value]]:
        """Make a tile's sums, vectors for each pixel, and what they begin with."""

    @abstractmethod
    def _multiply(
        self,
        f: Function,
        steps: Value,
        rows: Sequence[Value],
        weights: Value,
        sums: Sequence[Sequence[Value]],
        kind: Kind,
        ahead: Prefetch,
    ) -> None:
        """Write the inner loop: every step of some pixels.

        Args:
            f: What it is written to.
            steps: How many.
            rows: Each pixel's values.
            weights: Of the panel.
            sums: Rooms for each pixel's sums.
            kind: Of the product.
            ahead: What is fetched meanwhile.
        """

    @abstractmethod
    def _finish(
        self,
        f: Function,
        sums: Sequence[Value],
        ends: Value,
        limits: tuple[Value, Value],
        goal: Value,
        added: Sequence[Value] = (),
    ) -> None:
        """Keep one pixel's results.

        Args:
            f: What it is written to.
            sums: Vectors of them.
            ends: What they end with.
            limits: The least and the most that a result becomes.
            goal: Where results go.
            added: Where the values are that are added, what they are multiplied with, and the least
                and the most that sums become before.
        """
