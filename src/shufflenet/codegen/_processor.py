"""Which level of x86 a processor has, asked when the code runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from llvmlite import ir

from shufflenet.codegen.kernels import INT32, Function, Value
from shufflenet.spec import Target

__all__ = ["write_level"]

_Register: TypeAlias = Literal["eax", "ebx", "ecx", "edx"]
_REGISTERS: tuple[_Register, ...] = ("eax", "ebx", "ecx", "edx")


@dataclass(frozen=True, slots=True)
class _Bits:
    """Bits that CPUID must set in one register, of a leaf and a part of it."""

    leaf: int
    part: int
    register: _Register
    bits: tuple[int, ...]


# Sources: Intel's manual, volume 2, CPUID; AMD's manual, volume 3, appendix E; the levels are those
# of the psABI of x86-64, which LLVM's processors of these names have.
_V3 = (
    # SSE3, SSSE3, FMA, CMPXCHG16B, SSE4.1, SSE4.2, MOVBE, POPCNT, OSXSAVE, AVX, F16C
    _Bits(1, 0, "ecx", (0, 9, 12, 13, 19, 20, 22, 23, 27, 28, 29)),
    _Bits(7, 0, "ebx", (3, 5, 8)),  # BMI1, AVX2, BMI2
    _Bits(0x80000001, 0, "ecx", (0, 5)),  # LAHF, LZCNT
)
_V4 = (*_V3, _Bits(7, 0, "ebx", (16, 17, 28, 30, 31)))  # AVX-512: F, DQ, CD, BW, VL
_OF_CPU = {"x86-64": (), "x86-64-v3": _V3, "x86-64-v4": _V4}
_OF_FEATURES = {
    "": (),
    "+avxvnni": (_Bits(7, 1, "eax", (4,)),),
    "+avx512vnni": (_Bits(7, 0, "ecx", (11,)),),
}
# Which registers the system saves, bits of XCR0: SSE and AVX; and those of AVX-512.
_SAVED = {"x86-64": 0, "x86-64-v3": 0b110, "x86-64-v4": 0b11100110}


def write_level(f: Function, targets: Sequence[Target]) -> Value:
    """Write what computes the number of the last of some targets that the processor is.

    Args:
        f: The function that is written.
        targets: The first runs on every processor of the architecture; the others are levels of
            ``TARGETS``.
    """
    asked = _Asked(f)
    level: Value = ir.Constant(INT32, 0)
    for number, target in enumerate(targets[1:], 1):
        has = asked.saves(_SAVED[target.cpu])
        for bits in (*_OF_CPU[target.cpu], *_OF_FEATURES[target.features]):
            has = f.and_(has, asked.has(bits))
        level = f.select(has, ir.Constant(INT32, number), level)
    return level


class _Asked:
    """What a processor answers, each question asked once."""

    def __init__(self, f: Function) -> None:
        self._f = f
        self._answers: dict[tuple[int, int], Value] = {}
        # A leaf beyond the last is answered by another one, and XGETBV may not be known.
        self._last = {start: self._ask(start, 0) for start in (0, 0x80000000)}
        self._saved = self._ask_saved()

    def saves(self, registers: int) -> Value:
        """Return whether the system saves all of some registers."""
        f = self._f
        return f.icmp_unsigned("==", f.and_(self._saved, _int(registers)), _int(registers))

    def has(self, bits: _Bits) -> Value:
        """Return whether all bits are set."""
        f, start = self._f, bits.leaf & 0x80000000
        mask = _int(sum(1 << bit for bit in bits.bits))
        found = self._register(bits.leaf, bits.part, bits.register)
        known = f.icmp_unsigned(">=", f.extract_value(self._last[start], 0), _int(bits.leaf))
        if bits.part:  # the first part says which is the last
            parts = self._register(bits.leaf, 0, "eax")
            known = f.and_(known, f.icmp_unsigned(">=", parts, _int(bits.part)))
        return f.and_(known, f.icmp_unsigned("==", f.and_(found, mask), mask))

    def _register(self, leaf: int, part: int, register: _Register) -> Value:
        if (leaf, part) not in self._answers:
            self._answers[leaf, part] = self._ask(leaf, part)
        return self._f.extract_value(self._answers[leaf, part], _REGISTERS.index(register))

    def _ask(self, leaf: int, part: int) -> Value:
        kind = ir.FunctionType(ir.LiteralStructType([INT32] * 4), [INT32, INT32])
        asm = ir.InlineAsm(kind, "cpuid", "={ax},={bx},={cx},={dx},{ax},{cx}", side_effect=True)
        return self._f.call(asm, [_int(leaf), _int(part)])

    def _ask_saved(self) -> Value:
        """Return the lower half of XCR0; 0 where the system does not use it."""
        f, kind = self._f, ir.FunctionType(ir.LiteralStructType([INT32] * 2), [INT32])
        uses = self.has(_Bits(1, 0, "ecx", (27,)))  # OSXSAVE
        before = f.block
        with f.if_then(uses):
            asm = ir.InlineAsm(kind, "xgetbv", "={ax},={dx},{cx}", side_effect=True)
            saved = f.extract_value(f.call(asm, [_int(0)]), 0)
            asked = f.block
        both = f.phi(INT32)
        both.add_incoming(_int(0), before)
        both.add_incoming(saved, asked)
        return both


def _int(value: int) -> Value:
    return ir.Constant(INT32, value)
