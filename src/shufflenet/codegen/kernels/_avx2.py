"""Products of bytes by AVX2, which adds neighboring products in 16 bits."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from llvmlite import binding, ir

from shufflenet.codegen.kernels._byte_numbers import ByteNumbers, depthwise, header_words
from shufflenet.codegen.kernels._byte_vectors import interleave
from shufflenet.codegen.kernels._int8_layout import LANES, Int8Layout
from shufflenet.codegen.kernels._ir import BYTE, INT16, INT32, Function, Value, index
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._multiplier import Blocks, Tile
from shufflenet.codegen.kernels._prefetch import Prefetch
from shufflenet.codegen.kernels._signature import Kernel
from shufflenet.codegen.kernels._x86_bytes import round_to_bytes_of_x86

__all__ = ["PAIR_LAYOUT", "PairMultiplier"]

_COLUMNS = 8
_TAPS = 2
_BYTES16, _BYTES32 = (ir.VectorType(BYTE, lanes) for lanes in (16, 32))
_SHORTS16, _SUMS = ir.VectorType(INT16, 16), ir.VectorType(INT32, _COLUMNS)

PAIR_LAYOUT = Int8Layout(
    columns=_COLUMNS,
    most_pixels={2: 5, 1: 5},
    in_pairs=True,
    taps=_TAPS,
    filter_dtype=np.int16,
    filter_vectors=LANES // _COLUMNS,
    filter_widths=[LANES],
)


@dataclass(frozen=True, slots=True)
class PairMultiplier:
    """AVX2.

    Two neighboring products are added in 16 bits, which holds them if such weights of one sign sum
    to 128 at most, as those of portable files do (``fits_pairs``). The sums of two steps are added
    in 16 bits, too, where their weights together do.
    """

    layout: Int8Layout = PAIR_LAYOUT
    blocks: Blocks | None = None

    @property
    def numbers(self) -> ByteNumbers:
        """Bytes, packed as x86 does."""
        return ByteNumbers(_COLUMNS, round_to_bytes_of_x86)

    def multiply(self, f: Function, tile: Tile, prefetch: Prefetch) -> None:
        """Write the inner loops: over pairs of steps, and over the other steps."""
        panel = tile.panel
        pairs, steps = f.load_offset(panel.weights, 0), panel.steps
        # To prefetch a little with each step would take a register more than there are.
        prefetch.fetch_all(f, index(0), steps)
        both = f.mul(pairs, index(2))
        with f.loop(both, step=2) as number:
            _add_steps(f, tile, number, together=2)
        with f.loop(steps, both) as number:
            _add_steps(f, tile, number, together=1)

    def depthwise(self, library: Library, kernel: int) -> Kernel:
        """Return the kernel of a depthwise convolution: two taps at a time, as int16."""
        return depthwise(library, self.layout, self.numbers, kernel, _filter_sums)


def _add_steps(f: Function, tile: Tile, number: Value, *, together: int) -> None:
    """Add the products of one step, or of two whose products are added in 16 bits."""
    panel, vectors = tile.panel, tile.panel.vectors
    offsets = f.at(panel.weights, 1)
    first = f.at(panel.weights, header_words(f, panel.steps))
    channels = [f.load_offset(offsets, f.add(number, index(later))) for later in range(together)]
    weights = f.at(first, f.mul(number, index(vectors * _COLUMNS)))
    head, ones = f.load_vector(weights, _BYTES32), f.splat(1, _SHORTS16)

    def times(value: Value, vector: int) -> Value:
        # One vector of weights is loaded once for all pixels, for which there is a register
        # left: loads, of which a cycle has two, would otherwise take as long as products.
        if vector == 0:
            return f.intrinsic("x86.avx2.pmadd.ub.sw", _SHORTS16, value, head)
        return _multiply_from_memory(f, value, weights, vector)

    for row, variables in zip(tile.rows, tile.sums, strict=True):
        words = [f.load_unaligned(f.at(row, channel), INT32) for channel in channels]
        values = [f.bitcast(f.splat(word, _SUMS), _BYTES32) for word in words]
        for vector, variable in enumerate(variables):
            shorts = [times(value, later * vectors + vector) for later, value in enumerate(values)]
            total = reduce(f.add, shorts)
            f.store(f.add(f.load(variable), _multiply_shorts(f, total, ones)), variable)


def _filter_sums(f: Function, taps: Sequence[Value], weights: Value, width: int) -> list[Value]:
    values = [f.zext(f.load_vector(tap, _BYTES16), _SHORTS16) for tap in taps]
    values += [f.splat(0, _SHORTS16)] * (-len(values) % _TAPS)
    sums = [f.splat(0, _SUMS)] * (width // _COLUMNS)
    for first in range(0, len(values), _TAPS):
        halves = interleave(f, *values[first : first + _TAPS])
        for number, half in enumerate(halves):
            tap_weights = f.load_vector(f.at(weights, (first + number) * _COLUMNS), _SHORTS16)
            sums[number] = f.add(sums[number], _multiply_shorts(f, half, tap_weights))
    return sums


def _multiply_from_memory(f: Function, value: Value, weights: Value, vector: int) -> Value:
    """Multiply bytes by a vector of weights in memory, and add neighboring products.

    LLVM would load a weight once for all pixels, for which it has too few registers: it would keep
    sums in memory instead. One instruction that loads it each time costs no more than without, as
    long as there are fewer loads than products. The assembly declares no read of memory, for
    nothing writes there. On hosts of other architectures LLVM reads no such assembly: there a
    fence, of which no instruction is left, has it load again, with a third more spills.
    """
    if not binding.get_default_triple().startswith("x86_64"):
        f.fence("acquire", targetscope="singlethread")
        loaded = f.load_vector(f.at(weights, vector * _COLUMNS), _BYTES32)
        return f.intrinsic("x86.avx2.pmadd.ub.sw", _SHORTS16, value, loaded)
    text = f"vpmaddubsw {_BYTES32.count * vector}($2), $1, $0"
    kind = ir.FunctionType(_SHORTS16, [value.type, weights.type])
    return f.call(ir.InlineAsm(kind, text, "=x,x,r"), [value, weights])


def _multiply_shorts(f: Function, a: Value, b: Value) -> Value:
    """Multiply vectors of int16, and add neighboring products to int32."""
    return f.intrinsic("x86.avx2.pmadd.wd", _SUMS, a, b)
