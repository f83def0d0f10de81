"""Float32: its numbers, and a multiplier for the vectors of every processor."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from shufflenet.codegen.kernels._depthwise import depthwise_signature
from shufflenet.codegen.kernels._float_layout import FloatLayout
from shufflenet.codegen.kernels._ir import FLOAT, FLOATS, INDEX, OFFSETS, Function, Value, index
from shufflenet.codegen.kernels._layout import LINE_WORDS, Kind
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._moves import window_offsets
from shufflenet.codegen.kernels._multiplier import Added, Blocks, Epilogue, Tile
from shufflenet.codegen.kernels._prefetch import Prefetch
from shufflenet.codegen.kernels._signature import Kernel, Signature

__all__ = ["FloatMultiplier", "FloatNumbers"]

_UNROLLED = 4  # steps of a product's inner loop


@dataclass(frozen=True, slots=True)
class FloatNumbers:
    """Maps of float32."""

    lanes: int
    element = FLOAT
    word = FLOAT

    def header_words(self, f: Function, steps: Value, kind: Kind) -> Value:
        """Return the words of a panel's header, which only inputs in several runs have."""
        return _header_words(f, steps, kind)

    def begin_sums(
        self, f: Function, shape: tuple[int, int], numbers: Value, added: Sequence[Value]
    ) -> list[list[Value]]:
        """Return variables of a tile's sums: the bias, plus what is added to the results."""
        pixels, vectors = shape
        sums = [[f.variable() for _ in range(vectors)] for _ in range(pixels)]
        for vector in range(vectors):
            bias = f.load_vector(f.at(numbers, vector * self.lanes))
            for pixel, variables in enumerate(sums):
                first = bias
                if added:
                    addend = f.load_vector(f.at(added[pixel], vector * self.lanes))
                    first = f.fadd(bias, addend)
                f.store(first, variables[vector])
        return sums

    def finish(
        self,
        f: Function,
        sums: Sequence[Value],
        epilogue: Epilogue,
        output: Value,
        added: Added | None = None,
    ) -> None:
        """Store one pixel's sums, but at least ``floor``."""
        least = f.splat(epilogue.floor)
        for vector, total in enumerate(sums):
            f.store_vector(f.maximum(total, least), f.at(output, vector * self.lanes))

    def encode(self, f: Function, values: Value, scale: Value, zero: Value) -> Value:
        """Return the values of an image as they are."""
        return values

    def mean(self, library: Library) -> Kernel:
        """Return the kernel of the mean over all pixels."""
        signature = Signature(
            {
                "source": FLOATS,
                "pixels": INDEX,
                "channels": INDEX,
                "pitch": INDEX,
                "factor": FLOAT,
                "bias": FLOAT,
                "output": FLOATS,
            }
        )

        def write(f: Function) -> None:
            a = f.arguments
            with f.loop(a.channels, step=self.lanes) as channel:
                total = f.variable()
                f.store(f.splat(0.0), total)
                with f.loop(a.pixels) as pixel:
                    value = f.load_vector(f.at(a.source, f.mul(pixel, a.pitch), channel))
                    f.store(f.fadd(f.load(total), value), total)
                result = f.multiply_add(f.load(total), f.splat(a.factor), f.splat(a.bias))
                f.store_vector(result, f.at(a.output, channel))

        return library.kernel("mean", signature, write)


@dataclass(frozen=True, slots=True)
class FloatMultiplier:
    """Fused multiply-add of float32 vectors.

    On ARM an instruction multiplies a vector by one lane of another: values are loaded four at a
    time there (``FloatLayout.by_lane``).

    Attributes:
        layout: How operands lie.
        walks: Whether pointers walk along values and weights, as suits WebAssembly.
        blocks: None.
    """

    layout: FloatLayout
    walks: bool = False
    blocks: Blocks | None = None

    @property
    def numbers(self) -> FloatNumbers:
        """float32."""
        return FloatNumbers(self.layout.lanes)

    def multiply(self, f: Function, tile: Tile, prefetch: Prefetch) -> None:
        """Write the inner loop: a step takes the panel's weights and one value of each pixel."""
        if self.walks:
            _multiply_walking(f, tile, self.layout.lanes)
            return
        panel, lanes = tile.panel, self.layout.lanes
        offsets = f.bitcast(panel.weights, OFFSETS)
        first = f.at(panel.weights, _header_words(f, panel.steps, panel.kind))

        def step(number: Value, values: Iterable[Value]) -> None:
            weights = f.at(first, f.mul(number, index(panel.vectors * lanes)))
            loaded = [f.load_vector(f.at(weights, n * lanes)) for n in range(panel.vectors)]
            _add_products(f, tile, values, loaded)

        def loaded_values(number: Value) -> Iterator[Value]:
            place = f.load_offset(offsets, number) if panel.kind == "runs" else number
            return (f.splat(f.load(f.at(row, place))) for row in tile.rows)

        by_lane, by_runs = self.layout.by_lane, panel.kind == "runs"
        # Values of four steps, each loaded alone, would not fit the 16 registers of 32-bit ARM.
        crowded = by_lane and by_runs and self.layout.registers < 32
        unrolled = 1 if crowded or lanes == 1 else _UNROLLED  # nor would four steps of scalars fit
        # The narrower a panel is, the fewer lines of the next one belong to so many steps.
        between = max(1, _UNROLLED * LINE_WORDS // (panel.vectors * lanes))
        whole = f.and_(panel.steps, index(-unrolled))
        with f.loop(whole, step=unrolled) as number:
            fours = []
            if by_lane and not by_runs:
                fours = [f.load_vector(f.at(row, number)) for row in tile.rows]
            for later in range(unrolled):
                each = f.add(number, index(later))
                if later % between == 0:
                    prefetch.fetch(f, each)
                lane_of_each = [f.shuffle(four, four, [later] * lanes) for four in fours]
                step(each, lane_of_each or loaded_values(each))
        if unrolled > 1:
            with f.loop(panel.steps, whole) as number:
                step(number, loaded_values(number))

    def depthwise(self, library: Library, kernel: int) -> Kernel:
        """Return the kernel of a depthwise convolution: a vector of channels at a time."""
        lanes = self.layout.lanes

        def write(f: Function) -> None:
            a = f.arguments
            taps = window_offsets(f, kernel, a.row, a.pitch)
            least = f.splat(a.floor)
            with f.loop(a.channels, step=lanes) as channel:
                filters = f.at(a.weights, f.mul(channel, index(len(taps))))
                factors = [f.load_vector(f.at(filters, tap * lanes)) for tap in range(len(taps))]
                bias = f.load_vector(f.at(a.epilogue, channel))
                here, there = f.at(a.source, channel), f.at(a.output, channel)
                with f.loop(a.pixels) as pixel:
                    corner = f.at(here, f.load_offset(a.windows, pixel))
                    values = [f.load_vector(f.at(corner, tap)) for tap in taps]
                    # Two sums, for one would wait for each of its additions.
                    sums = [bias, f.splat(0.0)]
                    for tap, (factor, value) in enumerate(zip(factors, values, strict=True)):
                        sums[tap % 2] = f.multiply_add(factor, value, sums[tap % 2])
                    result = f.maximum(f.fadd(*sums), least)
                    f.store_vector(result, f.at(there, f.load_offset(a.output_offsets, pixel)))

        signature = depthwise_signature(self.numbers)
        return library.kernel(f"depthwise_{kernel}", signature, write)


def _multiply_walking(f: Function, tile: Tile, lanes: int) -> None:
    """Write the inner loop for WebAssembly, whose engines unroll it themselves."""
    panel = tile.panel
    first = f.at(panel.weights, _header_words(f, panel.steps, panel.kind))
    along = [f.bitcast(panel.weights, OFFSETS)] if panel.kind == "runs" else tile.rows
    moves = [(first, panel.vectors * lanes), *((pointer, 1) for pointer in along)]
    with f.walk(panel.steps, moves) as (weights, *rows):
        if panel.kind == "runs":
            place = f.load_offset(rows[0], 0)
            rows = [f.at(row, place) for row in tile.rows]
        loaded = [f.load_vector(f.within(weights, n * lanes)) for n in range(panel.vectors)]
        _add_products(f, tile, (f.splat(f.load(row)) for row in rows), loaded)


def _add_products(
    f: Function, tile: Tile, values: Iterable[Value], weights: Sequence[Value]
) -> None:
    """Add the products of one value of each pixel, in every lane, and of vectors of weights."""
    for value, variables in zip(values, tile.sums, strict=True):
        for variable, weight in zip(variables, weights, strict=True):
            f.store(f.multiply_add(value, weight, f.load(variable)), variable)


def _header_words(f: Function, steps: Value, kind: Kind) -> Value:
    if kind != "runs":
        return index(0)
    return f.and_(f.add(steps, index(LINE_WORDS - 1)), index(-LINE_WORDS))
