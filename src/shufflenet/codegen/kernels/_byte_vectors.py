"""How int32 sums become bytes in the order of channels, and bytes sums, by instructions of x86.

What packs or unpacks vectors works on parts of 16 bytes. Sums are therefore kept in an order in
which bytes in the order of channels come out (``lane_order``).
"""

from collections.abc import Sequence

from llvmlite import ir

from shufflenet.codegen.kernels._int8_layout import lane_order
from shufflenet.codegen.kernels._ir import BYTE, INT16, INT32, Function, Value
from shufflenet.graph import LARGEST_BYTE

__all__ = ["interleave", "load_as_sums", "pack_bytes", "round_to_int"]

_PART = 16  # bytes


def round_to_int(f: Function, values: Value) -> Value:
    """Round a vector of float32 to the nearest int32, a half to the even one."""
    sums = ir.VectorType(INT32, values.type.count)
    if sums.count < 16:
        name = {4: "x86.sse2.cvtps2dq", 8: "x86.avx.cvt.ps2dq.256"}[sums.count]
        return f.intrinsic(name, sums, values)
    all_lanes, current_mode = ir.Constant(INT16, -1), ir.Constant(INT32, 4)
    zeros = f.splat(0, sums)
    name = "x86.avx512.mask.cvtps2dq.512"
    return f.intrinsic(name, sums, values, zeros, all_lanes, current_mode)


def pack_bytes(f: Function, sums: Sequence[Value]) -> Value:
    """Pack one, two or four vectors of int32 to bytes, limited to 0 and 255."""
    lanes = sums[0].type.count
    if len(sums) == 1:
        low, high = (f.splat(end, sums[0].type) for end in (0, LARGEST_BYTE))
        above = f.select(f.icmp_signed("<", sums[0], low), low, sums[0])
        cut = f.select(f.icmp_signed(">", above, high), high, above)
        return f.trunc(cut, ir.VectorType(BYTE, lanes))
    shorts = [_pack_shorts(f, *sums[at : at + 2]) for at in range(0, len(sums), 2)]
    if len(sums) == 4:
        return _pack_shorts_to_bytes(f, *shorts)
    # Halves of one vector are packed as if they were two, and their parts put in order.
    halves = [f.shuffle(shorts[0], shorts[0], half) for half in _split(range(2 * lanes), 2)]
    packed = _pack_shorts_to_bytes(f, *halves)
    eights = _split(range(2 * lanes), 2 * lanes // 8)
    return f.shuffle(
        packed, packed, [lane for eight in eights[::2] + eights[1::2] for lane in eight]
    )


def load_as_sums(f: Function, pointer: Value, vectors: int, lanes: int) -> list[Value]:
    """Load bytes of channels as int32, in the lanes that their sums have."""
    loaded = f.load_vector(pointer, ir.VectorType(BYTE, vectors * lanes))
    sums = ir.VectorType(INT32, lanes)
    orders = _split(lane_order(vectors, lanes), vectors)
    return [f.zext(f.shuffle(loaded, loaded, order), sums) for order in orders]


def interleave(f: Function, a: Value, b: Value) -> list[Value]:
    """Alternate the lanes of two vectors: of the first halves of parts, then of the second."""
    lanes = a.type.count
    part = _PART * 8 // a.type.element.width
    starts = range(0, lanes, part)
    halves = ((half, half + part // 2) for half in (0, part // 2))
    return [
        f.shuffle(
            a,
            b,
            [lane + at + of for at in starts for lane in range(*half) for of in (0, lanes)],
        )
        for half in halves
    ]


def _split(values: Sequence[int], vectors: int) -> list[list[int]]:
    """Split a list of lanes into those of each vector."""
    lanes = len(values) // vectors
    return [list(values[start : start + lanes]) for start in range(0, len(values), lanes)]


def _pack_shorts(f: Function, a: Value, b: Value) -> Value:
    """Pack two vectors of int32 to one of int16, part by part."""
    lanes = a.type.count
    name = {4: "sse2.packssdw.128", 8: "avx2.packssdw", 16: "avx512.packssdw.512"}[lanes]
    return f.intrinsic(f"x86.{name}", ir.VectorType(INT16, 2 * lanes), a, b)


def _pack_shorts_to_bytes(f: Function, a: Value, b: Value) -> Value:
    """Pack two vectors of int16 to one of bytes, part by part."""
    lanes = a.type.count
    name = {8: "sse2.packuswb.128", 16: "avx2.packuswb", 32: "avx512.packuswb.512"}[lanes]
    return f.intrinsic(f"x86.{name}", ir.VectorType(BYTE, 2 * lanes), a, b)
