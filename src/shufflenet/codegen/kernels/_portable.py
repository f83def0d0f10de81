"""Products of bytes by what LLVM has for every processor, and by its instruction for pairs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from llvmlite import ir

from shufflenet.codegen.kernels._byte_numbers import ByteNumbers, depthwise, header_words
from shufflenet.codegen.kernels._byte_vectors import interleave, round_to_bytes
from shufflenet.codegen.kernels._int8_layout import LANES, Int8Layout
from shufflenet.codegen.kernels._ir import (
    BYTE,
    BYTES,
    INT16,
    INT32,
    Function,
    Value,
    index,
)
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._multiplier import Blocks, Tile
from shufflenet.codegen.kernels._prefetch import Prefetch
from shufflenet.codegen.kernels._signature import Kernel
from shufflenet.codegen.kernels._word_steps import STEP

__all__ = ["PortableMultiplier", "multiply_pairs_of_wasm", "pair_layout", "wasm_layout"]

_COLUMNS = 4
_REGISTERS = 16  # vectors, of processors that engines of WebAssembly are written for
_BYTES, _SUMS = ir.VectorType(BYTE, _COLUMNS), ir.VectorType(INT32, _COLUMNS)
_EIGHT_BYTES, _SHORTS = (ir.VectorType(kind, 2 * _COLUMNS) for kind in (BYTE, INT16))

# Writes the product of two vectors of int16, whose neighboring products are added to int32.
MultiplyPairs: TypeAlias = Callable[[Function, Value, Value], Value]


def multiply_pairs(f: Function, a: Value, b: Value) -> Value:
    """Multiply vectors of int16, and add neighboring products to int32, on any processor."""
    wide = ir.VectorType(INT32, 2 * _COLUMNS)
    products = f.mul(f.sext(a, wide), f.sext(b, wide))
    even, odd = (f.shuffle(products, products, range(of, wide.count, 2)) for of in (0, 1))
    return f.add(even, odd)


def multiply_pairs_of_wasm(f: Function, a: Value, b: Value) -> Value:
    """Likewise, by WebAssembly's ``i32x4.dot_i16x8_s``."""
    return f.intrinsic("wasm.dot", _SUMS, a, b)


def pair_layout(registers: int) -> Int8Layout:
    """Return the layout for vectors of 16 bytes, of which the processor holds so many."""
    return Int8Layout(
        columns=_COLUMNS,
        most_pixels={2: 5, 1: 4} if registers < 32 else {4: 5, 2: 8, 1: 8},
        together=2,
        in_pairs=False,
        taps=2,
        filter_dtype=np.int16,
        filter_vectors=LANES // _COLUMNS,
        filter_widths=[LANES],
        whole_steps=2,
    )


def wasm_layout() -> Int8Layout:
    """Return the layout for WebAssembly, with relaxed SIMD or without: a page's weights serve both.

    128 is subtracted from values where engines multiply signed bytes alone.
    """
    return replace(pair_layout(_REGISTERS), subtracted=128, filters_whole=True)


@dataclass(frozen=True, slots=True)
class PortableMultiplier:
    """Bytes are widened to int16, whose products by pairs no int32 sum of a network overflows."""

    layout: Int8Layout
    multiply_pairs: MultiplyPairs = multiply_pairs
    blocks: Blocks | None = None

    @property
    def numbers(self) -> ByteNumbers:
        """Bytes, whose sums are in the order of channels."""
        return ByteNumbers(_COLUMNS, round_to_bytes)

    def multiply(self, f: Function, tile: Tile, prefetch: Prefetch) -> None:
        """Write the inner loop: it multiplies four bytes of each pixel, or eight in one run."""
        panel, width = tile.panel, tile.panel.vectors * _COLUMNS
        before = int(bool(self.layout.subtracted))  # steps that are none: here nothing is
        offsets = f.at(panel.weights, 1 + before)
        first = f.at(panel.weights, header_words(f, panel.steps), before * width)
        together = 1 if panel.kind == "runs" else self.layout.whole_steps
        with f.loop(f.sub(panel.steps, index(before)), step=together) as number:
            channel = f.mul(number, index(STEP))
            if panel.kind == "runs":
                channel = f.load_offset(offsets, number)
            weights = f.bitcast(f.at(first, f.mul(number, index(width))), BYTES)
            for later in range(together):
                prefetch.fetch(f, f.add(number, index(later)))
            values = [_load_pairs(f, f.at(row, channel)) for row in tile.rows]
            for pair in range(2 * together):
                for vector in range(panel.vectors):
                    at = 2 * pair * width + vector * _EIGHT_BYTES.count
                    weight = f.sext(f.load_vector(f.at(weights, at), _EIGHT_BYTES), _SHORTS)
                    for pairs, variables in zip(values, tile.sums, strict=True):
                        product = self.multiply_pairs(f, pairs[pair], weight)
                        f.store(f.add(f.load(variables[vector]), product), variables[vector])

    def depthwise(self, library: Library, kernel: int) -> Kernel:
        """Return the kernel of a depthwise convolution: two taps at a time, as int16."""
        return depthwise(library, self.layout, self.numbers, kernel, self._filter_sums)

    def _filter_sums(
        self, f: Function, taps: Sequence[Value], weights: Value, width: int
    ) -> list[Value]:
        sums = [f.splat(0, _SUMS)] * (width // _COLUMNS)
        nothing = f.splat(0, _SHORTS)
        for tap in range(0, len(taps), 2):
            for start in range(0, width, _EIGHT_BYTES.count):
                values = [
                    f.zext(f.load_vector(f.at(each, start), _EIGHT_BYTES), _SHORTS)
                    for each in taps[tap : tap + 2]
                ]
                both = interleave(f, *values, *[nothing] * (2 - len(values)))
                for number, pairs in enumerate(both, start // _COLUMNS):
                    at = tap * width // 2 + number * _COLUMNS
                    tap_weights = f.load_vector(f.at(weights, at), _SHORTS)
                    sums[number] = f.add(sums[number], self.multiply_pairs(f, pairs, tap_weights))
        return sums


def _load_pairs(f: Function, pointer: Value) -> list[Value]:
    """Load eight bytes; return a vector of int16 for every two of them, which fill it.

    To LLVM a pair is one int32, or it would order bytes and then widen each of the vectors.
    """
    shorts = f.zext(f.load_vector(pointer, _EIGHT_BYTES), _SHORTS)
    pairs = f.bitcast(shorts, _SUMS)
    return [
        f.bitcast(f.shuffle(pairs, pairs, [pair] * _COLUMNS), _SHORTS) for pair in range(_COLUMNS)
    ]
