"""Products of bytes by AMX, whose registers are tiles of 16 rows of 64 bytes."""

import ctypes
import sys
from collections.abc import Sequence
from functools import cache

from llvmlite import ir

from shufflenet.native._int8_dots import DotKernels
from shufflenet.native._int8_weights import STEP
from shufflenet.native._ir import BYTE, BYTES, FLOAT, FLOATS, INDEX, INT32, OFFSETS, Function, Value, index
from shufflenet.native._kernels import Kind
from shufflenet.native._layers import Weights
from shufflenet.native._memory import LINE_BYTES, LINE_WORDS, Array, filled

__all__ = ["TileKernels", "tiles_permitted"]

_ROWS = 16  # of a tile: pixels, or steps of a product
_VALUES, _WEIGHTS = 4, (5, 6, 7)  # registers; those before are of sums
_COLUMNS = 16


class TileKernels(DotKernels):
    """The kernels of int8 networks for processors with AMX and AVX-512.

    Where the values of 16 pixels lie at equal distances, as they do but at the borders of maps,
    they are multiplied as a tile by four tiles of weights.

    Args:
        module: Where they are written to.
    """

    reads_evenly = True

    def __init__(self, module: ir.Module) -> None:
        super().__init__(module, _COLUMNS)

    def steps(self, read: int, runs: int = 1) -> int:
        found = super().steps(read, runs)
        return found if runs > 1 else -(-found // _ROWS) * _ROWS

    def packed(
        self, weight: Weights, widths: Sequence[int], kind: Kind = "", runs: Sequence[int] = (0,)
    ) -> Array:
        if len(runs) == 1:
            weight = filled(weight, STEP * self.steps(len(weight)))
        return super().packed(weight, widths, kind, runs)

    def begin(self, f: Function) -> None:
        settings = ir.GlobalVariable(self._module, ir.ArrayType(BYTE, LINE_BYTES), "tiles")
        settings.global_constant, settings.linkage = True, "internal"
        settings.align = LINE_BYTES
        widths = [byte for _ in range(8) for byte in (LINE_BYTES, 0)]
        content = [1, *[0] * 15, *widths, *[0] * 16, *[_ROWS] * 8, *[0] * 8]
        settings.initializer = ir.Constant(settings.value_type, bytearray(content))
        f.intrinsic("x86.ldtilecfg", ir.VoidType(), f.bitcast(settings, BYTES))

    def end(self, f: Function) -> None:
        f.intrinsic("x86.tilerelease", ir.VoidType())

    def _panel(self, vectors: int, kind: Kind) -> ir.Function:
        otherwise = super()._panel(vectors, kind)
        if kind in ("runs", "logits"):
            return otherwise

        def write(f: Function) -> None:
            values, table, pixels = f.arguments[:3]
            first, second, last = (
                f.offset(table, number) for number in (index(0), index(1), f.sub(pixels, index(1)))
            )
            pitch = f.sub(second, first)
            even = f.icmp_signed("==", f.sub(last, first), f.mul(f.sub(pixels, index(1)), pitch))
            enough = f.icmp_signed(">=", pixels, index(_ROWS))
            with f.if_else(f.and_(even, enough)) as (then, other):
                with then:
                    own = f.at(values, first)
                    f.call(self._blocks(vectors, kind), [own, pitch, *f.arguments[2:]])
                with other:
                    f.call(otherwise, f.arguments)

        takes = [argument.type for argument in otherwise.args]
        return self._function(f"even_{vectors}_{kind}", takes, write)

    def _blocks(self, vectors: int, kind: Kind) -> ir.Function:
        """Multiply pixels at equal distances by one panel, 16 of them at a time."""

        def write(f: Function) -> None:
            values, pitch, pixels, steps, weights, ends, made, places, *rest = f.arguments
            floor, ceiling, *added = rest
            first = f.at(weights, self._head_words(f, steps))
            with f.goto_entry_block():
                sums = f.alloca(ir.ArrayType(INT32, _ROWS * vectors * _COLUMNS))
                sums.align = LINE_BYTES
            sums = f.bitcast(sums, OFFSETS)
            words = self._panel_words(f, steps, vectors)
            blocks = f.sdiv(f.add(pixels, index(_ROWS - 1)), index(_ROWS))
            lines = f.add(f.sdiv(f.sdiv(words, index(LINE_WORDS)), blocks), index(1))
            with f.counting(blocks) as block:
                part = f.at(weights, words, f.mul(f.mul(block, lines), index(LINE_WORDS)))
                with f.counting(lines) as number:
                    f.fetch(f.at(part, f.mul(number, index(LINE_WORDS))))
                # The last block begins early, with pixels that are done.
                pixel, most = f.mul(block, index(_ROWS)), f.sub(pixels, index(_ROWS))
                start = f.select(f.icmp_signed("<", pixel, most), pixel, most)
                self._multiply_block(f, f.at(values, f.mul(start, pitch)), pitch, steps, first, sums, vectors)
                with f.counting(f.add(start, index(_ROWS)), pixel) as each:
                    own = f.at(sums, f.mul(f.sub(each, start), index(vectors * _COLUMNS)))
                    kind_of = ir.VectorType(INT32, _COLUMNS)
                    loaded = [f.vector(f.at(own, n * _COLUMNS), kind_of) for n in range(vectors)]
                    goal = f.at(made, f.offset(places, each))
                    also = (
                        (f.at(added[0], f.offset(added[1], each)), *added[2:]) if added else ()
                    )
                    self._finish(f, loaded, ends, (floor, ceiling), goal, also)

        result, also = self._given(kind)
        takes = (
            *(self.elements, INDEX, INDEX, INDEX, self._words, FLOATS),
            *(result, OFFSETS, FLOAT, FLOAT, *also),
        )
        return self._function(f"blocks_{vectors}_{kind}", takes, write)

    def _multiply_block(
        self, f: Function, values: Value, pitch: Value, steps: Value, weights: Value, sums: Value, vectors: int
    ) -> None:
        for vector in range(vectors):
            f.intrinsic("x86.tilezero", ir.VoidType(), _register(vector))
        step_bytes = index(vectors * LINE_BYTES)
        with f.counting(steps, step=_ROWS) as step:
            own = f.at(values, f.mul(step, index(4)))
            _load(f, _VALUES, own, pitch)
            first = f.bitcast(f.at(weights, f.mul(step, index(vectors * _COLUMNS))), BYTES)
            for vector in range(vectors):
                of_weights = _WEIGHTS[vector % len(_WEIGHTS)]
                _load(f, of_weights, f.at(first, vector * LINE_BYTES), step_bytes)
                numbers = (_register(each) for each in (vector, _VALUES, of_weights))
                f.intrinsic("x86.tdpbusd", ir.VoidType(), *numbers)
        for vector in range(vectors):
            goal = f.bitcast(f.at(sums, vector * _COLUMNS), BYTES)
            f.intrinsic("x86.tilestored64", ir.VoidType(), _register(vector), goal, step_bytes)


def _register(number: int) -> Value:
    return ir.Constant(BYTE, number)


def _load(f: Function, register: int, pointer: Value, pitch: Value) -> None:
    f.intrinsic("x86.tileloadd64", ir.VoidType(), _register(register), pointer, pitch)


@cache
def tiles_permitted() -> bool:
    """Ask the system for tiles, once; says whether it lets this process use them."""
    if sys.platform != "linux":
        return False
    arch_prctl, request, tile_data = 158, 0x1023, 18
    return ctypes.CDLL(None).syscall(arch_prctl, request, tile_data) == 0
