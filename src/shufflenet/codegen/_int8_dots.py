"""Products of bytes by VNNI: one instruction adds four of them to each sum of 32 bits."""

from collections.abc import Sequence

import numpy as np
from llvmlite import ir

from shufflenet.codegen._int8_bytes import interleaved
from shufflenet.codegen._int8_kernels import LANES, Int8Kernels
from shufflenet.codegen._int8_weights import STEP
from shufflenet.codegen._ir import BYTE, INT16, INT32, Function, Value, index
from shufflenet.codegen._kernels import Kind
from shufflenet.codegen._prefetch import Prefetch

__all__ = ["DotKernels"]

# Pixels of a tile, by the vectors of its panel, where a vector holds so many sums: as many sums as
# registers hold beside the weights of a step and a pixel's bytes, for not more pixels than general
# registers hold the places of.
_MOST_PIXELS = {16: {4: 6, 2: 10, 1: 10}, 8: {2: 6, 1: 6}}


class DotKernels(Int8Kernels):
    """The kernels of int8 networks for processors with VNNI, of AVX-512 or AVX.

    No sum overflows, whatever the weights.

    Args:
        module: Where they are written to.
        columns: Sums that a vector holds, 16 or 8.
    """

    in_pairs = False
    # Bytes of four taps, put beside each other, are four times as long.
    taps, filter_dtype, filtered_vectors = STEP, np.int8, 4

    def __init__(self, module: ir.Module, columns: int) -> None:
        super().__init__(module, columns, _MOST_PIXELS[columns])

    def widths(self) -> list[int]:
        """Say how many channels a depthwise convolution computes at once, as long as they last.

        >>> DotKernels(None, 16).widths()
        [64, 32, 16]
        """
        most = self.filtered_vectors * self.columns
        return [most >> halved for halved in range((most // LANES).bit_length())]

    def _filtered(
        self, f: Function, taps: Sequence[Value], weights: Value, width: int
    ) -> list[Value]:
        columns = width // self.filtered_vectors
        of_bytes, sums = ir.VectorType(BYTE, width), ir.VectorType(INT32, columns)
        shorts = ir.VectorType(INT16, width // 2)
        values = [f.vector(tap, of_bytes) for tap in taps]
        values += [f.splat(0, of_bytes)] * (-len(values) % self.taps)
        totals = [f.splat(0, sums)] * self.filtered_vectors
        for start in range(0, len(values), self.taps):
            twos = (interleaved(f, *values[at : at + 2]) for at in (start, start + 2))
            pairs = zip(*([f.bitcast(two, shorts) for two in both] for both in twos), strict=True)
            fours = [four for pair in pairs for four in interleaved(f, *pair)]
            for number, four in enumerate(fours):
                at = start // self.taps * width + number * columns
                own = f.vector(f.at(weights, at), sums)
                totals[number] = _added(f, totals[number], f.bitcast(four, sums), own)
        return totals

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
        vectors = len(sums[0])
        places, first = f.at(weights, 1), f.at(weights, self._head_words(f, steps, kind))
        of_sums = ir.VectorType(INT32, self.columns)
        with f.counting(steps) as number:
            channel = f.offset(places, number)
            own = f.at(first, f.mul(number, index(vectors * self.columns)))
            ahead.fetch(f, number)
            loaded = [f.vector(f.at(own, n * self.columns), of_sums) for n in range(vectors)]
            for row, variables in zip(rows, sums, strict=True):
                value = f.splat(f.word(f.at(row, channel), INT32), of_sums)
                for variable, weight in zip(variables, loaded, strict=True):
                    f.store(_added(f, f.load(variable), value, weight), variable)


def _added(f: Function, total: Value, values: Value, weights: Value) -> Value:
    """Multiply bytes without a sign by bytes with one, and add four products to each sum."""
    bits = 32 * total.type.count
    return f.intrinsic(f"x86.avx512.vpdpbusd.{bits}", total.type, total, values, weights)
