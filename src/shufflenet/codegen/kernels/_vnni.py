"""Products of bytes by VNNI: one instruction adds four of them to each int32 sum."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from llvmlite import ir

from shufflenet.codegen.kernels._byte_numbers import ByteNumbers, depthwise, header_words
from shufflenet.codegen.kernels._dot_filters import dot_filter_sums
from shufflenet.codegen.kernels._int8_layout import LANES, Int8Layout
from shufflenet.codegen.kernels._ir import BYTE, INT32, Function, Value, index
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._multiplier import Blocks, Tile
from shufflenet.codegen.kernels._prefetch import Prefetch
from shufflenet.codegen.kernels._signature import Kernel
from shufflenet.codegen.kernels._word_steps import STEP
from shufflenet.codegen.kernels._x86_bytes import round_to_bytes_of_x86

__all__ = ["DotMultiplier", "dot_layout"]

# Pixels of a tile, by the vectors of its panel, where a vector holds so many sums: as many sums as
# registers hold beside the weights of a step and a pixel's bytes, for not more pixels than general
# registers hold the addresses of.
_MOST_PIXELS = {16: {4: 6, 2: 10, 1: 10}, 8: {2: 6, 1: 6}}

_FILTER_VECTORS = 4  # for bytes of four taps, put beside each other, are four times as long


def dot_layout(columns: int) -> Int8Layout:
    """Return the layout for vectors of 16 sums (AVX-512) or 8 (AVX).

    >>> dot_layout(16).filter_widths
    [64, 32, 16]
    """
    most = _FILTER_VECTORS * columns
    return Int8Layout(
        columns=columns,
        most_pixels=_MOST_PIXELS[columns],
        in_pairs=False,
        taps=STEP,
        filter_dtype=np.int8,
        filter_vectors=_FILTER_VECTORS,
        filter_widths=[most >> halved for halved in range((most // LANES).bit_length())],
    )


@dataclass(frozen=True, slots=True)
class DotMultiplier:
    """VNNI, of AVX-512 or AVX; no sum overflows, whatever the weights."""

    layout: Int8Layout
    blocks: Blocks | None = None

    @property
    def numbers(self) -> ByteNumbers:
        """Bytes, packed as x86 does."""
        return ByteNumbers(self.layout.columns, round_to_bytes_of_x86)

    def multiply(self, f: Function, tile: Tile, prefetch: Prefetch) -> None:
        """Write the inner loop: a step loads the panel's weights and four bytes of each pixel."""
        panel, columns = tile.panel, self.layout.columns
        offsets = f.at(panel.weights, 1)
        first = f.at(panel.weights, header_words(f, panel.steps))
        of_sums = ir.VectorType(INT32, columns)
        with f.loop(panel.steps) as number:
            channel = f.load_offset(offsets, number)
            weights = f.at(first, f.mul(number, index(panel.vectors * columns)))
            prefetch.fetch(f, number)
            loaded = [
                f.load_vector(f.at(weights, n * columns), of_sums) for n in range(panel.vectors)
            ]
            for row, variables in zip(tile.rows, tile.sums, strict=True):
                value = f.splat(f.load_unaligned(f.at(row, channel), INT32), of_sums)
                for variable, weight in zip(variables, loaded, strict=True):
                    f.store(_add_dots(f, f.load(variable), value, weight), variable)

    def depthwise(self, library: Library, kernel: int) -> Kernel:
        """Return the kernel of a depthwise convolution: four taps at a time."""
        return depthwise(library, self.layout, self.numbers, kernel, self._filter_sums)

    def _filter_sums(
        self, f: Function, taps: Sequence[Value], weights: Value, width: int
    ) -> list[Value]:
        sums = ir.VectorType(INT32, width // _FILTER_VECTORS)
        values = [f.load_vector(tap, ir.VectorType(BYTE, width)) for tap in taps]
        return dot_filter_sums(f, values, weights, [f.splat(0, sums)] * _FILTER_VECTORS, _add_dots)


def _add_dots(f: Function, total: Value, values: Value, weights: Value) -> Value:
    """Multiply unsigned bytes by signed ones, and add four products to each sum."""
    bits = 32 * total.type.count
    return f.intrinsic(f"x86.avx512.vpdpbusd.{bits}", total.type, total, values, weights)
