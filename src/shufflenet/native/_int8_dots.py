"""Products of bytes by VNNI: one instruction adds four of them to each sum of 32 bits."""

from collections.abc import Sequence

import numpy as np
from llvmlite import ir

from shufflenet.native._int8_bytes import interleaved
from shufflenet.native._int8_kernels import LANES, Int8Kernels
from shufflenet.native._int8_weights import (
    STEP,
    channel_order,
    laid_out_ends,
    laid_out_filters,
)
from shufflenet.native._ir import (
    BYTE,
    BYTES,
    FLOAT,
    FLOATS,
    INDEX,
    INT16,
    INT32,
    OFFSETS,
    Function,
    Value,
    index,
)
from shufflenet.native._layers import Floats, Weights
from shufflenet.native._memory import Array
from shufflenet.native._moves import window

__all__ = ["DotKernels"]

# Pixels of a tile, by the vectors of its panel, where a vector holds so many sums: as many sums as
# registers hold beside the weights of a step and a pixel's bytes, for not more pixels than general
# registers hold the places of.
_MOST_PIXELS = {16: {4: 6, 2: 10, 1: 10}, 8: {2: 6, 1: 6}}
_DEPTHWISE_VECTORS = 4  # that bytes of four taps become when they are put beside each other


class DotKernels(Int8Kernels):
    """The kernels of int8 networks for processors with VNNI, of AVX-512 or AVX.

    No sum overflows, whatever the weights.

    Args:
        module: Where they are written to.
        columns: Sums that a vector holds, 16 or 8.
    """

    in_pairs = False

    def __init__(self, module: ir.Module, columns: int) -> None:
        super().__init__(module, columns, _MOST_PIXELS[columns])

    def filters(
        self, weight: Weights, scale: Floats | None, bias: Floats, channels: int
    ) -> tuple[Array, Floats]:
        widths: list[int] = []
        for width in self._widths():
            widths += [width] * ((channels - sum(widths)) // width)
        order = channel_order(widths, [_DEPTHWISE_VECTORS] * len(widths))
        scale = np.ones_like(bias) if scale is None else scale
        own = laid_out_filters(weight, widths, order, taps=STEP)
        return own, laid_out_ends(scale, bias, widths, order)

    def _widths(self) -> list[int]:
        """Say how many channels a depthwise convolution computes at once, as long as they last.

        >>> DotKernels(None, 16)._widths()
        [64, 32, 16]
        """
        most = _DEPTHWISE_VECTORS * self.columns
        return [most >> halved for halved in range((most // LANES).bit_length())]

    def depthwise(self, kernel: int) -> ir.Function:
        groups = -(-(kernel**2) // STEP)

        def write(f: Function) -> None:
            source, windows, pixels, channels, row, pitch, weights, *rest = f.arguments
            ends, made, places, *limits = rest
            taps = window(f, kernel, row, pitch)
            done = index(0)
            for width in self._widths():
                whole = f.and_(channels, index(-width))
                with f.counting(whole, done, step=width) as channel:
                    own = f.at(weights, f.mul(channel, index(groups)))
                    own_ends = f.at(ends, self._end(f, channel))
                    here, there = f.at(source, channel), f.at(made, channel)
                    with f.counting(pixels) as pixel:
                        corner = f.at(here, f.offset(windows, pixel))
                        sums = _filtered(f, [f.at(corner, tap) for tap in taps], own, width)
                        goal = f.at(there, f.offset(places, pixel))
                        self._finish(f, sums, own_ends, limits, goal)
                done = whole

        takes = (
            *(BYTES, OFFSETS, INDEX, INDEX, INDEX, INDEX),
            *(OFFSETS, FLOATS, BYTES, OFFSETS, FLOAT, FLOAT),
        )
        return self._function(f"depthwise_{kernel}", takes, write)

    def _multiply(
        self,
        f: Function,
        steps: Value,
        rows: Sequence[Value],
        weights: Value,
        sums: Sequence[Sequence[Value]],
    ) -> None:
        vectors = len(sums[0])
        places, first = f.at(weights, 1), f.at(weights, self._head_words(f, steps))
        kind = ir.VectorType(INT32, self.columns)
        with f.counting(steps) as number:
            channel = f.offset(places, number)
            own = f.at(first, f.mul(number, index(vectors * self.columns)))
            loaded = [f.vector(f.at(own, n * self.columns), kind) for n in range(vectors)]
            for row, rooms in zip(rows, sums, strict=True):
                value = f.all_of(f.word(f.at(row, channel), INT32), kind)
                for room, weight in zip(rooms, loaded, strict=True):
                    f.store(_added(f, f.load(room), value, weight), room)


def _filtered(f: Function, taps: Sequence[Value], weights: Value, width: int) -> list[Value]:
    """Multiply the taps of a width of channels by their weights; gives the sums."""
    columns = width // _DEPTHWISE_VECTORS
    bytes_, sums = ir.VectorType(BYTE, width), ir.VectorType(INT32, columns)
    shorts = ir.VectorType(INT16, width // 2)
    values = [f.vector(tap, bytes_) for tap in taps]
    values += [f.all_of(0, bytes_)] * (-len(values) % STEP)
    totals = [f.all_of(0, sums)] * _DEPTHWISE_VECTORS
    for start in range(0, len(values), STEP):
        twos = (interleaved(f, *values[at : at + 2]) for at in (start, start + 2))
        pairs = zip(*([f.bitcast(two, shorts) for two in both] for both in twos), strict=True)
        fours = [four for pair in pairs for four in interleaved(f, *pair)]
        for number, four in enumerate(fours):
            at = f.at(weights, start // STEP * width + number * columns)
            totals[number] = _added(f, totals[number], f.bitcast(four, sums), f.vector(at, sums))
    return totals


def _added(f: Function, total: Value, values: Value, weights: Value) -> Value:
    """Multiply bytes without a sign by bytes with one, and add four products to each sum."""
    bits = 32 * total.type.count
    return f.intrinsic(f"x86.avx512.vpdpbusd.{bits}", total.type, total, values, weights)
