"""Float32 to bytes by instructions of x86, which pack vectors by parts of 16 bytes."""

from collections.abc import Sequence

from llvmlite import ir

from shufflenet.codegen.kernels._byte_vectors import cut_to_bytes, split_lanes
from shufflenet.codegen.kernels._ir import BYTE, INT16, INT32, Function, Value

__all__ = ["round_to_bytes_of_x86"]


def round_to_bytes_of_x86(
    f: Function, values: Sequence[Value], limits: tuple[Value, Value]
) -> Value:
    """Round vectors of float32; bytes are limited, for packing limits them to 0 and 255."""
    packed = _pack_bytes(f, [_round_to_int(f, each) for each in values])
    ends = (f.splat(f.fptoui(limit, BYTE), packed.type) for limit in limits)
    return f.clamp(packed, *ends)


def _round_to_int(f: Function, values: Value) -> Value:
    """Round a vector of float32 to int32; what these cannot hold becomes the least of them."""
    sums = ir.VectorType(INT32, values.type.count)
    if sums.count < 16:
        name = {4: "x86.sse2.cvtps2dq", 8: "x86.avx.cvt.ps2dq.256"}[sums.count]
        return f.intrinsic(name, sums, values)
    all_lanes, current_mode = ir.Constant(INT16, -1), ir.Constant(INT32, 4)
    zeros = f.splat(0, sums)
    name = "x86.avx512.mask.cvtps2dq.512"
    return f.intrinsic(name, sums, values, zeros, all_lanes, current_mode)


def _pack_bytes(f: Function, sums: Sequence[Value]) -> Value:
    """Pack one, two or four vectors of int32 to bytes, limited to 0 and 255."""
    lanes = sums[0].type.count
    if len(sums) == 1:
        return cut_to_bytes(f, sums[0])
    shorts = [_pack_shorts(f, *sums[at : at + 2]) for at in range(0, len(sums), 2)]
    if len(sums) == 4:
        return _pack_shorts_to_bytes(f, *shorts)
    # Halves of one vector are packed as if they were two, and their parts put in order.
    halves = [f.shuffle(shorts[0], shorts[0], half) for half in split_lanes(range(2 * lanes), 2)]
    packed = _pack_shorts_to_bytes(f, *halves)
    eights = split_lanes(range(2 * lanes), 2 * lanes // 8)
    return f.shuffle(
        packed, packed, [lane for eight in eights[::2] + eights[1::2] for lane in eight]
    )


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
