"""How float32 results become bytes in the order of channels, and bytes sums, on any processor.

Some processors pack or unpack vectors by parts of 16 bytes. Sums are therefore kept in an order in
which bytes in the order of channels come out (``lane_order``).
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from llvmlite import ir

from shufflenet.codegen.kernels._int8_layout import lane_order
from shufflenet.codegen.kernels._ir import BYTE, INT32, Function, Value
from shufflenet.graph import LARGEST_BYTE

__all__ = [
    "ToBytes",
    "cut_to_bytes",
    "interleave",
    "load_as_sums",
    "round_to_bytes",
    "round_to_int",
    "split_lanes",
]

_PART = 16  # bytes


# Writes what rounds one, two or four vectors of float32, in the lanes of sums (``lane_order``), to
# bytes in the order of channels, a half to the even one. The limits are scalars, integers from 0 to
# 255; NaN becomes the lower one.
ToBytes: TypeAlias = Callable[[Function, Sequence[Value], tuple[Value, Value]], Value]

# 1.5 * 2**23. Between 2**23 and 2**24 the distance of float32 is one: what is added to this number
# is rounded to an integer, a half to the even one, which then stands in the low bits. LLVM's own
# rounding becomes calls of a library where a processor has no such instruction.
_INTEGERS_FROM = 12582912.0
_THEIR_BITS = 0x4B400000


def round_to_int(f: Function, values: Value) -> Value:
    """Round a vector of float32, each between -2**22 and 2**22, to int32; halves to even."""
    bits = _integer_bits(f, values)
    return f.sub(bits, f.splat(_THEIR_BITS, bits.type))


def round_to_bytes(f: Function, values: Sequence[Value], limits: tuple[Value, Value]) -> Value:
    """Round vectors of float32 whose lanes are in the order of channels, on any processor."""
    low, high = (f.splat(limit, values[0].type) for limit in limits)
    vectors = []
    for each in values:
        above = f.select(f.fcmp_ordered(">", each, low), each, low)
        cut = f.select(f.fcmp_ordered("<", above, high), above, high)
        vectors.append(_integer_bits(f, cut))  # of which the lowest byte is the integer
    while len(vectors) > 1:
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [f.shuffle(a, b, range(2 * a.type.count)) for a, b in pairs]
    return f.trunc(vectors[0], ir.VectorType(BYTE, vectors[0].type.count))


def cut_to_bytes(f: Function, sums: Value) -> Value:
    """Convert one vector of int32 to bytes, limited to 0 and 255."""
    low, high = (f.splat(end, sums.type) for end in (0, LARGEST_BYTE))
    above = f.select(f.icmp_signed("<", sums, low), low, sums)
    cut = f.select(f.icmp_signed(">", above, high), high, above)
    return f.trunc(cut, ir.VectorType(BYTE, sums.type.count))


def load_as_sums(f: Function, pointer: Value, vectors: int, lanes: int) -> list[Value]:
    """Load bytes of channels as int32, in the lanes that their sums have."""
    loaded = f.load_vector(pointer, ir.VectorType(BYTE, vectors * lanes))
    sums = ir.VectorType(INT32, lanes)
    orders = split_lanes(lane_order(vectors, lanes), vectors)
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


def split_lanes(lanes: Sequence[int], vectors: int) -> list[list[int]]:
    """Split a list of lanes into those of each vector.

    >>> split_lanes([0, 2, 1, 3], 2)
    [[0, 2], [1, 3]]
    """
    count = len(lanes) // vectors
    return [list(lanes[start : start + count]) for start in range(0, len(lanes), count)]


def _integer_bits(f: Function, values: Value) -> Value:
    moved = f.fadd(values, f.splat(_INTEGERS_FROM, values.type))
    return f.bitcast(moved, ir.VectorType(INT32, values.type.count))
