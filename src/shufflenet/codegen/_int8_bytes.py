"""How sums of 32 bits become bytes in the order of channels.

What packs or unpacks vectors does it in parts of 16 bytes. Sums are therefore kept in an order of
which bytes in the order of channels come out.
"""

from collections.abc import Sequence

from llvmlite import ir

from shufflenet.codegen._int8_weights import lane_order
from shufflenet.codegen._ir import BYTE, FLOAT, INT16, INT32, Function, Value
from shufflenet.graph import LARGEST_BYTE

__all__ = ["between", "from_bytes", "interleaved", "rounded", "to_bytes"]

_PART = 16  # bytes


def _parts(values: Sequence[int], vectors: int) -> list[list[int]]:
    """Cut a list of lanes into those of each vector."""
    lanes = len(values) // vectors
    return [list(values[start : start + lanes]) for start in range(0, len(values), lanes)]


def rounded(f: Function, values: Value) -> Value:
    """Round to the nearest numbers of 32 bits, a half to the even one."""
    sums = ir.VectorType(INT32, values.type.count)
    if sums.count < 16:
        name = {4: "x86.sse2.cvtps2dq", 8: "x86.avx.cvt.ps2dq.256"}[sums.count]
        return f.intrinsic(name, sums, values)
    every, as_set = ir.Constant(INT16, -1), ir.Constant(INT32, 4)  # lanes, and how to round
    nothing = f.splat(0, sums)
    return f.intrinsic("x86.avx512.mask.cvtps2dq.512", sums, values, nothing, every, as_set)


def to_bytes(f: Function, sums: Sequence[Value]) -> Value:
    """Pack one vector of sums, two or four to bytes; what lies beyond 0 or 255 is cut off."""
    lanes = sums[0].type.count
    if len(sums) == 1:
        low, high = (f.splat(end, sums[0].type) for end in (0, LARGEST_BYTE))
        above = f.select(f.icmp_signed("<", sums[0], low), low, sums[0])
        cut = f.select(f.icmp_signed(">", above, high), high, above)
        return f.trunc(cut, ir.VectorType(BYTE, lanes))
    shorts = [_shorts_of(f, *sums[at : at + 2]) for at in range(0, len(sums), 2)]
    if len(sums) == 4:
        return _bytes_of(f, *shorts)
    # Halves of one vector are packed as if they were two, and their parts put in order.
    halves = [f.shuffle(shorts[0], shorts[0], half) for half in _parts(range(2 * lanes), 2)]
    found = _bytes_of(f, *halves)
    eights = _parts(range(2 * lanes), 2 * lanes // 8)
    return f.shuffle(found, found, [lane for own in eights[::2] + eights[1::2] for lane in own])


def between(f: Function, values: Value, low: Value, high: Value) -> Value:
    """Cut off what is less than the first, or more than the second."""
    values = f.maximum(values, low)
    is_float = values.type.element == FLOAT
    more = f.fcmp_ordered(">", values, high) if is_float else f.icmp_unsigned(">", values, high)
    return f.select(more, high, values)


def from_bytes(f: Function, pointer: Value, vectors: int, lanes: int) -> list[Value]:
    """Load bytes of channels as sums of them would lie."""
    loaded = f.vector(pointer, ir.VectorType(BYTE, vectors * lanes))
    sums = ir.VectorType(INT32, lanes)
    chosen = (f.shuffle(loaded, loaded, own) for own in _parts(lane_order(vectors, lanes), vectors))
    return [f.zext(own, sums) for own in chosen]


def interleaved(f: Function, a: Value, b: Value) -> list[Value]:
    """Put the lanes of two vectors beside each other: of first halves of parts, then of second."""
    lanes = a.type.count
    own = _PART * 8 // a.type.element.width
    starts = range(0, lanes, own)
    halves = ((half, half + own // 2) for half in (0, own // 2))
    return [
        f.shuffle(
            a,
            b,
            [lane + at + of for at in starts for lane in range(*half) for of in (0, lanes)],
        )
        for half in halves
    ]


def _shorts_of(f: Function, a: Value, b: Value) -> Value:
    """Pack two vectors of 32 bits to one of 16, part by part."""
    lanes = a.type.count
    name = {4: "sse2.packssdw.128", 8: "avx2.packssdw", 16: "avx512.packssdw.512"}[lanes]
    return f.intrinsic(f"x86.{name}", ir.VectorType(INT16, 2 * lanes), a, b)


def _bytes_of(f: Function, a: Value, b: Value) -> Value:
    """Pack two vectors of 16 bits to one of bytes, part by part."""
    lanes = a.type.count
    name = {8: "sse2.packuswb.128", 16: "avx2.packuswb", 32: "avx512.packuswb.512"}[lanes]
    return f.intrinsic(f"x86.{name}", ir.VectorType(BYTE, 2 * lanes), a, b)
