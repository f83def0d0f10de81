"""What the kernels of int8 networks share, whatever instructions multiply."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from llvmlite import ir

from shufflenet.codegen._int8_bytes import between, from_bytes, rounded, to_bytes
from shufflenet.codegen._int8_weights import (
    STEP,
    channel_order,
    laid_out,
    laid_out_ends,
    laid_out_filters,
)
from shufflenet.codegen._ir import (
    BYTE,
    BYTES,
    FLOAT,
    FLOATS,
    INDEX,
    INT32,
    OFFSETS,
    Function,
    Value,
    index,
)
from shufflenet.codegen._kernels import Kernels, Kind
from shufflenet.codegen._memory import LINE_WORDS, Array
from shufflenet.codegen._moves import window
from shufflenet.graph import LARGEST_BYTE, Floats, Weights

__all__ = ["LANES", "Int8Kernels"]

LANES = 16  # bytes of the vectors that are moved
_SHORT = 8  # lanes of vectors where speed matters little


class Int8Kernels(Kernels):
    """The kernels of networks whose maps are bytes, 0 to 255, and whose weights are int8.

    A step of a product multiplies four bytes of a pixel by four weights of each channel.

    Args:
        module: Where they are written to.
        columns: Sums that a vector holds.
        most_pixels: Of a tile, by the vectors of its panel.

    Attributes:
        in_pairs: Whether products of two steps are added in 16 bits where they fit.
        taps: Of a depthwise convolution, that one instruction multiplies and adds.
        filter_dtype: Of its weights.
        filtered_vectors: Vectors of sums that it makes at once.
    """

    dtype = np.uint8
    fetches_results = False
    in_pairs: bool
    taps: int
    filter_dtype: type[np.generic]
    filtered_vectors: int

    def __init__(self, module: ir.Module, columns: int, most_pixels: dict[int, int]) -> None:
        super().__init__(
            module, BYTE, LANES, columns=columns, words=INT32, most_pixels=most_pixels, ends=2
        )

    def vectors(self, channels: int) -> int:
        return -(-channels // LANES)

    def parted(self, vectors: int) -> list[int]:
        found = []
        for kind in self.kinds:
            found += [kind] * (vectors // kind)
            vectors %= kind
        return found

    def steps(self, read: int, runs: int = 1) -> int:
        return runs * -(-read // runs // STEP)

    def packed(
        self, weight: Weights, widths: Sequence[int], kind: Kind = "", runs: Sequence[int] = (0,)
    ) -> Array:
        # A classifier waits for its weights: pairs would not make it faster.
        in_pairs = self.in_pairs and kind != "logits"
        return laid_out(weight, widths, self._order(widths, kind), runs, in_pairs=in_pairs)

    def ends(
        self, scale: Floats | None, bias: Floats, widths: Sequence[int], kind: Kind = ""
    ) -> Floats:
        return laid_out_ends(scale, bias, widths, self._order(widths, kind))

    def _order(self, widths: Sequence[int], kind: Kind) -> list[int]:
        """Say which channel stands where: logits are not packed to bytes."""
        if kind == "logits":
            return list(range(sum(widths)))
        return channel_order(widths, [width // self.columns for width in widths])

    def filters(
        self, weight: Weights, scale: Floats | None, bias: Floats, channels: int
    ) -> tuple[Array, Floats]:
        widths: list[int] = []
        for width in self.widths():
            widths += [width] * ((channels - sum(widths)) // width)
        channels_of = channel_order(widths, [self.filtered_vectors] * len(widths))
        own = laid_out_filters(weight, widths, channels_of, self.taps)
        return own.astype(self.filter_dtype), laid_out_ends(scale, bias, widths, channels_of)

    @abstractmethod
    def widths(self) -> list[int]:
        """Say how many channels a depthwise convolution computes at once, as long as they last."""

    def depthwise(self, kernel: int) -> ir.Function:
        words = -(-(kernel**2) // self.taps) * self.taps * np.dtype(self.filter_dtype).itemsize // 4

        def write(f: Function) -> None:
            source, windows, pixels, channels, row, pitch, weights, *rest = f.arguments
            ends, output, places, *limits = rest
            taps = window(f, kernel, row, pitch)
            done = index(0)
            for width in self.widths():
                whole = f.and_(channels, index(-width))
                with f.counting(whole, done, step=width) as channel:
                    own = f.at(weights, f.mul(channel, index(words)))
                    own_ends = f.at(ends, self._end(f, channel))
                    here, there = f.at(source, channel), f.at(output, channel)
                    with f.counting(pixels) as pixel:
                        corner = f.at(here, f.offset(windows, pixel))
                        values = [f.at(corner, tap) for tap in taps]
                        sums = self._filtered(f, values, own, width)
                        goal = f.at(there, f.offset(places, pixel))
                        self._finish(f, sums, own_ends, limits, goal)
                done = whole

        takes = (
            *(BYTES, OFFSETS, INDEX, INDEX, INDEX, INDEX),
            *(OFFSETS, FLOATS, BYTES, OFFSETS, FLOAT, FLOAT),
        )
        return self._function(f"depthwise_{kernel}", takes, write)

    @abstractmethod
    def _filtered(
        self, f: Function, taps: Sequence[Value], weights: Value, width: int
    ) -> list[Value]:
        """Multiply the taps of a width of channels by their weights; gives the sums.

        Args:
            f: What it is written to.
            taps: Where the bytes of each lie.
            weights: As ``filters`` lays them out.
            width: One of ``widths``.
        """

    def images(self) -> ir.Function:
        def write(f: Function) -> None:
            source, table, output, places, rows, length, factor, zero = f.arguments
            floats = ir.VectorType(FLOAT, _SHORT)
            whole = f.and_(length, index(-_SHORT))

            def bytes_of(values: Value) -> Value:
                scaled = f.multiply_add(values, f.splat(factor, floats), all_zero)
                cut = f.select(f.fcmp_ordered("<", scaled, largest), scaled, largest)
                return to_bytes(f, [rounded(f, cut)])

            with f.counting(rows) as row:
                all_zero, largest = (
                    f.splat(zero, floats),
                    f.splat(float(LARGEST_BYTE), floats),
                )
                here = f.at(source, f.offset(table, row))
                there = f.at(output, f.offset(places, row))
                with f.counting(whole, step=_SHORT) as start:
                    f.store_vector(
                        bytes_of(f.vector(f.at(here, start), floats)), f.at(there, start)
                    )
                with f.counting(length, whole) as start:
                    one = bytes_of(f.splat(f.load(f.at(here, start)), floats))
                    f.store(f.extract_element(one, ir.Constant(INT32, 0)), f.at(there, start))

        takes = (FLOATS, OFFSETS, BYTES, OFFSETS, INDEX, INDEX, FLOAT, FLOAT)
        return self._function("images", takes, write)

    def mean(self) -> ir.Function:
        def write(f: Function) -> None:
            source, pixels, channels, pitch, share, more, output = f.arguments
            floats, of_sums = ir.VectorType(FLOAT, _SHORT), ir.VectorType(INT32, _SHORT)
            with f.counting(channels, step=LANES) as channel:
                variables = [f.variable(of_sums) for _ in range(LANES // _SHORT)]
                for variable in variables:
                    f.store(f.splat(0, of_sums), variable)
                with f.counting(pixels) as pixel:
                    own = f.at(source, f.mul(pixel, pitch), channel)
                    values = from_bytes(f, own, len(variables), _SHORT)
                    for variable, value in zip(variables, values, strict=True):
                        f.store(f.add(f.load(variable), value), variable)
                factor, offset = f.splat(share, floats), f.splat(more, floats)
                results = [
                    f.multiply_add(f.sitofp(f.load(variable), floats), factor, offset)
                    for variable in variables
                ]
                codes = [rounded(f, result) for result in results]
                f.store_vector(to_bytes(f, codes), f.at(output, channel))

        takes = (BYTES, INDEX, INDEX, INDEX, FLOAT, FLOAT, BYTES)
        return self._function("mean", takes, write)

    def _begun(
        self, f: Function, pixels: int, vectors: int, ends: Value, added: Sequence[Value]
    ) -> list[list[Value]]:
        of_sums = ir.VectorType(INT32, self.columns)
        sums = [[f.variable(of_sums) for _ in range(vectors)] for _ in range(pixels)]
        for variable in (variable for variables in sums for variable in variables):
            f.store(f.splat(0, of_sums), variable)
        return sums

    def _head_words(self, f: Function, steps: Value, kind: Kind) -> Value:
        return f.and_(f.add(steps, index(LINE_WORDS)), index(-LINE_WORDS))

    def _finish(
        self,
        f: Function,
        sums: Sequence[Value],
        ends: Value,
        limits: Sequence[Value],
        goal: Value,
        added: Sequence[Value] = (),
    ) -> None:
        lanes = sums[0].type.count
        floats, results = ir.VectorType(FLOAT, lanes), []
        for number, total in enumerate(sums):
            starts = number * lanes, (len(sums) + number) * lanes
            scale, bias = (f.vector(f.at(ends, start), floats) for start in starts)
            results.append(f.multiply_add(f.sitofp(total, floats), scale, bias))
        if added:
            factor, low, high = (f.splat(number, floats) for number in added[1:])
            results = [
                f.multiply_add(f.sitofp(value, floats), factor, between(f, result, low, high))
                for value, result in zip(
                    from_bytes(f, added[0], len(sums), lanes), results, strict=True
                )
            ]
        if goal.type == FLOATS:
            for number, result in enumerate(results):
                f.store_vector(result, f.at(goal, number * lanes))
        else:
            output = to_bytes(f, [rounded(f, result) for result in results])
            ends_of = (f.splat(f.fptoui(limit, BYTE), output.type) for limit in limits)
            f.store_vector(between(f, output, *ends_of), goal)
