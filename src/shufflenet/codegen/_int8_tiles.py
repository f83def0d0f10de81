"""Products of bytes by AMX, whose registers are tiles of 16 rows of 64 bytes."""

import ctypes
import sys
from collections.abc import Sequence
from functools import cache

from llvmlite import ir

from shufflenet.codegen._int8_dots import DotKernels
from shufflenet.codegen._int8_weights import STEP
from shufflenet.codegen._ir import BYTE, BYTES, INT32, OFFSETS, Function, Value, index
from shufflenet.codegen._kernels import Kind
from shufflenet.codegen._memory import LINE_BYTES, Array, filled
from shufflenet.codegen._prefetch import Prefetch
from shufflenet.graph import Weights

__all__ = ["TileKernels", "tiles_permitted"]

_ROWS, _REGISTERS = 16, 8
_COLUMNS = LINE_BYTES // 4  # sums in a row
# The first registers hold sums, one for each vector of a panel.
_VALUES, _WEIGHTS = 4, (5, 6, 7)


class TileKernels(DotKernels):
    """The kernels of int8 networks for processors with AMX and AVX-512.

    A tile of 16 pixels, 64 bytes of each, is multiplied by 16 steps of a panel, a tile for each of
    its vectors. Pixels are read at equal distances, so that what has a border is copied without it.

    Args:
        module: Where they are written to.
    """

    reads_evenly = True

    def __init__(self, module: ir.Module) -> None:
        super().__init__(module, _COLUMNS)

    def begin(self, f: Function) -> None:
        # Of Intel's manual, LDTILECFG: the palette, then each register's bytes of a row and rows.
        widths = [LINE_BYTES, 0] * _REGISTERS
        content = [1, *[0] * 15, *widths, *[0] * 16, *[_ROWS] * _REGISTERS, *[0] * 8]
        kind = ir.ArrayType(BYTE, len(content))
        settings = ir.GlobalVariable(self._module, kind, "tiles")
        settings.initializer = ir.Constant(kind, bytearray(content))
        settings.global_constant, settings.linkage = True, "internal"
        f.intrinsic("x86.ldtilecfg", ir.VoidType(), f.bitcast(settings, BYTES))

    def end(self, f: Function) -> None:
        # Registers in use would be saved whenever the system turns to another thread.
        f.intrinsic("x86.tilerelease", ir.VoidType())

    def steps(self, read: int, runs: int = 1) -> int:
        found = super().steps(read, runs)
        return found if runs > 1 else -(-found // _ROWS) * _ROWS

    def packed(
        self, weight: Weights, widths: Sequence[int], kind: Kind = "", runs: Sequence[int] = (0,)
    ) -> Array:
        if len(runs) == 1:
            weight = filled(weight, STEP * self.steps(len(weight)))
        return super().packed(weight, widths, kind, runs)

    def _panel(self, vectors: int, kind: Kind) -> ir.Function:
        by_dots = super()._panel(vectors, kind)
        if kind in ("runs", "logits"):
            return by_dots

        def write(f: Function) -> None:
            pixels = f.arguments[2]
            with f.if_else(f.icmp_signed(">=", pixels, index(_ROWS))) as (enough, few):
                with enough:
                    f.call(self._blocks(vectors, kind), f.arguments)
                with few:
                    f.call(by_dots, f.arguments)

        return self._function(f"panel_{vectors}_{kind}_by_tiles", self._panel_takes(kind), write)

    def _blocks(self, vectors: int, kind: Kind) -> ir.Function:
        """Multiply 16 pixels or more by one panel, 16 of them at a time; takes what it does."""
        row = vectors * _COLUMNS

        def write(f: Function) -> None:
            values, table, pixels, steps, weights, ends, output, places, *rest = f.arguments
            floor, ceiling, *added = rest
            own, pitch = f.offset(table, 0), f.sub(f.offset(table, 1), f.offset(table, 0))
            with f.goto_entry_block():
                variable = f.alloca(ir.ArrayType(INT32, _ROWS * row))
                variable.align = LINE_BYTES
            sums = f.bitcast(variable, OFFSETS)
            blocks = f.sdiv(f.add(pixels, index(_ROWS - 1)), index(_ROWS))
            following = f.at(weights, self._panel_words(f, steps, vectors, kind))
            words_ahead = self._words_ahead(f, vectors, blocks)
            most = f.sub(pixels, index(_ROWS))
            with f.counting(blocks) as block:
                words = f.mul(f.mul(block, steps), words_ahead)
                ahead = Prefetch(f.at(following, words), words_ahead)
                # The last block begins early, with pixels that are done.
                pixel = f.mul(block, index(_ROWS))
                first = f.select(f.icmp_signed("<", pixel, most), pixel, most)
                here = f.at(values, own, f.mul(first, pitch))
                self._multiply_block(f, (here, pitch), steps, weights, sums, vectors, ahead)
                with f.counting(f.add(first, index(_ROWS)), pixel) as each:
                    at = f.mul(f.sub(each, first), index(row))
                    kept = ir.VectorType(INT32, _COLUMNS)
                    totals = [
                        f.vector(f.at(sums, at, start), kept) for start in range(0, row, _COLUMNS)
                    ]
                    more = f.at(added[0], f.offset(added[1], each)) if added else None
                    also = (more, *added[2:]) if added else ()
                    goal = f.at(output, f.offset(places, each))
                    self._finish(f, totals, ends, (floor, ceiling), goal, also)

        return self._function(f"blocks_{vectors}_{kind}", self._panel_takes(kind), write)

    def _multiply_block(
        self,
        f: Function,
        values: tuple[Value, Value],
        steps: Value,
        weights: Value,
        sums: Value,
        vectors: int,
        ahead: Prefetch,
    ) -> None:
        """Multiply 16 pixels by a panel, to ``sums``, a row for each pixel."""
        here, pitch = values
        first, row = f.at(weights, self._head_words(f, steps, "")), index(vectors * LINE_BYTES)
        for vector in range(vectors):
            _tile(f, "zero", vector)
        with f.counting(steps, step=_ROWS) as step:
            ahead.fetch_all(f, step, index(_ROWS))
            _tile(f, "loadd64", _VALUES, f.at(here, f.mul(step, index(STEP))), pitch)
            own = f.bitcast(f.at(first, f.mul(step, index(vectors * _COLUMNS))), BYTES)
            for vector in range(vectors):
                register = _WEIGHTS[vector % len(_WEIGHTS)]
                _tile(f, "loadd64", register, f.at(own, vector * LINE_BYTES), row)
                registers = (ir.Constant(BYTE, n) for n in (vector, _VALUES, register))
                f.intrinsic("x86.tdpbusd", ir.VoidType(), *registers)
        goal = f.bitcast(sums, BYTES)
        for vector in range(vectors):
            _tile(f, "stored64", vector, f.at(goal, vector * LINE_BYTES), row)


def _tile(f: Function, name: str, register: int, *arguments: Value) -> None:
    """Load a tile, store it, or set it to zero; what takes a pointer takes the bytes of a row."""
    f.intrinsic(f"x86.tile{name}", ir.VoidType(), ir.Constant(BYTE, register), *arguments)


@cache
def tiles_permitted() -> bool:
    """Ask the system for tiles, once; says whether it lets this process use them.

    Source: kernel.org, Using XSTATE features in user space applications
    """
    if not sys.platform.startswith("linux"):
        return False
    arch_prctl, request, tile_data = 158, 0x1023, 18
    return bool(ctypes.CDLL(None).syscall(arch_prctl, request, tile_data) == 0)
