"""The kernel that makes float32 of constants that were stored as float16 (``codegen._halves``)."""

from llvmlite import ir

from shufflenet.codegen.kernels._ir import (
    BYTE,
    BYTES,
    FLOAT,
    INDEX,
    INT16,
    INT32,
    OFFSETS,
    Function,
    Value,
)
from shufflenet.codegen.kernels._layout import LINE_BYTES, LINE_WORDS
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._signature import Kernel, Signature

__all__ = ["expand_halves"]

_LANES = 8
_COPIED, _HALVES = ir.VectorType(BYTE, 16), ir.VectorType(INT16, _LANES)
_WORDS, _FLOATS = ir.VectorType(INT32, _LANES), ir.VectorType(FLOAT, _LANES)


def expand_halves(library: Library) -> Kernel:
    """Return the kernel that writes the lines that ``halves`` stored, at cache lines.

    ``runs`` are pairs of numbers of lines: so many that are copied, then so many of float16 that
    become float32. No instruction for float16 is used, for many processors have none.
    """
    signature = Signature({"stored": BYTES, "runs": OFFSETS, "pairs": INDEX, "output": BYTES})
    return library.kernel("expand_halves", signature, _write)


def _write(f: Function) -> None:
    a = f.arguments
    source, target = f.variable(BYTES), f.variable(BYTES)
    f.store(a.stored, source)
    f.store(a.output, target)
    with f.loop(a.pairs) as pair:
        for number, (line, line_bytes) in enumerate(
            ((_copy_line, LINE_BYTES), (_expand_line, LINE_BYTES // 2))
        ):
            lines = f.load_offset(f.at(a.runs, pair, pair), number)
            with f.loop(lines):
                line(f, f.load(source), f.load(target))
                f.store(f.at(f.load(source), line_bytes), source)
                f.store(f.at(f.load(target), LINE_BYTES), target)


def _copy_line(f: Function, source: Value, target: Value) -> None:
    for start in range(0, LINE_BYTES, _COPIED.count):
        f.store_vector(f.load_vector(f.at(source, start), _COPIED), f.at(target, start))


def _expand_line(f: Function, source: Value, target: Value) -> None:
    for start in range(0, LINE_WORDS, _LANES):
        halves = f.load_vector(f.at(source, 2 * start), _HALVES)
        f.store_vector(_to_float(f, halves), f.at(target, 4 * start))


def _to_float(f: Function, halves: Value) -> Value:
    """Convert finite float16, and subnormal ones without an operation on a subnormal float32."""

    def bits(number: int) -> Value:
        return f.splat(number, _WORDS)

    words = f.zext(halves, _WORDS)
    sign = f.shl(f.and_(words, bits(0x8000)), bits(16))
    # Exponent and fraction where float32 has them; the exponent 0 is 15 in one, 127 in the other.
    magnitude = f.shl(f.and_(words, bits(0x7FFF)), bits(13))
    is_subnormal = f.icmp_unsigned("<", magnitude, bits(1 << 23))
    normal = f.add(magnitude, bits((127 - 15) << 23))
    # A subnormal one has no leading 1: it is added as 2**-14, and subtracted.
    with_one = f.bitcast(f.add(magnitude, bits((127 - 14) << 23)), _FLOATS)
    without = f.bitcast(f.fsub(with_one, f.splat(2.0**-14, _FLOATS)), _WORDS)
    return f.or_(sign, f.select(is_subnormal, without, normal))
