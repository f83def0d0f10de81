"""The few loops a network's time goes into, written once for every size and processor."""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise, product

from llvmlite import ir

from shufflenet.native._ir import FLOAT, FLOATS, INDEX, OFFSETS, Function, Value, index
from shufflenet.native._memory import LINE

__all__ = ["CLASSES", "Kernels"]

_ADDED: dict[bool, tuple[ir.Type, ...]] = {False: (), True: (FLOATS, OFFSETS)}
_NAMED = {False: "", True: "_adding"}
_UNROLLED = 4  # channels of a product's inner loop
CLASSES = 8  # vectors of classes that the classifier computes at once


class Kernels:
    """Functions of one module, each written when first asked for.

    A product of matrices is computed a tile at a time: some pixels by two or three vectors of
    channels, as many as registers hold, so that a weight loaded serves all pixels and a value all
    channels of the tile.

    Args:
        module: Where they are written to.
        lanes: float32 of a vector.
        registers: Vectors that the processor holds.
    """

    def __init__(self, module: ir.Module, lanes: int, registers: int) -> None:
        self._module = module
        self.lanes = lanes
        # For two or three vectors of channels: what is left holds the weights and a pixel's value.
        self._most_pixels = {2: (registers - 3) // 2, 3: (registers - 4) // 3}
        self._made: dict[str, ir.Function] = {}

    def vectors(self, channels: int) -> int:
        """Say how many vectors hold channels: two at least, for tiles are of two or three."""
        return max(2, -(-channels // self.lanes))

    def panels(self, channels: int) -> list[int]:
        """Cut channels into panels of two vectors, and one of three where their number is odd.

        >>> Kernels(None, 8, 16).panels(116)
        [2, 2, 2, 2, 2, 2, 3]
        """
        vectors = self.vectors(channels)
        return [2] * (vectors // 2 - vectors % 2) + [3] * (vectors % 2)

    def product(self, *, adding: bool = False) -> ir.Function:
        """Multiply pixels by all panels of weights, and add biases.

        Takes: values, their table of pixels, pixels, channels read, weights, panels of two
        vectors, panels of three, biases, result, its table of pixels, floor; if ``adding``, what is
        added as well, and its table of pixels.
        """

        def write(f: Function) -> None:
            values, table, pixels, read, weights, twos, threes, *rest = f.arguments
            biases, made, places, floor, *added = rest
            done = index(0)
            for vectors, panels in ((2, twos), (3, threes)):
                panel_of = self._panel(vectors, adding)
                with f.counting(panels) as panel:
                    channel = f.add(done, f.mul(panel, index(vectors * self.lanes)))
                    own = f.at(weights, f.mul(channel, read))
                    given = values, table, pixels, read, own, f.at(biases, channel)
                    also = (f.at(added[0], channel), added[1]) if adding else ()
                    f.call(panel_of, [*given, f.at(made, channel), places, floor, *also])
                done = f.mul(panels, index(vectors * self.lanes))

        takes = (
            *(FLOATS, OFFSETS, INDEX, INDEX, FLOATS, INDEX, INDEX),
            *(FLOATS, FLOATS, OFFSETS, FLOAT, *_ADDED[adding]),
        )
        return self._function(f"product{_NAMED[adding]}", takes, write)

    def _panel(self, vectors: int, adding: bool) -> ir.Function:
        """Multiply pixels by one panel, in tiles of sizes that differ by one at most."""
        most = self._most_pixels[vectors]
        # A tile fetches a line for each step of its inner loop; so many tiles fetch the panel.
        fetching = index(vectors * self.lanes * _UNROLLED // LINE)

        def write(f: Function) -> None:
            values, table, pixels, read, weights, biases, *rest = f.arguments
            made, places, floor, *added = rest
            following = f.at(weights, f.mul(read, index(vectors * self.lanes)))
            tiles = f.sdiv(f.add(pixels, index(most - 1)), index(most))
            fewest, larger = f.sdiv(pixels, tiles), f.srem(pixels, tiles)
            with f.counting(tiles) as tile:
                is_larger = f.icmp_signed("<", tile, larger)
                size = f.select(is_larger, f.add(fewest, index(1)), fewest)
                before = f.select(is_larger, tile, larger)
                pixel = f.add(f.mul(tile, fewest), before)
                part = f.at(following, f.mul(f.mul(tile, read), index(LINE // _UNROLLED)))
                ahead = f.select(f.icmp_signed("<", tile, fetching), part, weights)
                own = f.at(table, pixel), read, weights, biases, made, f.at(places, pixel)
                also = (added[0], f.at(added[1], pixel)) if adding else ()
                given = [values, *own, floor, ahead, *also]
                never, after = f.append_basic_block(), f.append_basic_block()
                chosen = f.switch(size, never)
                f.position_at_end(never)
                f.unreachable()
                for count in range(1, most + 1):
                    block = f.append_basic_block()
                    chosen.add_case(index(count), block)
                    f.position_at_end(block)
                    f.call(self._tile(count, vectors, adding), given)
                    f.branch(after)
                f.position_at_end(after)

        takes = (
            *(FLOATS, OFFSETS, INDEX, INDEX, FLOATS, FLOATS),
            *(FLOATS, OFFSETS, FLOAT, *_ADDED[adding]),
        )
        return self._function(f"panel_{vectors}{_NAMED[adding]}", takes, write)

    def _tile(self, pixels: int, vectors: int, adding: bool) -> ir.Function:
        """Multiply some pixels by one panel: the inner loop, all sums in registers."""

        def write(f: Function) -> None:
            values, table, read, weights, biases, made, places, floor, ahead, *added = f.arguments
            results = [f.at(made, f.offset(places, pixel)) for pixel in range(pixels)]
            for result in results:
                for line in range(0, vectors * self.lanes, LINE):
                    f.fetch(f.at(result, line), to_write=True)
            rows = [f.at(values, f.offset(table, pixel)) for pixel in range(pixels)]
            sums = [[f.room() for _ in range(vectors)] for _ in rows]
            for vector in range(vectors):
                bias = f.vector(f.at(biases, vector * self.lanes))
                for pixel, own in enumerate(sums):
                    first = bias
                    if adding:
                        more = f.at(added[0], f.offset(added[1], pixel))
                        first = f.fadd(bias, f.vector(f.at(more, vector * self.lanes)))
                    f.store(first, own[vector])

            def add(channel: Value, weight: Value) -> None:
                loaded = [f.vector(f.at(weight, v * self.lanes)) for v in range(vectors)]
                for row, own in zip(rows, sums, strict=True):
                    value = f.all_of(f.load(f.at(row, channel)))
                    for room, column in zip(own, loaded, strict=True):
                        f.store(f.multiply_add(value, column, f.load(room)), room)

            width = index(vectors * self.lanes)
            whole = f.and_(read, index(-_UNROLLED))
            with f.counting(whole, step=_UNROLLED) as channel:
                f.fetch(f.at(ahead, f.mul(channel, index(LINE // _UNROLLED))))
                for more in range(_UNROLLED):
                    each = f.add(channel, index(more))
                    add(each, f.at(weights, f.mul(each, width)))
            with f.counting(read, whole) as channel:
                add(channel, f.at(weights, f.mul(channel, width)))
            least = f.all_of(floor)
            for result, own in zip(results, sums, strict=True):
                for vector, room in enumerate(own):
                    f.keep(f.largest(f.load(room), least), f.at(result, vector * self.lanes))

        takes = (
            *(FLOATS, OFFSETS, INDEX, FLOATS, FLOATS),
            *(FLOATS, OFFSETS, FLOAT, FLOATS, *_ADDED[adding]),
        )
        return self._function(f"tile_{pixels}_{vectors}{_NAMED[adding]}", takes, write)

    def class_panels(self, classes: int) -> int:
        """Say how many panels of ``CLASSES`` vectors hold classes."""
        return -(-classes // (CLASSES * self.lanes))

    def linear(self) -> ir.Function:
        """Multiply one image's features by panels of ``CLASSES`` vectors.

        Takes: features, features read, weights, panels, biases, result, a table of one zero.
        """

        def write(f: Function) -> None:
            features, read, weights, panels, biases, made, zero = f.arguments
            width = index(CLASSES * self.lanes)
            with f.counting(panels) as panel:
                first = f.mul(panel, width)
                own = f.at(weights, f.mul(first, read))
                following = f.at(own, f.mul(width, read))
                given = features, zero, read, own, f.at(biases, first), f.at(made, first), zero
                tile = self._tile(1, CLASSES, adding=False)
                f.call(tile, [*given, ir.Constant(FLOAT, float("-inf")), following])

        takes = (FLOATS, INDEX, FLOATS, INDEX, FLOATS, FLOATS, OFFSETS)
        return self._function("linear", takes, write)

    def depthwise(self, kernel: int) -> ir.Function:
        """Multiply square windows by their channels' own kernels, a vector of channels at a time.

        Takes: map, table of windows, pixels, channels, floats of a row and of a pixel, weights as
        ``(vectors, kernel * kernel, lanes)``, biases, result, its table of pixels, floor.
        """

        def write(f: Function) -> None:
            source, windows, pixels, channels, row, pitch, weights, biases, made, places, floor = (
                f.arguments
            )
            taps = _window(f, kernel, row, pitch)
            least = f.all_of(floor)
            with f.counting(channels, step=self.lanes) as channel:
                own = f.at(weights, f.mul(channel, index(len(taps))))
                factors = [f.vector(f.at(own, tap * self.lanes)) for tap in range(len(taps))]
                bias = f.vector(f.at(biases, channel))
                here, there = f.at(source, channel), f.at(made, channel)
                with f.counting(pixels) as pixel:
                    corner = f.at(here, f.offset(windows, pixel))
                    values = [f.vector(f.at(corner, tap)) for tap in taps]
                    # Two sums, for one would wait for each of its additions.
                    sums = [bias, f.all_of(0.0)]
                    for tap, (factor, value) in enumerate(zip(factors, values, strict=True)):
                        sums[tap % 2] = f.multiply_add(factor, value, sums[tap % 2])
                    result = f.largest(f.fadd(*sums), least)
                    f.keep(result, f.at(there, f.offset(places, pixel)))

        takes = (
            *(FLOATS, OFFSETS, INDEX, INDEX, INDEX, INDEX),
            *(FLOATS, FLOATS, FLOATS, OFFSETS, FLOAT),
        )
        return self._function(f"depthwise_{kernel}", takes, write)

    def max_pool(self) -> ir.Function:
        """Take the maximum of 3x3 windows; a NaN counts only in their first pixel.

        Takes: map, table of windows, pixels, channels, floats of a row and of a pixel, result, its
        table of pixels.
        """

        def write(f: Function) -> None:
            source, windows, pixels, channels, row, pitch, made, places = f.arguments
            taps = _window(f, 3, row, pitch)
            with f.counting(pixels) as pixel:
                corner = f.at(source, f.offset(windows, pixel))
                result = f.at(made, f.offset(places, pixel))
                with f.counting(channels, step=self.lanes) as channel:
                    values = [f.vector(f.at(corner, tap, channel)) for tap in taps]
                    largest = values[0]
                    for value in values[1:]:
                        largest = f.largest(largest, value)
                    f.keep(largest, f.at(result, channel))

        takes = (FLOATS, OFFSETS, INDEX, INDEX, INDEX, INDEX, FLOATS, OFFSETS)
        return self._function("max_pool", takes, write)

    def mean(self) -> ir.Function:
        """Take the mean of all pixels.

        Takes: map, pixels, channels, floats of a pixel, one over the pixels, result.
        """

        def write(f: Function) -> None:
            source, pixels, channels, pitch, share, made = f.arguments
            with f.counting(channels, step=self.lanes) as channel:
                total = f.room()
                f.store(f.all_of(0.0), total)
                with f.counting(pixels) as pixel:
                    value = f.vector(f.at(source, f.mul(pixel, pitch), channel))
                    f.store(f.fadd(f.load(total), value), total)
                f.keep(f.fmul(f.load(total), f.all_of(share)), f.at(made, channel))

        return self._function("mean", (FLOATS, INDEX, INDEX, INDEX, FLOAT, FLOATS), write)

    def gather(self, pieces: Sequence[tuple[int, int]], pitch: int) -> ir.Function:
        """Put pieces of maps beside each other, pixel by pixel.

        A piece is moved in whole vectors: what the last has too much, the next piece overwrites.

        Takes: where each piece begins in the first pixel, a table of pixels for each layout,
        result, its table of pixels, pixels.

        Args:
            pieces: Channels of each, and the number of its layout.
            pitch: Floats of a pixel of the result, which nothing may go beyond.
        """
        starts = [0, *accumulate(channels for channels, _ in pieces)]
        layouts = 1 + max(layout for _, layout in pieces)

        def write(f: Function) -> None:
            sources, tables = f.arguments[: len(pieces)], f.arguments[len(pieces) : -3]
            made, places, pixels = f.arguments[-3:]
            with f.counting(pixels) as pixel:
                offsets = [f.offset(table, pixel) for table in tables]
                result = f.at(made, f.offset(places, pixel))
                for source, (_, layout), (start, end) in zip(
                    sources, pieces, pairwise(starts), strict=True
                ):
                    here = f.at(source, offsets[layout], -start)
                    while start < end and start + self.lanes <= pitch:
                        f.keep(f.vector(f.at(here, start)), f.at(result, start))
                        start += self.lanes
                    for channel in range(start, end):
                        f.store(f.load(f.at(here, channel)), f.at(result, channel))

        name = "gather" + "".join(f"_{channels}.{layout}" for channels, layout in pieces)
        takes = (*[FLOATS] * len(pieces), *[OFFSETS] * layouts, FLOATS, OFFSETS, INDEX)
        return self._function(f"{name}_{pitch}", takes, write)

    def copy(self) -> ir.Function:
        """Copy rows of floats. Takes: source, its table, result, its table, rows, floats a row."""

        def write(f: Function) -> None:
            source, table, made, places, rows, floats = f.arguments
            whole = f.and_(floats, index(-self.lanes))
            with f.counting(rows) as row:
                here = f.at(source, f.offset(table, row))
                there = f.at(made, f.offset(places, row))
                with f.counting(whole, step=self.lanes) as start:
                    f.keep(f.vector(f.at(here, start)), f.at(there, start))
                with f.counting(floats, whole) as start:
                    f.store(f.load(f.at(here, start)), f.at(there, start))

        return self._function("copy", (FLOATS, OFFSETS, FLOATS, OFFSETS, INDEX, INDEX), write)

    def fill(self) -> ir.Function:
        """Fill whole vectors with a value. Takes: result, floats, value."""

        def write(f: Function) -> None:
            made, floats, value = f.arguments
            vector = f.all_of(value)
            with f.counting(floats, step=self.lanes) as start:
                f.keep(vector, f.at(made, start))

        return self._function("fill", (FLOATS, INDEX, FLOAT), write)

    def _function(
        self, name: str, takes: Sequence[ir.Type], write: Callable[[Function], None]
    ) -> ir.Function:
        if name not in self._made:
            f = Function(self._module, name, takes, self.lanes)
            f.made.linkage = "internal"
            for argument in f.arguments:
                if argument.type in (FLOATS, OFFSETS):
                    argument.add_attribute("noalias")
            self._made[name] = f.made
            write(f)
            f.ret_void()
        return self._made[name]


def _window(f: Function, kernel: int, row: Value, pitch: Value) -> list[Value]:
    """Say where the pixels of a square window lie from its corner."""
    places = product(range(kernel), repeat=2)
    return [f.add(f.mul(row, index(y)), f.mul(pitch, index(x))) for y, x in places]
