"""How float32 results become bytes, by instructions of AArch64."""

from collections.abc import Sequence

from llvmlite import ir

from shufflenet.codegen.kernels._ir import BYTE, INT16, INT32, Function, Value

__all__ = ["round_to_bytes_of_arm"]

_LANES = 4  # float32 values of a vector


def round_to_bytes_of_arm(
    f: Function, values: Sequence[Value], limits: tuple[Value, Value]
) -> Value:
    """Round vectors of float32 whose lanes are in the order of channels, a half to the even one."""
    lanes = len(values) * values[0].type.count
    fours = [
        f.shuffle(each, each, range(at, at + _LANES)) if each.type.count > _LANES else each
        for each in values
        for at in range(0, each.type.count, _LANES)
    ]
    # Of a single four, the other half of a vector of eight is the same, and cut off at the end.
    shorts = [_round_to_shorts(f, four) for four in fours * (2 if len(fours) == 1 else 1)]
    parts = [
        _narrow(f, "sqxtun", _joined(f, shorts[at : at + 2]), BYTE)
        for at in range(0, len(shorts), 2)
    ]
    whole = _joined(f, parts) if len(parts) == 2 else parts[0]
    clamped = f.clamp(whole, *(f.splat(f.fptoui(limit, BYTE), whole.type) for limit in limits))
    return clamped if clamped.type.count == lanes else f.shuffle(clamped, clamped, range(lanes))


def _round_to_shorts(f: Function, values: Value) -> Value:
    name = f"aarch64.neon.fcvtns.v{_LANES}i32.v{_LANES}f32"
    integers = f.intrinsic(name, ir.VectorType(INT32, _LANES), values)
    return _narrow(f, "sqxtn", integers, INT16)


def _narrow(f: Function, name: str, values: Value, element: ir.Type) -> Value:
    """Convert to integers of half the bits, limited to what these can be."""
    narrow = ir.VectorType(element, values.type.count)
    suffix = f"v{narrow.count}i{element.width}"
    return f.intrinsic(f"aarch64.neon.{name}.{suffix}", narrow, values)


def _joined(f: Function, pair: Sequence[Value]) -> Value:
    first, second = pair
    return f.shuffle(first, second, range(2 * first.type.count))
