"""The sizes of a resized image, computed in machine code as ``preprocess`` computes them."""

from dataclasses import dataclass
from typing import Literal

from llvmlite import ir

from shufflenet.codegen.kernels._doubles import Doubles
from shufflenet.codegen.kernels._ir import INT32, Function, Value
from shufflenet.preprocess import enlarged_size
from shufflenet.spec import Preprocess

__all__ = ["Side", "resized_sides", "write_half"]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of an image while it is resized, as in ``preprocess``.

    Attributes:
        source_px: Its length, int32.
        resized_px: Its length after resizing, int32.
    """

    source_px: Value
    resized_px: Value

    def write_ratio(self, f: Function, doubles: Doubles, *, inverted: bool) -> Value:
        """Write the source pixels of a resized one; ``inverted`` divides as OpenCV does."""
        source, resized = (doubles.from_int(f, px) for px in (self.source_px, self.resized_px))
        if inverted:
            return doubles.divide(f, doubles.number(1), doubles.divide(f, resized, source))
        return doubles.divide(f, source, resized)


def write_half(f: Function, spare: Value, rounding: Literal["round", "floor"]) -> Value:
    """Write the half of the pixels that a crop cuts off, or that a frame has more, int32."""
    half = f.ashr(spare, _int(1))
    if rounding == "floor":
        return half
    # A half is rounded to the even number: up where the number below is odd.
    return f.add(half, f.and_(f.and_(spare, half), _int(1)))


def resized_sides(
    f: Function, doubles: Doubles, source: tuple[Value, Value], how: Preprocess
) -> tuple[Side, Side]:
    """Write the width and the height of the resized image, as ``preprocess.scaled_size`` does.

    Args:
        f: The function that is written.
        doubles: How float64 is computed.
        source: The width and the height of the image, int32.
        how: What both sides become.
    """
    width, height = source
    if how.fit == "squash":
        return Side(width, _int(how.width_px)), Side(height, _int(how.height_px))
    across, down = enlarged_size(how)
    narrower, wider = f.mul(width, _int(how.height_px)), f.mul(height, _int(how.width_px))
    # Whether the width becomes the given one, and the height what that makes it.
    is_across = f.icmp_signed("<=" if how.fit == "crop" else ">=", narrower, wider)
    given = doubles.from_int(f, f.select(is_across, width, height))
    other = doubles.from_int(f, f.select(is_across, height, width))
    given_px = f.select(is_across, _int(across), _int(down))
    scaled = _write_scaled(f, doubles, (given_px, given, other), how.longer_side)
    if how.fit == "pad":  # at least 1 px is left of a thin image
        scaled = f.select(f.icmp_signed("<", scaled, _int(1)), _int(1), scaled)
    return (
        Side(width, f.select(is_across, given_px, scaled)),
        Side(height, f.select(is_across, scaled, given_px)),
    )


def _write_scaled(
    f: Function,
    doubles: Doubles,
    sides: tuple[Value, Value, Value],
    longer_side: Literal["floor", "round", "half-up"],
) -> Value:
    """Write what a side becomes where another one, of a length in float64, becomes so many px.

    Args:
        f: The function that is written.
        doubles: How float64 is computed.
        sides: What that one becomes, int32; its length and that of the side, in float64.
        longer_side: How it is rounded.
    """
    given_px, short, long = sides
    px = doubles.from_int(f, given_px)
    if longer_side == "floor":  # the product is exact
        return doubles.to_int(f, doubles.divide(f, doubles.multiply(f, px, long), short))
    exact = doubles.multiply(f, long, doubles.divide(f, px, short))
    if longer_side == "round":
        return _round_half_to_even(f, doubles, exact)
    return doubles.to_int(f, doubles.add(f, exact, doubles.number(0.5)))


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
