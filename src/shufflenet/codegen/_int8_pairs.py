"""Products of bytes by AVX2, which adds neighbours of them in 16 bits."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
from llvmlite import ir

from shufflenet.codegen._int8_bytes import interleaved
from shufflenet.codegen._int8_kernels import LANES, Int8Kernels
from shufflenet.codegen._ir import BYTE, INT16, INT32, Function, Value, index
from shufflenet.codegen._kernels import Kind
from shufflenet.codegen._prefetch import Prefetch

__all__ = ["PairKernels"]

_COLUMNS = 8
_BYTES16, _BYTES32 = (ir.VectorType(BYTE, lanes) for lanes in (16, 32))
_SHORTS16, _SUMS = ir.VectorType(INT16, 16), ir.VectorType(INT32, _COLUMNS)


class PairKernels(Int8Kernels):
    """The kernels of int8 networks for processors with AVX2.

    Two neighbouring products are added in 16 bits, which holds them if such weights of one sign sum
    to 128 at most, as those of portable files do (``fits``). The sums of two steps are added in 16
    bits, too, where their weights together do.

    Args:
        module: Where they are written to.
    """

    in_pairs = True
    taps, filter_dtype, filtered_vectors = 2, np.int16, LANES // _COLUMNS

    def __init__(self, module: ir.Module) -> None:
        super().__init__(module, _COLUMNS, {2: 5, 1: 5})

    def widths(self) -> list[int]:
        return [LANES]

    def _filtered(
        self, f: Function, taps: Sequence[Value], weights: Value, width: int
    ) -> list[Value]:
        values = [_widened(f, tap) for tap in taps]
        values += [f.splat(0, _SHORTS16)] * (-len(values) % self.taps)
        sums = [f.splat(0, _SUMS)] * self.filtered_vectors
        for first in range(0, len(values), self.taps):
            halves = interleaved(f, *values[first : first + self.taps])
            for number, half in enumerate(halves):
                own = f.vector(f.at(weights, (first + number) * _COLUMNS), _SHORTS16)
                sums[number] = f.add(sums[number], _multiplied(f, half, own))
        return sums

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
        width, ones = index(vectors * _COLUMNS), f.splat(1, _SHORTS16)
        pairs, places = f.offset(weights, 0), f.at(weights, 1)
        first = f.at(weights, self._head_words(f, steps, kind))

        def add(number: Value, together: int) -> None:
            """Write some steps, whose products are added in 16 bits."""
            numbers = [f.add(number, index(later)) for later in range(together)]
            channels = [f.offset(places, each) for each in numbers]
            own = f.at(first, f.mul(number, width))
            head = f.vector(own, _BYTES32)

            def times(value: Value, vector: int) -> Value:
                # One vector of weights is loaded once for all pixels, for which there is a register
                # left: loads, of which a cycle has two, would otherwise take as long as products.
                if vector == 0:
                    return f.intrinsic("x86.avx2.pmadd.ub.sw", _SHORTS16, value, head)
                return _multiplied_from(f, value, own, vector)

            for row, variables in zip(rows, sums, strict=True):
                words = [f.word(f.at(row, channel), INT32) for channel in channels]
                values = [f.bitcast(f.splat(word, _SUMS), _BYTES32) for word in words]
                for vector, variable in enumerate(variables):
                    shorts = [
                        times(value, later * vectors + vector) for later, value in enumerate(values)
                    ]
                    total = reduce(f.add, shorts)
                    f.store(f.add(f.load(variable), _multiplied(f, total, ones)), variable)

        # To fetch a little with each step would take a register more than there are.
        ahead.fetch_all(f, index(0), steps)
        both = f.mul(pairs, index(2))
        with f.counting(both, step=2) as number:
            add(number, together=2)
        with f.counting(steps, both) as number:
            add(number, together=1)


def _widened(f: Function, pointer: Value) -> Value:
    """Load 16 bytes as numbers of 16 bits."""
    return f.zext(f.vector(pointer, _BYTES16), _SHORTS16)


def _multiplied_from(f: Function, value: Value, weights: Value, vector: int) -> Value:
    """Multiply bytes by a vector of weights in memory, and add neighbouring products.

    LLVM would load a weight once for all pixels, for which it has too few registers: it would keep
    sums in memory instead. One instruction that loads it each time costs no more than without, as
    long as there are fewer loads than products.
    That it reads memory need not be told, for nothing writes there.
    """
    text = f"vpmaddubsw {_BYTES32.count * vector}($2), $1, $0"
    kind = ir.FunctionType(_SHORTS16, [value.type, weights.type])
    return f.call(ir.InlineAsm(kind, text, "=x,x,r"), [value, weights])


def _multiplied(f: Function, a: Value, b: Value) -> Value:
    """Multiply numbers of 16 bits, and add neighbouring products."""
    return f.intrinsic("x86.avx2.pmadd.wd", _SUMS, a, b)
