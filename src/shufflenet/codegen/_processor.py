"""What an x86 processor has, asked when the code runs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from llvmlite import ir

from shufflenet.codegen.kernels import INT32, OFFSETS, Function, Value
from shufflenet.spec import Target

__all__ = ["can_ask", "write_lacks", "write_level"]

_Register: TypeAlias = Literal["eax", "ebx", "ecx", "edx"]
_REGISTERS: tuple[_Register, ...] = ("eax", "ebx", "ecx", "edx")


@dataclass(frozen=True, slots=True)
class _Bit:
    """A bit that CPUID sets in one register, of a leaf and a part of it."""

    leaf: int
    part: int
    register: _Register
    bit: int


_REGISTERS_OF_FEATURES: tuple[tuple[int, int, _Register, dict[str, int]], ...] = (
    (1, 0, "ecx", {"sse3": 0, "ssse3": 9, "fma": 12, "cx16": 13, "sse4.1": 19, "sse4.2": 20}),
    (1, 0, "ecx", {"movbe": 22, "popcnt": 23, "avx": 28, "f16c": 29}),
    (7, 0, "ebx", {"bmi": 3, "avx2": 5, "bmi2": 8, "avx512f": 16, "avx512dq": 17}),
    (7, 0, "ebx", {"avx512ifma": 21, "avx512cd": 28, "avx512bw": 30, "avx512vl": 31}),
    (7, 0, "ecx", {"avx512vbmi": 1, "avx512vbmi2": 6, "gfni": 8, "avx512vnni": 11}),
    (7, 0, "ecx", {"avx512bitalg": 12, "avx512vpopcntdq": 14}),
    (7, 0, "edx", {"amx-bf16": 22, "avx512fp16": 23, "amx-tile": 24, "amx-int8": 25}),
    (7, 1, "eax", {"avxvnni": 4, "avx512bf16": 5}),
    (0x80000001, 0, "ecx", {"sahf": 0, "lzcnt": 5}),
)
_OSXSAVE = _Bit(1, 0, "ecx", 27)

# Where CPUID tells of a feature, by LLVM's name: leaf, part, register and bit.
# Sources: Intel's manual, volume 2, CPUID; AMD's manual, volume 3, appendix E
_BITS: dict[str, _Bit] = {
    name: _Bit(leaf, part, register, bit)
    for leaf, part, register, bits in _REGISTERS_OF_FEATURES
    for name, bit in bits.items()
}
# Features of LLVM 22's processors of these names, without those that every x86-64 has, and without
# those of which no code is made here, such as AES. The first levels are those of x86-64's psABI.
_V2 = frozenset(["sse3", "ssse3", "cx16", "sse4.1", "sse4.2", "popcnt", "sahf"])
_V3 = _V2 | {"fma", "movbe", "avx", "f16c", "bmi", "avx2", "bmi2", "lzcnt"}
_V4 = _V3 | {"avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl"}
_ICELAKE = _V4 | {
    *("avx512ifma", "avx512vbmi", "avx512vbmi2", "avx512vnni", "avx512bitalg"),
    *("avx512vpopcntdq", "gfni"),
}
_OF_CPU: dict[str, frozenset[str]] = {
    "x86-64-v2": _V2,
    "x86-64-v3": _V3,
    "x86-64-v4": _V4,
    "alderlake": _V3 | {"avxvnni", "gfni"},
    "icelake-server": _ICELAKE,
    "sapphirerapids": _ICELAKE
    | {"avx512bf16", "avx512fp16", "avxvnni", "amx-tile", "amx-int8", "amx-bf16"},
}
# Which registers the system must save for a feature that begins so: bits of XCR0.
_SAVED = {"avx": 0b110, "avx512": 0b11100110, "amx": 0b11 << 17}


def write_level(f: Function, targets: Sequence[Target]) -> Value:
    """Write what computes the number of the last of some targets that the processor is.

    Args:
        f: The function that is written.
        targets: The first runs on every processor of the architecture; the others are levels of
            ``TARGETS``.
    """
    asked = _Asked(f, targets[0])
    level: Value = ir.Constant(INT32, 0)
    for number, target in enumerate(targets[1:], 1):
        level = f.select(asked.has_all(_needed(target)), ir.Constant(INT32, number), level)
    return level


def can_ask(target: Target) -> bool:
    """Return whether code can ask if the processor has what a target's code may use.

    Only an x86 is asked. Of processors that are not named in ``TARGETS`` those features count that
    the target lists.
    """
    return bool(target.triple.startswith("x86_64") and _needed(target))


def write_lacks(f: Function, target: Target) -> Value:
    """Write what computes whether the processor lacks what a target's code may use.

    Args:
        f: The function that is written; it has to run on every processor of the architecture.
        target: A target for which ``can_ask`` holds.
    """
    lacks = f.not_(_Asked(f, target).has_all(_needed(target)))
    if target.multiplies_bytes == "AMX" and "linux" in target.triple:
        return f.or_(lacks, _write_refuses_amx(f))
    return lacks


def _needed(target: Target) -> list[str]:
    """Return the features of a target that can be asked for."""
    listed = set(filter(None, target.features.split(",")))
    has = _OF_CPU.get(target.cpu, frozenset()) | {name[1:] for name in listed if name[0] == "+"}
    return sorted(_BITS.keys() & has - {name[1:] for name in listed if name[0] == "-"})


def _write_refuses_amx(f: Function) -> Value:
    """Write what asks Linux to let this process use AMX's tiles, and computes if it refuses.

    Source: kernel.org, Using XSTATE features in user space applications
    """
    # mov eax, 158; mov edi, 0x1023; mov esi, 18; syscall; ret
    code = "b8 9e000000 bf 23100000 be 12000000 0f05 c3"  # arch_prctl: request tile data
    kind = ir.FunctionType(INT32, [])
    result = f.call(_of_bytes(f.module, "request_tiles", kind, code), [])
    return f.icmp_unsigned("!=", result, _int(0))


def _of_bytes(module: ir.Module, name: str, kind: ir.FunctionType, code: str) -> ir.Function:
    """Return a function of machine code, for LLVM reads assembly of this machine's kind alone.

    The bytes are what LLVM calls a function's prologue: they come before its body, and return. As
    others might define it in its place, LLVM concludes nothing from the body.

    Args:
        module: The module that it belongs to.
        name: Its name there.
        kind: Its type; it is called as the system has it.
        code: Its bytes in hexadecimal, with spaces.
    """
    if found := module.globals.get(name):
        return found
    function = ir.Function(module, kind, name)
    function.linkage = "weak"
    function.attributes.add("noinline")
    content = bytes.fromhex(code)
    text = content.hex("\\")
    prologue = f'prologue [{len(content)} x i8] c"\\{text}"'
    set.add(function.attributes, prologue)  # llvmlite knows no such part
    body = ir.IRBuilder(function.append_basic_block())
    if isinstance(kind.return_type, ir.VoidType):
        body.ret_void()
    else:
        body.ret(ir.Constant(kind.return_type, 0))
    return function


class _Asked:
    """What a processor answers, each question asked once."""

    def __init__(self, f: Function, target: Target) -> None:
        self._f, self._target = f, target
        self._answer = f.alloca(ir.ArrayType(INT32, len(_REGISTERS)))
        self._answers: dict[tuple[int, int], Value] = {}
        # A leaf beyond the last is answered by another one, and XGETBV may not be known.
        self._last = {start: self._ask(start, 0) for start in (0, 0x80000000)}
        self._saved = self._ask_saved()

    def has_all(self, features: Collection[str]) -> Value:
        """Return whether there are all of some features, and the system saves their registers."""
        f, saved = self._f, 0
        for start, registers in _SAVED.items():
            if any(each.startswith(start) for each in features):
                saved |= registers
        has = f.icmp_unsigned("==", f.and_(self._saved, _int(saved)), _int(saved))
        for each in features:
            has = f.and_(has, self._has(_BITS[each]))
        return has

    def _has(self, bit: _Bit) -> Value:
        """Return whether a bit is set."""
        f, start = self._f, bit.leaf & 0x80000000
        mask = _int(1 << bit.bit)
        found = self._register(bit.leaf, bit.part, bit.register)
        known = f.icmp_unsigned(">=", f.extract_value(self._last[start], 0), _int(bit.leaf))
        if bit.part:  # the first part says which is the last
            parts = self._register(bit.leaf, 0, "eax")
            known = f.and_(known, f.icmp_unsigned(">=", parts, _int(bit.part)))
        return f.and_(known, f.icmp_unsigned("!=", f.and_(found, mask), _int(0)))

    def _register(self, leaf: int, part: int, register: _Register) -> Value:
        if (leaf, part) not in self._answers:
            self._answers[leaf, part] = self._ask(leaf, part)
        return self._f.extract_value(self._answers[leaf, part], _REGISTERS.index(register))

    def _ask(self, leaf: int, part: int) -> Value:
        # Arguments to eax, ecx and r8; mov r9, rbx; cpuid; four stores at r8; mov rbx, r9; ret
        is_windows = "windows" in self._target.triple
        arguments = "89c8 89d1" if is_windows else "4989d0 89f8 89f1"
        stores = "418900 41895804 41894808 4189500c"
        code = f"{arguments} 4989d9 0fa2 {stores} 4c89cb c3"
        kind = ir.FunctionType(ir.VoidType(), [INT32, INT32, OFFSETS])
        f = self._f
        answer = f.bitcast(self._answer, OFFSETS)
        f.call(_of_bytes(f.module, "cpuid", kind, code), [_int(leaf), _int(part), answer])
        return f.load(self._answer)

    def _ask_saved(self) -> Value:
        """Return the lower half of XCR0; 0 where the system does not use it."""
        f, kind = self._f, ir.FunctionType(INT32, [])
        uses = self._has(_OSXSAVE)
        before = f.block
        with f.if_then(uses):
            code = "31c9 0f01d0 c3"  # xor ecx, ecx; xgetbv; ret
            saved = f.call(_of_bytes(f.module, "xgetbv", kind, code), [])
            asked = f.block
        both = f.phi(INT32)
        both.add_incoming(_int(0), before)
        both.add_incoming(saved, asked)
        return both


def _int(value: int) -> Value:
    return ir.Constant(INT32, value)
