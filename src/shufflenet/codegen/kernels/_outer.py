"""Products of bytes one input at a time: a value by a vector of weights, or by scalar ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from llvmlite import ir

from shufflenet.codegen.kernels._byte_numbers import ByteNumbers, depthwise, header_words
from shufflenet.codegen.kernels._byte_vectors import round_to_bytes
from shufflenet.codegen.kernels._int8_layout import LANES, Int8Layout
from shufflenet.codegen.kernels._ir import BYTE, BYTES, INT32, Function, Value, index
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._multiplier import Blocks, Tile
from shufflenet.codegen.kernels._prefetch import Prefetch
from shufflenet.codegen.kernels._signature import Kernel
from shufflenet.codegen.kernels._word_steps import STEP

__all__ = ["OuterMultiplier", "outer_layout"]

_SHORT = 4  # lanes of several vectors, whose order is then that of channels


def outer_layout(columns: int, pixels: int) -> Int8Layout:
    """Return the layout for panels of one vector.

    Args:
        columns: Sums of the vector: 16 in vectors; 4 where LLVM writes scalar code.
        pixels: Most pixels of a tile.
    """
    return Int8Layout(
        columns=columns,
        most_pixels={1: pixels},
        together=1,
        in_pairs=False,
        taps=STEP,  # of which each is multiplied alone
        filter_dtype=np.int8,
        filter_vectors=1,
        filter_widths=[columns],
        class_vectors=LANES // columns,
    )


@dataclass(frozen=True, slots=True)
class OuterMultiplier:
    """RISC-V's V, which multiplies a vector by a scalar; and processors without vectors."""

    layout: Int8Layout
    blocks: Blocks | None = None

    @property
    def numbers(self) -> ByteNumbers:
        """Bytes, whose sums are in the order of channels."""
        return ByteNumbers(self.layout.columns, round_to_bytes, _SHORT)

    def multiply(self, f: Function, tile: Tile, prefetch: Prefetch) -> None:
        """Write the inner loop: vectors of four inputs of each pixel, or scalars of one input.

        Of four inputs LLVM would compute all scalar products before it adds them, more than there
        are registers.
        """
        panel, by_inputs = tile.panel, self.layout.columns < LANES
        first = f.bitcast(f.at(panel.weights, header_words(f, panel.steps)), BYTES)
        if by_inputs and panel.kind != "runs":
            with f.loop(f.mul(panel.steps, index(STEP))) as number:
                self._add_input(f, tile, first, number, number)
            return
        offsets = f.at(panel.weights, 1)
        with f.loop(panel.steps) as step:
            before = f.mul(step, index(STEP))
            channel = f.load_offset(offsets, step) if panel.kind == "runs" else before
            prefetch.fetch(f, step)
            for byte in range(STEP):
                number = f.add(before, index(byte))
                self._add_input(f, tile, first, number, f.add(channel, index(byte)))

    def _add_input(
        self, f: Function, tile: Tile, weights: Value, number: Value, channel: Value
    ) -> None:
        """Add the products of an input of each pixel."""
        columns = self.layout.columns
        here = f.at(weights, f.mul(number, index(tile.panel.vectors * columns)))
        values = [self._splat(f, f.at(row, channel)) for row in tile.rows]
        for vector in range(tile.panel.vectors):
            weight = self._load_weights(f, f.at(here, vector * columns))
            for value, variables in zip(values, tile.sums, strict=True):
                total = f.add(f.load(variables[vector]), f.mul(weight, value))
                f.store(total, variables[vector])

    def depthwise(self, library: Library, kernel: int) -> Kernel:
        """Return the kernel of a depthwise convolution: one tap at a time."""
        return depthwise(library, self.layout, self.numbers, kernel, self._filter_sums)

    def _filter_sums(
        self, f: Function, taps: Sequence[Value], weights: Value, width: int
    ) -> list[Value]:
        total = f.splat(0, self._of_sums)
        weights = f.bitcast(weights, BYTES)
        for number, tap in enumerate(taps):
            values = f.zext(f.load_vector(tap, self._of_bytes), self._of_sums)
            weight = self._load_weights(f, f.at(weights, number * width))
            total = f.add(total, f.mul(weight, values))
        return [total]

    @property
    def _of_bytes(self) -> ir.VectorType:
        return ir.VectorType(BYTE, self.layout.columns)

    @property
    def _of_sums(self) -> ir.VectorType:
        return ir.VectorType(INT32, self.layout.columns)

    def _splat(self, f: Function, pointer: Value) -> Value:
        return f.splat(f.zext(f.load(pointer), INT32), self._of_sums)

    def _load_weights(self, f: Function, pointer: Value) -> Value:
        return f.sext(f.load_vector(pointer, self._of_bytes), self._of_sums)
