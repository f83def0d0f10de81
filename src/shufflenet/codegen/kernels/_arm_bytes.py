"""How float32 results become bytes, by instructions of AArch64."""

from collections.abc import Sequence

from llvmlite import ir

from shufflenet.codegen.kernels._ir import BYTE, INT16, INT32, Function, Value

__all__ = ["round_to_bytes_of_arm"]

_PART = 8  # lanes of the vectors that narrower numbers come out as


def round_to_bytes_of_arm(
    f: Function, values: Sequence[Value], limits: tuple[Value, Value]
) -> Value:
    """Round vectors of float32, of four lanes in the order of channels, a half to the even one."""
    shorts = [_round_to_shorts(f, each) for each in values]
    if len(shorts) == 1:
        packed = _narrow(f, "sqxtun", _joined(f, shorts * 2), BYTE)
        ends = [_byte(f, limit, packed.type) for limit in limits]
        return f.shuffle(clamped := f.clamp(packed, *ends), clamped, range(4))
    eights = [_joined(f, shorts[at : at + 2]) for at in range(0, len(shorts), 2)]
    packed = [_narrow(f, "sqxtun", eight, BYTE) for eight in eights]
    whole = packed[0] if len(packed) == 1 else _joined(f, packed)
    return f.clamp(whole, *(_byte(f, limit, whole.type) for limit in limits))


def _round_to_shorts(f: Function, values: Value) -> Value:
    integers = f.intrinsic("aarch64.neon.fcvtns.v4i32.v4f32", ir.VectorType(INT32, 4), values)
    return _narrow(f, "sqxtn", integers, INT16)


def _narrow(f: Function, name: str, values: Value, element: ir.Type) -> Value:
    """Convert to numbers of half the bits, limited to what these can be."""
    narrow = ir.VectorType(element, values.type.count)
    suffix = f"v{narrow.count}i{element.width}"
    return f.intrinsic(f"aarch64.neon.{name}.{suffix}", narrow, values)


def _joined(f: Function, pair: Sequence[Value]) -> Value:
    return f.shuffle(*pair, range(2 * pair[0].type.count))


def _byte(f: Function, limit: Value, kind: ir.VectorType) -> Value:
    return f.splat(f.fptoui(limit, BYTE), kind)
