"""Products of bytes by NEON's widening multiplications, of AArch64 and of 32-bit ARM."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from llvmlite import ir

from shufflenet.codegen.kernels._arm_bytes import round_to_bytes_of_arm
from shufflenet.codegen.kernels._byte_numbers import ByteNumbers, depthwise, header_words
from shufflenet.codegen.kernels._byte_vectors import round_to_bytes
from shufflenet.codegen.kernels._int8_layout import LANES, Int8Layout
from shufflenet.codegen.kernels._ir import BYTE, BYTES, INT16, INT32, Function, Value, index
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._multiplier import Blocks, Tile
from shufflenet.codegen.kernels._prefetch import Prefetch
from shufflenet.codegen.kernels._signature import Kernel
from shufflenet.codegen.kernels._word_steps import STEP

__all__ = ["NeonMultiplier", "neon_layout"]

_COLUMNS = 4
_BLOCK = LANES // STEP  # steps of a block: 16 inputs of a pixel, and 16 weights of each channel
_BYTES, _SUMS = ir.VectorType(BYTE, LANES), ir.VectorType(INT32, _COLUMNS)
_EIGHT, _SHORTS = ir.VectorType(BYTE, 8), ir.VectorType(INT16, 8)
_FOUR_SHORTS = ir.VectorType(INT16, 4)


def neon_layout(registers: int) -> Int8Layout:
    """Return the layout for so many vectors of 16 bytes."""
    return Int8Layout(
        columns=_COLUMNS,
        # A vector of partial sums for each channel, and 16 bytes of each pixel.
        most_pixels={1: 5 if registers == 32 else 2},
        together=1,
        in_pairs=False,
        taps=2,
        filter_dtype=np.int16,
        filter_vectors=LANES // _COLUMNS,
        filter_widths=[LANES],
        whole_steps=_BLOCK,
        block=_BLOCK,
        subtracted=128,
    )


@dataclass(frozen=True, slots=True)
class NeonMultiplier:
    """``smull``, ``smlal`` and ``sadalp`` of signed bytes: of values less 128 and of weights.

    Products of inputs that lie eight apart are added in 16 bits. These hold two products, except
    where both weights are -128.

    Attributes:
        layout: For AArch64 or for 32-bit ARM.
        is_64_bit: Whether it is AArch64.
        adds_two: Whether the sum of any two products fits 16 bits.
    """

    layout: Int8Layout
    is_64_bit: bool
    adds_two: bool
    blocks: Blocks | None = None

    @property
    def numbers(self) -> ByteNumbers:
        """Bytes, whose sums are in the order of channels."""
        return ByteNumbers(_COLUMNS, round_to_bytes_of_arm if self.is_64_bit else round_to_bytes)

    def multiply(self, f: Function, tile: Tile, prefetch: Prefetch) -> None:
        """Write the inner loop: over blocks or, for inputs in runs and for logits, over steps."""
        panel = tile.panel
        first = f.at(panel.weights, header_words(f, panel.steps))
        weights = f.bitcast(f.at(first, panel.vectors * _COLUMNS), BYTES)
        if panel.kind in ("runs", "logits"):
            self._multiply_steps(f, tile, weights, prefetch)
        else:
            self._multiply_blocks(f, tile, weights, prefetch)
            begin = f.load_vector(first, _SUMS)
            for (variable,) in tile.sums:
                f.store(f.add(f.load(variable), begin), variable)

    def _multiply_blocks(self, f: Function, tile: Tile, weights: Value, prefetch: Prefetch) -> None:
        """Add the products of each 16 inputs, which four partial sums of a channel share."""
        partial = [[f.variable(_SUMS) for _ in range(_COLUMNS)] for _ in tile.rows]
        for variable in (variable for variables in partial for variable in variables):
            f.store(f.splat(0, _SUMS), variable)
        steps = f.sub(tile.panel.steps, index(1))  # the first has what sums begin with
        with f.loop(steps, step=_BLOCK) as number:
            prefetch.fetch(f, number)
            channel = f.mul(number, index(STEP))
            minus = f.splat(-128, _BYTES)
            values = [f.xor(f.load_vector(f.at(row, channel), _BYTES), minus) for row in tile.rows]
            block = f.at(weights, f.mul(number, index(STEP * _COLUMNS)))
            for column in range(_COLUMNS):
                weight = f.load_vector(f.at(block, column * LANES), _BYTES)
                for value, variables in zip(values, partial, strict=True):
                    total = self._add_products(f, f.load(variables[column]), value, weight)
                    f.store(total, variables[column])
        for (variable,), variables in zip(tile.sums, partial, strict=True):
            a, b, c, d = (f.load(each) for each in variables)
            f.store(_add_neighbors(f, _add_neighbors(f, a, b), _add_neighbors(f, c, d)), variable)

    def _add_products(self, f: Function, total: Value, values: Value, weights: Value) -> Value:
        """Add 16 products to four partial sums."""
        products = []
        for start in (0, _EIGHT.count):
            halves = (f.shuffle(v, v, range(start, start + 8)) for v in (values, weights))
            products.append(f.mul(*(f.sext(half, _SHORTS) for half in halves)))
        if self.adds_two:
            products = [reduce(f.add, products)]
        for each in products:
            if self.is_64_bit:
                pairs = f.intrinsic("aarch64.neon.saddlp.v4i32.v8i16", _SUMS, each)
                total = f.add(total, pairs)
            else:
                total = f.intrinsic("arm.neon.vpadals.v4i32.v8i16", _SUMS, total, each)
        return total

    def _multiply_steps(self, f: Function, tile: Tile, weights: Value, prefetch: Prefetch) -> None:
        """Add the products of four inputs at a time, which may lie anywhere, as 16 bits."""
        panel = tile.panel
        offsets = f.at(panel.weights, 1)
        with f.loop(panel.steps, index(1)) as number:
            prefetch.fetch(f, number)
            channel = f.load_offset(offsets, number)
            four = ir.VectorType(BYTE, STEP)
            values = [
                f.zext(f.load_vector(f.at(row, channel), four), _FOUR_SHORTS) for row in tile.rows
            ]
            width = panel.vectors * _COLUMNS
            step = f.at(weights, f.mul(f.sub(number, index(1)), index(STEP * width)))
            for vector in range(panel.vectors):
                for lane in range(STEP):
                    at = lane * width + vector * _COLUMNS
                    loaded = f.load_vector(f.at(step, at), ir.VectorType(BYTE, _COLUMNS))
                    weight = f.sext(loaded, _FOUR_SHORTS)
                    for value, variables in zip(values, tile.sums, strict=True):
                        splat = f.shuffle(value, value, [lane] * _COLUMNS)
                        product = self._multiply_shorts(f, weight, splat)
                        f.store(f.add(f.load(variables[vector]), product), variables[vector])

    def depthwise(self, library: Library, kernel: int) -> Kernel:
        """Return the kernel of a depthwise convolution: one tap at a time, as int16."""
        return depthwise(library, self.layout, self.numbers, kernel, self._filter_sums)

    def _filter_sums(
        self, f: Function, taps: Sequence[Value], weights: Value, width: int
    ) -> list[Value]:
        """Add the products of all taps; values are not less 128 here."""
        sums = [f.splat(0, _SUMS)] * (width // _COLUMNS)
        after_sums = f.bitcast(f.at(weights, width), INT16.as_pointer())
        for number, tap in enumerate(taps):
            values = f.load_vector(tap, _BYTES)
            for start in range(0, width, _EIGHT.count):
                weight = f.load_vector(f.at(after_sums, number * width + start), _SHORTS)
                eight = f.zext(
                    f.shuffle(values, values, range(start, start + _EIGHT.count)), _SHORTS
                )
                for half in range(2):
                    lanes = range(half * _COLUMNS, (half + 1) * _COLUMNS)
                    factors = (f.shuffle(each, each, lanes) for each in (eight, weight))
                    vector = start // _COLUMNS + half
                    sums[vector] = f.add(sums[vector], self._multiply_shorts(f, *factors))
        return sums

    def _multiply_shorts(self, f: Function, a: Value, b: Value) -> Value:
        """Multiply int16 to int32."""
        name = "aarch64.neon.smull" if self.is_64_bit else "arm.neon.vmulls"
        return f.intrinsic(f"{name}.v4i32", _SUMS, a, b)


def _add_neighbors(f: Function, a: Value, b: Value) -> Value:
    """Add neighboring lanes of one vector, then of another."""
    even, odd = (f.shuffle(a, b, range(start, 2 * _COLUMNS, 2)) for start in (0, 1))
    return f.add(even, odd)
