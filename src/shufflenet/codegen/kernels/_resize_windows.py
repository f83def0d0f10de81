"""Which source pixels a kept pixel is made of, and their weights: as Pillow and as OpenCV have it.

Every operation is the one that ``preprocess`` documents, in its order, for each rounds.
"""

from llvmlite import ir

from shufflenet.codegen.kernels._doubles import Doubles
from shufflenet.codegen.kernels._ir import FLOAT, INDEX, INT32, OFFSETS, Function, Value
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._signature import Kernel, Signature

__all__ = ["PILLOW_BITS", "OpencvWindows", "PillowWindows"]

PILLOW_BITS = 22  # of weights behind the point
_OPENCV_ONE = 1 << 11  # the weight 1


class PillowWindows:
    """A triangle around a kept pixel's center, as ``preprocess._pillow_resize`` documents it.

    Args:
        library: The module's functions.
        doubles: How float64 is computed.
    """

    def __init__(self, library: Library, doubles: Doubles) -> None:
        self._library, self._doubles = library, doubles

    def kernel(self) -> Kernel:
        """Return the kernel that computes the window of a kept pixel."""
        return self._library.kernel("pillow_window", _signature(self._doubles), self._write)

    def _write(self, f: Function) -> None:
        a, d = f.arguments, self._doubles
        one, half = d.number(1), d.number(0.5)
        reach = f.select(d.is_less(f, one, a.ratio), a.ratio, one)
        center = d.multiply(f, d.add(f, d.from_int(f, a.position), half), a.ratio)
        first = d.to_int(f, d.add(f, d.subtract(f, center, reach), half))
        zero = ir.Constant(INT32, 0)
        first = f.select(f.icmp_signed("<", first, zero), zero, first)
        end = d.to_int(f, d.add(f, d.add(f, center, reach), half))
        end = f.select(f.icmp_signed("<", end, a.source_px), end, a.source_px)
        taps, slope = f.sext(f.sub(end, first), INDEX), d.divide(f, one, reach)

        def weight(tap: Value) -> Value:
            number = d.from_int(f, f.add(first, f.trunc(tap, INT32)))
            return self._weight(f, d.subtract(f, number, center), slope)

        total = f.variable(d.kind)
        f.store(d.number(0), total)
        with f.loop(taps) as tap:
            f.store(d.add(f, f.load(total), weight(tap)), total)
        with f.loop(taps) as tap:
            share = d.divide(f, weight(tap), f.load(total))
            scaled = d.multiply(f, share, d.number(1 << PILLOW_BITS))
            f.store(d.to_int(f, d.add(f, half, scaled)), f.at(a.weights, tap))
        f.store(first, a.window)
        f.store(f.trunc(taps, INT32), f.at(a.window, 1))

    def _weight(self, f: Function, past: Value, slope: Value) -> Value:
        """Write the weight of a source pixel so far past the center, before they sum to 1."""
        d, zero = self._doubles, self._doubles.number(0)
        far = d.multiply(f, d.add(f, past, d.number(0.5)), slope)
        distance = f.select(d.is_less(f, far, zero), d.subtract(f, zero, far), far)
        inside = d.subtract(f, d.number(1), distance)
        return f.select(d.is_less(f, zero, inside), inside, zero)


class OpencvWindows:
    """The two pixels around a kept pixel's center, as ``preprocess._opencv_resize`` has them.

    Args:
        library: The module's functions.
        doubles: How float64 is computed.
        repeats_border: Whether the pixel at the border, where it is the only one, counts as two,
            which rounds twice; OpenCV does so along columns and not along rows.
    """

    def __init__(self, library: Library, doubles: Doubles, *, repeats_border: bool) -> None:
        self._library, self._doubles = library, doubles
        self._repeats_border = repeats_border

    def kernel(self) -> Kernel:
        """Return the kernel that computes the window of a kept pixel; always two weights."""
        name = "opencv_window_down" if self._repeats_border else "opencv_window_across"
        return self._library.kernel(name, _signature(self._doubles), self._write)

    def _write(self, f: Function) -> None:
        a = f.arguments
        zero, last = ir.Constant(INT32, 0), f.sub(a.source_px, ir.Constant(INT32, 1))
        exact = self._position(f)
        cut = f.fptosi(exact, INT32)  # towards 0
        is_above = f.fcmp_ordered("<", exact, f.sitofp(cut, FLOAT))
        whole = f.sub(cut, f.zext(is_above, INT32))
        share = f.fsub(exact, f.sitofp(whole, FLOAT))
        is_before = f.icmp_signed("<", whole, zero)
        is_alone = f.or_(is_before, f.icmp_signed(">=", whole, last))
        if not self._repeats_border:
            share = f.select(is_alone, ir.Constant(FLOAT, 0.0), share)
        for number, part in enumerate((f.fsub(ir.Constant(FLOAT, 1.0), share), share)):
            f.store(_opencv_weight(f, part), f.at(a.weights, number))
        first = f.select(is_before, zero, whole)
        f.store(f.select(f.icmp_signed(">", first, last), last, first), a.window)
        pixels = f.select(is_alone, ir.Constant(INT32, 1), ir.Constant(INT32, 2))
        f.store(pixels, f.at(a.window, 1))

    def _position(self, f: Function) -> Value:
        """Write the position of the kept pixel's center among the centers of source pixels."""
        a, d = f.arguments, self._doubles
        middle = d.add(f, d.from_int(f, a.position), d.number(0.5))
        return d.to_float(f, d.subtract(f, d.multiply(f, middle, a.ratio), d.number(0.5)))


def _opencv_weight(f: Function, share: Value) -> Value:
    """Round a share, float32, to an int32 weight, a half to the even one."""
    scaled = f.fmul(share, ir.Constant(FLOAT, float(_OPENCV_ONE)))
    whole = f.fptosi(scaled, INT32)
    rest, half = f.fsub(scaled, f.sitofp(whole, FLOAT)), ir.Constant(FLOAT, 0.5)
    at_half = f.and_(f.fcmp_ordered("==", rest, half), f.trunc(whole, ir.IntType(1)))
    return f.add(whole, f.zext(f.or_(f.fcmp_ordered(">", rest, half), at_half), INT32))


def _signature(doubles: Doubles) -> Signature:
    """Return the arguments that the window of one kept pixel is computed from, and the outputs.

    ``position`` is that of the resized pixel, ``source_px`` the length of the source's side,
    ``ratio`` the source pixels of a resized one. Outputs are ``window``, the number of the first
    source pixel and how many there are, and the weight of each, an int32.
    """
    return Signature(
        {"source_px": INT32, "ratio": doubles.kind, "position": INT32}
        | {"window": OFFSETS, "weights": OFFSETS}
    )
