"""The sizes of a resized image, computed in machine code as ``preprocess`` computes them."""

from dataclasses import dataclass
from typing import Literal

from llvmlite import ir

from shufflenet.codegen.kernels._ir import INT32, Function, Value

__all__ = ["DOUBLE", "Side", "resized_sides", "round_half_to_even"]

DOUBLE = ir.DoubleType()


@dataclass(frozen=True, slots=True)
class Side:
    """One side of an image while it is resized, as in ``preprocess``.

    Attributes:
        source_px: Its length, int32.
        resized_px: Its length after resizing, int32.
    """

    source_px: Value
    resized_px: Value

    def write_first(self, f: Function, kept_px: int, rounding: Literal["round", "floor"]) -> Value:
        """Write the position after resizing of the first pixel that a crop keeps, int32."""
        spare = f.sub(self.resized_px, _int(kept_px))
        half = f.ashr(spare, _int(1))
        if rounding == "floor":
            return half
        # A half is rounded to the even number: up where the number below is odd.
        return f.add(half, f.and_(f.and_(spare, half), _int(1)))

    def write_ratio(self, f: Function, *, inverted: bool) -> Value:
        """Write the source pixels of a resized one; ``inverted`` divides as OpenCV does."""
        source, resized = (f.sitofp(px, DOUBLE) for px in (self.source_px, self.resized_px))
        if inverted:
            return f.fdiv(ir.Constant(DOUBLE, 1.0), f.fdiv(resized, source))
        return f.fdiv(source, resized)


def resized_sides(
    f: Function,
    source: tuple[Value, Value],
    shorter_px: int,
    longer_side: Literal["floor", "round", "half-up"],
) -> tuple[Side, Side]:
    """Write the width and the height of the resized image, as ``preprocess.resized_size`` does.

    Args:
        f: The function that is written.
        source: The width and the height of the image, int32.
        shorter_px: The length that the shorter side becomes.
        longer_side: The rounding of the longer one.
    """
    width, height = source
    is_upright = f.icmp_signed("<=", width, height)
    short = f.sitofp(f.select(is_upright, width, height), DOUBLE)
    long = f.sitofp(f.select(is_upright, height, width), DOUBLE)
    px = ir.Constant(DOUBLE, float(shorter_px))
    if longer_side == "floor":  # the product is exact
        scaled = f.fptosi(f.fdiv(f.fmul(px, long), short), INT32)
    elif longer_side == "round":
        scaled = round_half_to_even(f, f.fmul(long, f.fdiv(px, short)))
    else:
        exact = f.fmul(f.fdiv(px, short), long)
        scaled = f.fptosi(f.fadd(exact, ir.Constant(DOUBLE, 0.5)), INT32)
    shorter = _int(shorter_px)
    return (
        Side(width, f.select(is_upright, shorter, scaled)),
        Side(height, f.select(is_upright, scaled, shorter)),
    )


def round_half_to_even(f: Function, value: Value) -> Value:
    """Round a float of any width, from 0 up, to the nearest int32; a half to the even one."""
    kind = value.type
    whole = f.fptosi(value, INT32)
    rest = f.fsub(value, f.sitofp(whole, kind))
    half = ir.Constant(kind, 0.5)
    is_odd = f.trunc(whole, ir.IntType(1))
    at_half = f.and_(f.fcmp_ordered("==", rest, half), is_odd)
    return f.add(whole, f.zext(f.or_(f.fcmp_ordered(">", rest, half), at_half), INT32))


def _int(value: int) -> Value:
    return ir.Constant(INT32, value)
