"""The sizes of a resized image, computed in machine code as ``preprocess`` computes them."""

from dataclasses import dataclass
from typing import Literal

from llvmlite import ir

from shufflenet.codegen.kernels._doubles import Doubles
from shufflenet.codegen.kernels._ir import INT32, Function, Value

__all__ = ["Side", "resized_sides"]


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

    def write_ratio(self, f: Function, doubles: Doubles, *, inverted: bool) -> Value:
        """Write the source pixels of a resized one; ``inverted`` divides as OpenCV does."""
        source, resized = (doubles.from_int(f, px) for px in (self.source_px, self.resized_px))
        if inverted:
            return doubles.divide(f, doubles.number(1), doubles.divide(f, resized, source))
        return doubles.divide(f, source, resized)


def resized_sides(
    f: Function,
    doubles: Doubles,
    source: tuple[Value, Value],
    shorter_px: int,
    longer_side: Literal["floor", "round", "half-up"],
) -> tuple[Side, Side]:
    """Write the width and the height of the resized image, as ``preprocess.resized_size`` does.

    Args:
        f: The function that is written.
        doubles: How float64 is computed.
        source: The width and the height of the image, int32.
        shorter_px: The length that the shorter side becomes.
        longer_side: The rounding of the longer one.
    """
    width, height = source
    is_upright = f.icmp_signed("<=", width, height)
    short = doubles.from_int(f, f.select(is_upright, width, height))
    long = doubles.from_int(f, f.select(is_upright, height, width))
    px = doubles.number(shorter_px)
    if longer_side == "floor":  # the product is exact
        scaled = doubles.to_int(f, doubles.divide(f, doubles.multiply(f, px, long), short))
    elif longer_side == "round":
        exact = doubles.multiply(f, long, doubles.divide(f, px, short))
        scaled = _round_half_to_even(f, doubles, exact)
    else:
        exact = doubles.multiply(f, doubles.divide(f, px, short), long)
        scaled = doubles.to_int(f, doubles.add(f, exact, doubles.number(0.5)))
    shorter = _int(shorter_px)
    return (
        Side(width, f.select(is_upright, shorter, scaled)),
        Side(height, f.select(is_upright, scaled, shorter)),
    )


def _round_half_to_even(f: Function, doubles: Doubles, value: Value) -> Value:
    """Round a float64 from 0 up to the nearest int32; a half to the even one."""
    whole = doubles.to_int(f, value)
    rest = doubles.subtract(f, value, doubles.from_int(f, whole))
    half = doubles.number(0.5)
    is_odd = f.trunc(whole, ir.IntType(1))
    at_half = f.and_(f.not_(doubles.is_less(f, rest, half)), is_odd)
    return f.add(whole, f.zext(f.or_(doubles.is_less(f, half, rest), at_half), INT32))


def _int(value: int) -> Value:
    return ir.Constant(INT32, value)
