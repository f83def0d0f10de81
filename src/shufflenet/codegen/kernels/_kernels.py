"""All kernels of a module, put together for a target's instructions."""

from dataclasses import dataclass

import numpy as np
from llvmlite import ir

from shufflenet.codegen.kernels._amx import AmxBlocks, AmxMultiplier, amx_layout
from shufflenet.codegen.kernels._avx2 import PairMultiplier
from shufflenet.codegen.kernels._conversions import Conversions
from shufflenet.codegen.kernels._float32 import FloatMultiplier
from shufflenet.codegen.kernels._float_layout import FloatLayout
from shufflenet.codegen.kernels._gemm import Gemm
from shufflenet.codegen.kernels._input import Input
from shufflenet.codegen.kernels._ir import Function
from shufflenet.codegen.kernels._layout import Layout
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._moves import Moves
from shufflenet.codegen.kernels._multiplier import Multiplier, Numbers
from shufflenet.codegen.kernels._neon import NeonMultiplier, neon_layout
from shufflenet.codegen.kernels._neon_dots import NeonDotMultiplier, neon_dot_layout
from shufflenet.codegen.kernels._outer import OuterMultiplier, outer_layout
from shufflenet.codegen.kernels._portable import (
    PortableMultiplier,
    multiply_pairs_of_wasm,
    pair_layout,
    wasm_layout,
)
from shufflenet.codegen.kernels._signature import Kernel
from shufflenet.codegen.kernels._smlad import SmladMultiplier, smlad_layout
from shufflenet.codegen.kernels._vnni import DotMultiplier, dot_layout
from shufflenet.codegen.kernels._wasm_dots import WasmDotMultiplier
from shufflenet.spec import Target

__all__ = ["Kernels", "float_multiplier", "int8_multiplier"]

_VECTOR = 16  # bytes of the shortest vectors
_OF_V8 = 15  # registers of vectors that it uses on x86-64


@dataclass(frozen=True, slots=True)
class Kernels:
    """The kernels of one module for maps of float32, or for those of bytes.

    Attributes:
        library: The module's functions.
        multiplier: What multiplies.
    """

    library: Library
    multiplier: Multiplier

    @classmethod
    def create(cls, module: ir.Module, multiplier: Multiplier) -> "Kernels":
        """Return the kernels of a module that multiply by an instruction set; none is written."""
        layout = multiplier.layout
        return cls(Library(module, multiplier.numbers.element, layout.lanes), multiplier)

    @property
    def numbers(self) -> Numbers:
        """What maps hold."""
        return self.multiplier.numbers

    @property
    def layout(self) -> Layout:
        """How channels and weights lie."""
        return self.multiplier.layout

    @property
    def gemm(self) -> Gemm:
        """The kernels of products."""
        return Gemm(self.library, self.numbers, self.multiplier)

    @property
    def moves(self) -> Moves:
        """The kernels that move values."""
        bits = np.dtype(self.layout.dtype).itemsize
        return Moves(self.library, self.layout.columns * 4 // bits)

    @property
    def input(self) -> Input:
        """The kernels of a network's input."""
        return Input(self.library, self.numbers)

    @property
    def conversions(self) -> Conversions:
        """The kernels that convert maps of one type to the other."""
        return Conversions(self.library)

    def depthwise(self, kernel: int) -> Kernel:
        """Return the kernel of a depthwise convolution."""
        return self.multiplier.depthwise(self.library, kernel)

    def mean(self) -> Kernel:
        """Return the kernel of the mean over all pixels."""
        return self.numbers.mean(self.library)

    def begin(self, f: Function) -> None:
        """Write what must stand before the kernels are called."""
        if self.multiplier.blocks:
            self.multiplier.blocks.begin(f)

    def end(self, f: Function) -> None:
        """Write what must stand after the kernels are called."""
        if self.multiplier.blocks:
            self.multiplier.blocks.end(f)


def float_multiplier(target: Target) -> Multiplier:
    """Return what multiplies float32 on a target."""
    lanes = target.vector_bytes // 4
    walks = target.is_wasm and lanes > 1
    layout = FloatLayout(
        lanes=lanes,
        registers=min(target.registers, _OF_V8) if walks else target.registers,
        by_lane=target.is_arm,
    )
    return FloatMultiplier(layout, walks=walks)


def int8_multiplier(
    target: Target, *, fits_pairs: bool = True, least_weight: int = -128
) -> Multiplier:
    """Return what multiplies bytes on a target: what every processor has, if nothing better.

    Args:
        target: The processor.
        fits_pairs: Whether products of neighbors can be added in 16 bits, as AVX2 and WebAssembly's
            relaxed dot products do.
        least_weight: The least weight that there is.
    """
    match target.multiplies_bytes:
        case "AMX":
            return AmxMultiplier(DotMultiplier(amx_layout()), AmxBlocks())
        case "AVX-512 VNNI":
            return DotMultiplier(dot_layout(16))
        case "AVX-VNNI":
            return DotMultiplier(dot_layout(8))
        case "NEON i8mm":
            return NeonDotMultiplier(neon_dot_layout())
        case "NEON dotprod":
            return NeonDotMultiplier(neon_dot_layout(subtracted=128))
        case "NEON":
            is_64_bit = target.registers == 32
            adds_two = least_weight > -128
            return NeonMultiplier(neon_layout(target.registers), is_64_bit, adds_two)
        case "AVX2" if fits_pairs:
            return PairMultiplier()
        case "SMLAD":
            return SmladMultiplier(smlad_layout())
        case "RVV":
            return OuterMultiplier(outer_layout(columns=16, pixels=6))
        case "portable" if target.vector_bytes < _VECTOR:
            return OuterMultiplier(outer_layout(columns=4, pixels=2))
        case "WebAssembly relaxed SIMD" if fits_pairs:
            return WasmDotMultiplier(wasm_layout())
        case "WebAssembly SIMD" | "WebAssembly relaxed SIMD":
            return PortableMultiplier(wasm_layout(), multiply_pairs_of_wasm)
        case _:
            return PortableMultiplier(pair_layout(target.registers))
