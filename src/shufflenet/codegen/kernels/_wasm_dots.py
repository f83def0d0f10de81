"""Products of bytes by WebAssembly's relaxed dot products: one adds four of them to each sum.

Whether bytes of the second operand that are 128 or more count as such or as negative is left to the
processor: x86's instructions multiply signed bytes by unsigned ones, those of ARM and of the newest
x86 signed ones alone. Code asks first, by one product, and multiplies values or values less 128.
(github.com/WebAssembly/relaxed-simd, Overview.md: the choice is the same wherever a module runs.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir

from shufflenet.codegen.kernels._byte_numbers import ByteNumbers, header_words
from shufflenet.codegen.kernels._byte_vectors import round_to_bytes
from shufflenet.codegen.kernels._int8_layout import LANES, Int8Layout
from shufflenet.codegen.kernels._ir import BYTE, INT16, INT32, Function, Value, index
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._multiplier import Blocks, Tile
from shufflenet.codegen.kernels._portable import PortableMultiplier, multiply_pairs_of_wasm
from shufflenet.codegen.kernels._prefetch import Prefetch
from shufflenet.codegen.kernels._signature import Kernel
from shufflenet.codegen.kernels._word_steps import STEP

__all__ = ["WasmDotMultiplier", "multiplies_wrongly", "uses_relaxed_dots"]

_DOTS = "wasm.relaxed.dot.i8x16.i7x16.add.signed"  # as LLVM names the instruction
_COLUMNS = 4
_BYTES, _SUMS = ir.VectorType(BYTE, LANES), ir.VectorType(INT32, _COLUMNS)
_HALF = 128
_SIGN_BITS = -0x7F7F7F80  # those of four bytes
_FIRST = 1  # step of a panel: before it stand first sums


@dataclass(frozen=True, slots=True)
class WasmDotMultiplier:
    """``i32x4.relaxed_dot_i8x16_i7x16_add_s``, where weights fit pairs (``fits_pairs``).

    Some processors add two products in 16 bits first, and no such sum of these overflows. Depthwise
    weights need not fit: they are multiplied as int16. The layout is ``wasm_layout``.
    """

    layout: Int8Layout
    blocks: Blocks | None = None

    @property
    def numbers(self) -> ByteNumbers:
        """Bytes, whose sums are in the order of channels."""
        return ByteNumbers(_COLUMNS, round_to_bytes)

    def multiply(self, f: Function, tile: Tile, prefetch: Prefetch) -> None:
        """Write the inner loop: four bytes of each pixel a step. WebAssembly has no prefetch."""
        panel, width = tile.panel, tile.panel.vectors * _COLUMNS
        first = f.at(panel.weights, header_words(f, panel.steps))
        # With sums, the weights of a step and a pixel's bytes they take 14 of the 15 registers that
        # V8 uses on x86-64.
        signed = _all_if_signed(f)
        for vector in range(panel.vectors):
            begin = f.and_(signed, f.load_vector(f.at(first, vector * _COLUMNS), _SUMS))
            for variables in tile.sums:
                f.store(begin, variables[vector])
        flipped, weights = f.and_(signed, f.splat(_SIGN_BITS, _SUMS)), f.at(first, width)
        if panel.kind == "runs":
            offsets = f.at(panel.weights, 1)
            with f.loop(panel.steps, index(_FIRST)) as number:
                here = f.at(first, f.mul(number, index(width)))
                channel = f.load_offset(offsets, number)
                _add_step(f, tile, here, [f.at(row, channel) for row in tile.rows], flipped)
        else:
            moves = [(weights, width), *((row, STEP) for row in tile.rows)]
            with f.walk(f.sub(panel.steps, index(_FIRST)), moves) as (here, *rows):
                _add_step(f, tile, here, rows, flipped)

    def depthwise(self, library: Library, kernel: int) -> Kernel:
        """Return the kernel of a depthwise convolution: two taps at a time, as int16."""
        by_pairs = PortableMultiplier(self.layout, multiply_pairs_of_wasm)
        return by_pairs.depthwise(library, kernel)


def uses_relaxed_dots(code: ir.Module) -> bool:
    """Return whether a module has products of bytes by relaxed SIMD."""
    return f"llvm.{_DOTS}" in code.globals


def multiplies_wrongly(f: Function) -> Value:
    """Return whether an engine adds dot products to something else than the sums that are given.

    The faster of V8's two compilers did until 2023: that of V8 11.3 and 11.8, not of 12.4.
    """
    given, negative, ones = f.splat(100, _SUMS), f.splat(-1, _BYTES), f.splat(1, _BYTES)
    total = f.extract_element(_add_dots(f, given, negative, ones), ir.Constant(INT32, 0))
    return f.icmp_signed("!=", total, ir.Constant(INT32, 100 - STEP))


def _all_if_signed(f: Function) -> Value:
    """Return all bits of four sums if bytes of second operands have a sign here, else none."""
    ones, halves, zeros = f.splat(1, _BYTES), f.splat(-_HALF, _BYTES), f.splat(0, _SUMS)
    return f.ashr(_add_dots(f, zeros, ones, halves), f.splat(INT32.width - 1, _SUMS))


def _add_step(
    f: Function, tile: Tile, weights: Value, rows: Sequence[Value], flipped: Value
) -> None:
    """Add the products of four bytes of each pixel, of which some bits are flipped before."""
    loaded = _load_weights(f, weights, tile.panel.vectors)
    for row, variables in zip(rows, tile.sums, strict=True):
        four = f.splat(f.load_unaligned(row, INT32), _SUMS)
        values = f.bitcast(f.xor(four, flipped), _BYTES)
        for variable, weight in zip(variables, loaded, strict=True):
            f.store(_add_dots(f, f.load(variable), weight, values), variable)


def _load_weights(f: Function, weights: Value, vectors: int) -> list[Value]:
    """Load the weights of a step: of each channel two pairs, all first ones before all second."""
    width, loaded = vectors * _COLUMNS, []
    for start in range(0, width, 2 * _COLUMNS):
        of_pairs = ir.VectorType(INT16, min(2 * _COLUMNS, width - start))
        places = (start // 2, (width + start) // 2)  # words
        firsts, seconds = (f.load_vector(f.within(weights, at), of_pairs) for at in places)
        for lane in range(0, of_pairs.count, _COLUMNS):
            lanes = range(lane, lane + _COLUMNS)
            order = [each + of for each in lanes for of in (0, of_pairs.count)]
            loaded.append(f.bitcast(f.shuffle(firsts, seconds, order), _BYTES))
    return loaded


def _add_dots(f: Function, total: Value, weights: Value, values: Value) -> Value:
    return f.intrinsic(_DOTS, _SUMS, weights, values, total)
