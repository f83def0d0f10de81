"""Products of bytes by the DSP instructions of Cortex-M4, M7 and M33, which have no vectors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from llvmlite import ir

from shufflenet.codegen.kernels._byte_numbers import ByteNumbers, depthwise, header_words
from shufflenet.codegen.kernels._byte_vectors import round_to_bytes
from shufflenet.codegen.kernels._int8_layout import Int8Layout
from shufflenet.codegen.kernels._ir import INT32, OFFSETS, Function, Value
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._multiplier import Blocks, Tile
from shufflenet.codegen.kernels._prefetch import Prefetch
from shufflenet.codegen.kernels._signature import Kernel

__all__ = ["SmladMultiplier", "smlad_layout"]

_COLUMNS = 4
_SUMS = ir.VectorType(INT32, _COLUMNS)
_AT_ONCE = 2  # channels: their sums of two pixels, and what they are made of, fill the registers


def smlad_layout() -> Int8Layout:
    """Return the layout for processors without vectors."""
    return Int8Layout(
        columns=_COLUMNS,
        most_pixels={2: 2, 1: 2},
        in_pairs=False,
        taps=2,
        filter_dtype=np.int16,
        filter_vectors=1,
        filter_widths=[_COLUMNS],
    )


@dataclass(frozen=True, slots=True)
class SmladMultiplier:
    """Two products of int16 are added to an int32 sum by one instruction, SMLAD.

    The bytes of a word are extended two by two, the first and the third, and the second and the
    fourth.
    """

    layout: Int8Layout
    blocks: Blocks | None = None

    @property
    def numbers(self) -> ByteNumbers:
        """Bytes, whose sums are in the order of channels."""
        return ByteNumbers(_COLUMNS, round_to_bytes)

    def multiply(self, f: Function, tile: Tile, prefetch: Prefetch) -> None:
        """Write loops over the steps, each for a few channels of the panel."""
        for vector in range(tile.panel.vectors):
            for lane in range(0, _COLUMNS, _AT_ONCE):
                self._multiply_channels(f, tile, vector, lane)

    def _multiply_channels(self, f: Function, tile: Tile, vector: int, lane: int) -> None:
        """Write a loop that adds the products of ``_AT_ONCE`` channels of a vector to the sums."""
        panel, width = tile.panel, tile.panel.vectors * _COLUMNS
        offsets = f.at(panel.weights, 1)
        channel = vector * _COLUMNS + lane
        first = f.at(panel.weights, header_words(f, panel.steps), channel)
        sums = [[f.variable(INT32) for _ in range(_AT_ONCE)] for _ in tile.rows]
        for variable in (variable for row in sums for variable in row):
            f.store(ir.Constant(INT32, 0), variable)
        with f.loop(f.trunc(panel.steps, INT32)) as number:  # a register less than for 64 bits
            offset = f.load(f.at(offsets, number))
            weights = f.at(first, f.mul(number, ir.Constant(INT32, width)))
            values = [
                _extended(f, f.load_unaligned(f.at(row, offset), INT32), "uxtb16")
                for row in tile.rows
            ]
            for each in range(_AT_ONCE):
                factors = _extended(f, f.load(f.at(weights, each)), "sxtb16")
                for pairs, row in zip(values, sums, strict=True):
                    total = f.load(row[each])
                    for pair, factor in zip(pairs, factors, strict=True):
                        total = _add_products(f, total, pair, factor)
                    f.store(total, row[each])
        for row, variables in zip(sums, tile.sums, strict=True):
            whole = f.load(variables[vector])
            for each, variable in enumerate(row):
                place = ir.Constant(INT32, lane + each)
                whole = f.insert_element(whole, f.load(variable), place)
            f.store(whole, variables[vector])

    def depthwise(self, library: Library, kernel: int) -> Kernel:
        """Return the kernel of a depthwise convolution: two taps of four channels at a time."""
        return depthwise(library, self.layout, self.numbers, kernel, _filter_sums)


def _filter_sums(f: Function, taps: Sequence[Value], weights: Value, width: int) -> Sequence[Value]:
    """Write the sums of four channels (see ``FilterSums``)."""
    sums: list[Value] = [ir.Constant(INT32, 0)] * width
    low, high = ir.Constant(INT32, 0xFFFF), ir.Constant(INT32, -0x10000)
    bits = ir.Constant(INT32, 16)
    factors = f.bitcast(weights, OFFSETS)
    nothing = [ir.Constant(INT32, 0)] * 2
    for tap in range(0, len(taps), 2):
        one, *other = (
            _extended(f, f.load_unaligned(each, INT32), "uxtb16") for each in taps[tap : tap + 2]
        )
        for half, (a, b) in enumerate(zip(one, other[0] if other else nothing, strict=True)):
            pairs = f.or_(f.and_(a, low), f.shl(b, bits)), f.or_(f.lshr(a, bits), f.and_(b, high))
            for channel, pair in zip((half, half + 2), pairs, strict=True):
                factor = f.load(f.at(factors, tap // 2 * width + channel))
                sums[channel] = _add_products(f, sums[channel], pair, factor)
    vector: Value = ir.Constant(_SUMS, ir.Undefined)
    for channel, total in enumerate(sums):
        vector = f.insert_element(vector, total, ir.Constant(INT32, channel))
    return [vector]


def _extended(f: Function, word: Value, instruction: str) -> list[Value]:
    """Extend the first and the third byte of a word to 16 bits each; the second and the fourth."""
    rotated = f.or_(f.lshr(word, ir.Constant(INT32, 8)), f.shl(word, ir.Constant(INT32, 24)))
    return [f.intrinsic(f"arm.{instruction}", INT32, each) for each in (word, rotated)]


def _add_products(f: Function, total: Value, a: Value, b: Value) -> Value:
    """Multiply two int16 by two, and add both products to a sum."""
    return f.intrinsic("arm.smlad", INT32, a, b, total)
