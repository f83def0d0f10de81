"""Products of bytes by AMX, whose registers are tiles of 16 rows of 64 bytes."""

from dataclasses import dataclass, replace

from llvmlite import ir

from shufflenet.codegen.kernels._byte_numbers import ByteNumbers, header_words
from shufflenet.codegen.kernels._int8_layout import Int8Layout
from shufflenet.codegen.kernels._ir import BYTE, BYTES, Function, Value, index
from shufflenet.codegen.kernels._layout import LINE_BYTES
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._multiplier import Panel, Strided, Tile
from shufflenet.codegen.kernels._prefetch import Prefetch
from shufflenet.codegen.kernels._signature import Kernel
from shufflenet.codegen.kernels._vnni import DotMultiplier, dot_layout
from shufflenet.codegen.kernels._word_steps import STEP

__all__ = ["AmxBlocks", "AmxMultiplier", "amx_layout"]

_ROWS, _REGISTERS = 16, 8
_COLUMNS = LINE_BYTES // 4  # sums in a row
# The first registers hold sums, one for each vector of a panel.
_VALUES, _WEIGHTS = 4, (5, 6, 7)


def amx_layout() -> Int8Layout:
    """Return VNNI's layout of 16 sums, with inputs padded to 16 steps and at equal distances."""
    return replace(dot_layout(_COLUMNS), whole_steps=_ROWS, strided_only=True)


@dataclass(frozen=True, slots=True)
class AmxBlocks:
    """Blocks of 16 pixels: 64 bytes of each are multiplied by 16 steps of a panel at once."""

    pixels = _ROWS

    def begin(self, f: Function) -> None:
        """Configure the tile registers: all of 16 rows of 64 bytes.

        Source: Intel's manual, LDTILECFG: the palette, then each register's bytes of a row and rows
        """
        widths = [LINE_BYTES, 0] * _REGISTERS
        content = [1, *[0] * 15, *widths, *[0] * 16, *[_ROWS] * _REGISTERS, *[0] * 8]
        kind = ir.ArrayType(BYTE, len(content))
        settings = ir.GlobalVariable(f.module, kind, f.module.get_unique_name("tiles"))
        settings.initializer = ir.Constant(kind, bytearray(content))
        settings.global_constant, settings.linkage = True, "internal"
        f.intrinsic("x86.ldtilecfg", ir.VoidType(), f.bitcast(settings, BYTES))

    def end(self, f: Function) -> None:
        """Release the tile registers, which the system saves at each switch of threads in use."""
        f.intrinsic("x86.tilerelease", ir.VoidType())

    def multiply(
        self, f: Function, panel: Panel, values: Strided, sums: Value, prefetch: Prefetch
    ) -> None:
        """Multiply 16 pixels by a panel and store the sums: int32 ``(16, width)``."""
        vectors, row = panel.vectors, index(panel.vectors * LINE_BYTES)
        first = f.at(panel.weights, header_words(f, panel.steps))
        for vector in range(vectors):
            _tile(f, "zero", vector)
        with f.loop(panel.steps, step=_ROWS) as step:
            prefetch.fetch_all(f, step, index(_ROWS))
            here = f.at(values.first, f.mul(step, index(STEP)))
            _tile(f, "loadd64", _VALUES, here, values.pitch)
            weights = f.bitcast(f.at(first, f.mul(step, index(vectors * _COLUMNS))), BYTES)
            for vector in range(vectors):
                register = _WEIGHTS[vector % len(_WEIGHTS)]
                _tile(f, "loadd64", register, f.at(weights, vector * LINE_BYTES), row)
                registers = (ir.Constant(BYTE, n) for n in (vector, _VALUES, register))
                f.intrinsic("x86.tdpbusd", ir.VoidType(), *registers)
        output = f.bitcast(sums, BYTES)
        for vector in range(vectors):
            _tile(f, "stored64", vector, f.at(output, vector * LINE_BYTES), row)


@dataclass(frozen=True, slots=True)
class AmxMultiplier:
    """AMX for blocks of 16 pixels, and VNNI of AVX-512 for fewer and for depthwise convolutions."""

    dots: DotMultiplier
    blocks: AmxBlocks

    @property
    def layout(self) -> Int8Layout:
        """How it wants its operands to lie."""
        return self.dots.layout

    @property
    def numbers(self) -> ByteNumbers:
        """Those of VNNI."""
        return self.dots.numbers

    def multiply(self, f: Function, tile: Tile, prefetch: Prefetch) -> None:
        """Write the inner loop of a tile by VNNI."""
        self.dots.multiply(f, tile, prefetch)

    def depthwise(self, library: Library, kernel: int) -> Kernel:
        """Return the kernel of a depthwise convolution by VNNI."""
        return self.dots.depthwise(library, kernel)


def _tile(f: Function, name: str, register: int, *arguments: Value) -> None:
    """Load a tile, store it, or set it to zero; with a pointer goes the distance of rows, bytes."""
    f.intrinsic(f"x86.tile{name}", ir.VoidType(), ir.Constant(BYTE, register), *arguments)
