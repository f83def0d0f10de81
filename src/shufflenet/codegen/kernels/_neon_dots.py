"""Products of bytes by AArch64's dot products: one instruction adds four of them to each sum."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from llvmlite import ir

from shufflenet.codegen.kernels._arm_bytes import round_to_bytes_of_arm
from shufflenet.codegen.kernels._byte_numbers import ByteNumbers, depthwise, header_words
from shufflenet.codegen.kernels._dot_filters import dot_filter_sums
from shufflenet.codegen.kernels._int8_layout import LANES, Int8Layout
from shufflenet.codegen.kernels._ir import BYTE, BYTES, INT32, Function, Value, index
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._multiplier import Blocks, Tile
from shufflenet.codegen.kernels._prefetch import Prefetch
from shufflenet.codegen.kernels._signature import Kernel
from shufflenet.codegen.kernels._word_steps import STEP

__all__ = ["NeonDotMultiplier", "neon_dot_layout"]

_COLUMNS = 4
_MATRIX = 2  # steps of a product of matrices: eight inputs of two pixels and of two channels
_TOGETHER = LANES // STEP  # steps whose values one vector of a pixel's bytes holds
_EIGHT = ir.VectorType(BYTE, LANES // 2)
_BYTES, _SUMS = ir.VectorType(BYTE, LANES), ir.VectorType(INT32, _COLUMNS)


def neon_dot_layout(subtracted: int = 0) -> Int8Layout:
    """Return the layout for 32 vectors of four sums.

    Args:
        subtracted: 128 for processors that multiply signed bytes only, else 0.
    """
    by_matrices = not subtracted
    return Int8Layout(
        columns=_COLUMNS,
        # As many as registers hold, with bytes of each pixel and the weights of a step.
        most_pixels={4: 6 if by_matrices else 5, 2: 8, 1: 8},
        block=_MATRIX if by_matrices else 1,
        whole_steps=_MATRIX if by_matrices else 1,
        in_pairs=False,
        taps=STEP,
        filter_dtype=np.int8,
        filter_vectors=LANES // _COLUMNS,
        filter_widths=[LANES],
        subtracted=subtracted,
    )


@dataclass(frozen=True, slots=True)
class NeonDotMultiplier:
    """``sdot`` of values less 128 and weights; or ``usmmla`` and ``usdot`` of values and weights.

    ``usmmla`` multiplies two pixels by two channels, eight inputs each. No sum overflows.
    """

    layout: Int8Layout
    blocks: Blocks | None = None

    @property
    def numbers(self) -> ByteNumbers:
        """Bytes, whose sums are in the order of channels."""
        return ByteNumbers(_COLUMNS, round_to_bytes_of_arm)

    def multiply(self, f: Function, tile: Tile, prefetch: Prefetch) -> None:
        """Write the inner loops: over vectors of each pixel's bytes, and over the steps left.

        Inputs in several runs need not continue where a step ends: they are taken step by step.
        """
        panel = tile.panel
        if self.layout.block == _MATRIX and panel.kind not in ("runs", "logits"):
            _multiply_matrices(f, tile, prefetch)
            return
        first = f.at(panel.weights, header_words(f, panel.steps))
        before = int(bool(self.layout.subtracted))  # steps that are none
        if before:
            for vector in range(panel.vectors):
                begin = f.load_vector(f.at(first, vector * _COLUMNS), _SUMS)
                for variables in tile.sums:
                    f.store(begin, variables[vector])
        whole = index(before)
        if panel.kind != "runs":
            steps = f.and_(f.sub(panel.steps, index(before)), index(-_TOGETHER))
            whole = f.add(whole, steps)
            with f.loop(whole, index(before), step=_TOGETHER) as number:
                channel = f.mul(f.sub(number, index(before)), index(STEP))
                loaded = [f.load_vector(f.at(row, channel), _BYTES) for row in tile.rows]
                words = [f.bitcast(self._as_multiplied(f, each), _SUMS) for each in loaded]
                for lane in range(_TOGETHER):
                    values = [f.shuffle(word, word, [lane] * _COLUMNS) for word in words]
                    self._add_step(f, tile, f.add(number, index(lane)), values, prefetch)
        offsets = f.at(panel.weights, 1)
        with f.loop(panel.steps, whole) as number:
            channel = f.load_offset(offsets, number)
            four = (f.load_unaligned(f.at(row, channel), INT32) for row in tile.rows)
            splats = (f.bitcast(f.splat(each, _SUMS), _BYTES) for each in four)
            multiplied = (f.bitcast(self._as_multiplied(f, each), _SUMS) for each in splats)
            self._add_step(f, tile, number, multiplied, prefetch)

    def _add_step(
        self, f: Function, tile: Tile, number: Value, values: Iterable[Value], prefetch: Prefetch
    ) -> None:
        """Add the products of one step; ``values`` hold each pixel's four bytes in every lane."""
        panel = tile.panel
        first = f.at(panel.weights, header_words(f, panel.steps))
        weights = f.at(first, f.mul(number, index(panel.vectors * _COLUMNS)))
        prefetch.fetch(f, number)
        loaded = [f.load_vector(f.at(weights, n * _COLUMNS), _SUMS) for n in range(panel.vectors)]
        for value, variables in zip(values, tile.sums, strict=True):
            for variable, weight in zip(variables, loaded, strict=True):
                f.store(self._add_dots(f, f.load(variable), value, weight), variable)

    def depthwise(self, library: Library, kernel: int) -> Kernel:
        """Return the kernel of a depthwise convolution: four taps at a time."""
        return depthwise(library, self.layout, self.numbers, kernel, self._filter_sums)

    def _filter_sums(
        self, f: Function, taps: Sequence[Value], weights: Value, width: int
    ) -> list[Value]:
        values = [self._as_multiplied(f, f.load_vector(tap, _BYTES)) for tap in taps]
        vectors = range(0, width, _COLUMNS)
        sums = [f.splat(0, _SUMS) for _ in vectors]
        if self.layout.subtracted:
            sums = [f.load_vector(f.at(weights, at), _SUMS) for at in vectors]
            weights = f.at(weights, width)
        return dot_filter_sums(f, values, weights, sums, self._add_dots)

    def _as_multiplied(self, f: Function, values: Value) -> Value:
        """Make bytes signed ones, less 128, where only such are multiplied."""
        return f.xor(values, f.splat(-128, _BYTES)) if self.layout.subtracted else values

    def _add_dots(self, f: Function, total: Value, values: Value, weights: Value) -> Value:
        values, weights = (f.bitcast(each, _BYTES) for each in (values, weights))
        # LLVM knows the instructions that take a lane of values by these orders of operands.
        name, a, b = "usdot", values, weights
        if self.layout.subtracted:
            name, a, b = "sdot", weights, values
        return f.intrinsic(f"aarch64.neon.{name}.v4i32.v16i8", _SUMS, total, a, b)


def _multiply_matrices(f: Function, tile: Tile, prefetch: Prefetch) -> None:
    """Add the products of eight inputs at a time, of pairs of pixels and pairs of channels."""
    panel, last = tile.panel, len(tile.rows) - 1
    pairs = [(first, min(first + 1, last)) for first in range(0, last + 1, 2)]
    partial = [[f.variable(_SUMS) for _ in range(2 * panel.vectors)] for _ in pairs]
    for variable in (variable for variables in partial for variable in variables):
        f.store(f.splat(0, _SUMS), variable)
    weights = f.bitcast(f.at(panel.weights, header_words(f, panel.steps)), BYTES)
    width = panel.vectors * _COLUMNS
    with f.loop(panel.steps, step=_MATRIX) as number:
        prefetch.fetch(f, number)
        channel = f.mul(number, index(STEP))
        eights = [f.load_vector(f.at(row, channel), _EIGHT) for row in tile.rows]
        values = [f.shuffle(eights[a], eights[b], range(LANES)) for a, b in pairs]
        block = f.at(weights, f.mul(number, index(STEP * width)))
        for column in range(2 * panel.vectors):
            weight = f.load_vector(f.at(block, column * LANES), _BYTES)
            for value, variables in zip(values, partial, strict=True):
                total, name = f.load(variables[column]), "aarch64.neon.usmmla.v4i32.v16i8"
                f.store(f.intrinsic(name, _SUMS, total, value, weight), variables[column])
    for pair, variables in zip(pairs, partial, strict=True):
        for vector in range(panel.vectors):
            halves = [f.load(each) for each in variables[2 * vector : 2 * vector + 2]]
            for pixel, lanes in zip(pair, ([0, 1, 4, 5], [2, 3, 6, 7]), strict=True):
                total = f.shuffle(halves[0], halves[1], lanes)
                f.store(total, tile.sums[pixel][vector])
