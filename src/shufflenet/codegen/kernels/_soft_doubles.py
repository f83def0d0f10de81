"""Arithmetic of float64 by integers, for processors that compute float32 at most.

Only numbers that a resize computes with are known: zeros and normal ones, far from the largest and
the smallest. A number is the 64 bits that IEEE 754 gives it.
"""

import struct
from collections.abc import Callable, Sequence

from shufflenet.codegen.kernels._ir import FLOAT, INDEX, INT32, Function, Value, index
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._signature import Signature

__all__ = ["SoftDoubles"]

_FRACTION = 52  # bits
_SPARE = 63 - _FRACTION  # bits below the fraction if the leading 1 is the highest bit of 64
_BIAS, _FLOAT_BIAS = 1023, 127
_SIGN = 1 << 63
_FLOAT_FRACTION = 23


class SoftDoubles:
    """By integers.

    Args:
        library: The module's functions.
    """

    kind = INDEX

    def __init__(self, library: Library) -> None:
        self._library = library

    def number(self, value: float) -> Value:
        """Return a constant."""
        (bits,) = struct.unpack("<q", struct.pack("<d", value))
        return index(bits)

    def add(self, f: Function, a: Value, b: Value) -> Value:
        """Compute ``a + b``."""
        return self._call(f, "double_add", _add, (a, b))

    def subtract(self, f: Function, a: Value, b: Value) -> Value:
        """Compute ``a - b``."""
        return self.add(f, a, f.xor(b, index(-_SIGN)))

    def multiply(self, f: Function, a: Value, b: Value) -> Value:
        """Compute ``a * b``."""
        return self._call(f, "double_multiply", _multiply, (a, b))

    def divide(self, f: Function, a: Value, b: Value) -> Value:
        """Compute ``a / b``; ``b`` is not 0."""
        return self._call(f, "double_divide", _divide, (a, b))

    def is_less(self, f: Function, a: Value, b: Value) -> Value:
        """Whether ``a < b``; a negative 0 counts as less than 0."""
        keys = [f.xor(each, f.lshr(f.ashr(each, index(63)), index(1))) for each in (a, b)]
        return f.icmp_signed("<", *keys)

    def from_int(self, f: Function, value: Value) -> Value:
        """Convert an int32 from 0 up."""
        return self._call(f, "double_from_int", _from_int, (f.zext(value, INDEX),))

    def to_int(self, f: Function, a: Value) -> Value:
        """Convert to int32, cut towards 0."""
        exponent, significand = _exponent(f, a), _significand(f, a)
        places = f.sub(index(_BIAS + 63), exponent)
        is_less_than_one = f.icmp_signed(">", places, index(63))
        shift = f.select(is_less_than_one, index(63), places)
        cut = f.select(is_less_than_one, index(0), f.lshr(significand, shift))
        negative = f.icmp_signed("<", a, index(0))
        return f.trunc(f.select(negative, f.sub(index(0), cut), cut), INT32)

    def to_float(self, f: Function, a: Value) -> Value:
        """Round to float32."""
        exponent = f.sub(_exponent(f, a), index(_BIAS - _FLOAT_BIAS))
        rounded = _rounded(f, exponent, _significand(f, a), _FLOAT_FRACTION)
        sign = f.lshr(f.and_(a, index(-_SIGN)), index(32))
        bits = f.select(_is_zero(f, a), sign, f.or_(sign, rounded))
        return f.bitcast(f.trunc(bits, INT32), FLOAT)

    def _call(
        self,
        f: Function,
        name: str,
        write: Callable[[Function, Sequence[Value]], Value],
        numbers: Sequence[Value],
    ) -> Value:
        """Write a call of a function of numbers, which is written where it is first needed."""
        place = f.variable(INDEX)
        names = [f"number_{n}" for n in range(len(numbers))]
        signature = Signature(dict.fromkeys(names, INDEX) | {"result": INDEX.as_pointer()})

        def body(inner: Function) -> None:
            arguments = vars(inner.arguments)
            inner.store(write(inner, [arguments[each] for each in names]), arguments["result"])

        kernel = self._library.kernel(name, signature, body)
        kernel.call(f, result=place, **dict(zip(names, numbers, strict=True)))
        return f.load(place)


def _add(f: Function, numbers: Sequence[Value]) -> Value:
    a, b = numbers
    is_smaller = f.icmp_unsigned("<", _magnitude(f, a), _magnitude(f, b))
    large, small = f.select(is_smaller, b, a), f.select(is_smaller, a, b)
    exponent = _exponent(f, large)
    apart = f.sub(exponent, _exponent(f, small))
    apart = f.select(f.icmp_signed(">", apart, index(62)), index(62), apart)
    # One bit is free for the carry. What is shifted out stays as a last bit.
    high, low = (f.lshr(_significand(f, each), index(1)) for each in (large, small))
    shifted = f.lshr(low, apart)
    lost = f.icmp_unsigned("!=", f.shl(shifted, apart), low)
    shifted = f.or_(shifted, f.zext(lost, INDEX))
    is_same_sign = f.icmp_signed(">=", f.xor(a, b), index(0))
    total = f.select(is_same_sign, f.add(high, shifted), f.sub(high, shifted))
    result = _packed(f, f.and_(large, index(-_SIGN)), f.add(exponent, index(1)), total)
    result = f.select(f.icmp_signed("==", total, index(0)), index(0), result)
    return f.select(_is_zero(f, small), large, result)


def _multiply(f: Function, numbers: Sequence[Value]) -> Value:
    a, b = numbers
    halves = [
        (f.and_(bits, index(0xFFFFFFFF)), f.lshr(bits, index(32)))
        for bits in (_significand(f, a), _significand(f, b))
    ]
    (a_low, a_high), (b_low, b_high) = halves
    low, middle = f.mul(a_low, b_low), f.mul(a_low, b_high)
    other = f.mul(a_high, b_low)
    carried = f.add(f.and_(middle, index(0xFFFFFFFF)), f.and_(other, index(0xFFFFFFFF)))
    carried = f.add(carried, f.lshr(low, index(32)))
    high = f.add(f.mul(a_high, b_high), f.lshr(carried, index(32)))
    high = f.add(high, f.add(f.lshr(middle, index(32)), f.lshr(other, index(32))))
    rest = f.or_(f.and_(low, index(0xFFFFFFFF)), f.and_(carried, index(0xFFFFFFFF)))
    high = f.or_(high, f.zext(f.icmp_signed("!=", rest, index(0)), INDEX))
    exponent = f.sub(f.add(_exponent(f, a), _exponent(f, b)), index(_BIAS - 1))
    sign = f.and_(f.xor(a, b), index(-_SIGN))
    is_zero = f.or_(_is_zero(f, a), _is_zero(f, b))
    return f.select(is_zero, sign, _packed(f, sign, exponent, high))


def _divide(f: Function, numbers: Sequence[Value]) -> Value:
    a, b = numbers
    rest, quotient = f.variable(INDEX), f.variable(INDEX)
    f.store(f.lshr(_significand(f, a), index(_SPARE)), rest)
    f.store(index(0), quotient)
    divisor = f.lshr(_significand(f, b), index(_SPARE))
    with f.loop(index(62)):
        left = f.load(rest)
        fits = f.icmp_unsigned(">=", left, divisor)
        left = f.select(fits, f.sub(left, divisor), left)
        f.store(f.shl(left, index(1)), rest)
        bit = f.zext(fits, INDEX)
        f.store(f.or_(f.shl(f.load(quotient), index(1)), bit), quotient)
    lost = f.zext(f.icmp_signed("!=", f.load(rest), index(0)), INDEX)
    exponent = f.add(f.sub(_exponent(f, a), _exponent(f, b)), index(_BIAS + 2))
    sign = f.and_(f.xor(a, b), index(-_SIGN))
    result = _packed(f, sign, exponent, f.or_(f.load(quotient), lost))
    return f.select(_is_zero(f, a), sign, result)


def _from_int(f: Function, numbers: Sequence[Value]) -> Value:
    (value,) = numbers
    result = _packed(f, index(0), index(_BIAS + 63), value)
    return f.select(f.icmp_signed("==", value, index(0)), index(0), result)


def _magnitude(f: Function, number: Value) -> Value:
    return f.and_(number, index(_SIGN - 1))


def _is_zero(f: Function, number: Value) -> Value:
    return f.icmp_signed("==", _magnitude(f, number), index(0))


def _exponent(f: Function, number: Value) -> Value:
    return f.lshr(_magnitude(f, number), index(_FRACTION))


def _significand(f: Function, number: Value) -> Value:
    """Return the fraction behind its leading 1, which is the highest bit of 64."""
    return f.or_(f.shl(number, index(_SPARE)), index(-_SIGN))


def _packed(f: Function, sign: Value, exponent: Value, significand: Value) -> Value:
    """Return the number of a significand of 64 bits, not 0, wherever its leading 1 is.

    Args:
        f: The function that is written.
        sign: The bit of the sign, at its place.
        exponent: The exponent if the leading 1 is the highest bit.
        significand: The bits, of which the last also stands for all that were lost behind it.
    """
    for bits in (32, 16, 8, 4, 2, 1):
        is_small = f.icmp_signed("==", f.lshr(significand, index(64 - bits)), index(0))
        significand = f.select(is_small, f.shl(significand, index(bits)), significand)
        exponent = f.select(is_small, f.sub(exponent, index(bits)), exponent)
    return f.or_(sign, _rounded(f, exponent, significand, _FRACTION))


def _rounded(f: Function, exponent: Value, significand: Value, fraction: int) -> Value:
    """Return exponent and fraction beside each other, rounded to so many bits.

    A fraction that is rounded up to 1 is carried into the exponent, which is right.
    """
    spare = 63 - fraction
    kept = f.lshr(significand, index(spare))
    rest = f.and_(significand, index((1 << spare) - 1))
    half = index(1 << (spare - 1))
    is_up = f.and_(
        f.icmp_signed(">=", rest, half),
        f.or_(
            f.icmp_signed("!=", rest, half),
            f.icmp_signed("!=", f.and_(kept, index(1)), index(0)),
        ),
    )
    # The leading 1 counts as 1 of the exponent.
    start = f.shl(f.sub(exponent, index(1)), index(fraction))
    return f.add(f.add(start, kept), f.zext(is_up, INDEX))
