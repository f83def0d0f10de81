"""Which source pixels a kept pixel is made of, and their weights: as Pillow and as OpenCV have it.

Every operation is the one that ``preprocess`` documents, in its order, for each rounds.
"""

from llvmlite import ir

from shufflenet.codegen.kernels._ir import FLOAT, INT32, OFFSETS, Function, Value
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._resize_sides import DOUBLE, round_half_to_even
from shufflenet.codegen.kernels._signature import Kernel, Signature

__all__ = ["PILLOW_BITS", "OpencvWindows", "PillowWindows"]

PILLOW_BITS = 22  # of weights behind the point
_OPENCV_ONE = 1 << 11  # the weight 1

# Of one kept pixel: ``position`` is that of the resized pixel, ``source_px`` the length of the
# source's side, ``ratio`` the source pixels of a resized one. Outputs: ``window``, the number of
# the first source pixel, and how many there are; and the weight of each, an int32.
_SIGNATURE = Signature(
    {"source_px": INT32, "ratio": DOUBLE, "position": INT32, "window": OFFSETS, "weights": OFFSETS}
)


class PillowWindows:
    """A triangle around a kept pixel's center, as ``preprocess._pillow_resize`` documents it."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def kernel(self) -> Kernel:
        """Return the kernel that computes the window of a kept pixel."""
        return self._library.kernel("pillow_window", _SIGNATURE, _write_pillow)


class OpencvWindows:
    """The two pixels around a kept pixel's center, as ``preprocess._opencv_resize`` has them.

    Args:
        library: The module's functions.
        repeats_border: Whether the pixel at the border, where it is the only one, counts as two,
            which rounds twice; OpenCV does so along columns and not along rows.
    """

    def __init__(self, library: Library, *, repeats_border: bool) -> None:
        self._library = library
        self._repeats_border = repeats_border

    def kernel(self) -> Kernel:
        """Return the kernel that computes the window of a kept pixel; always two weights."""
        name = "opencv_window_down" if self._repeats_border else "opencv_window_across"
        return self._library.kernel(name, _SIGNATURE, self._write)

    def _write(self, f: Function) -> None:
        a = f.arguments
        zero, last = ir.Constant(INT32, 0), f.sub(a.source_px, ir.Constant(INT32, 1))
        center = f.fmul(f.fadd(f.sitofp(a.position, DOUBLE), _double(0.5)), a.ratio)
        exact = f.fptrunc(f.fsub(center, _double(0.5)), FLOAT)
        cut = f.fptosi(exact, INT32)  # towards 0
        is_above = f.fcmp_ordered("<", exact, f.sitofp(cut, FLOAT))
        whole = f.sub(cut, f.zext(is_above, INT32))
        share = f.fsub(exact, f.sitofp(whole, FLOAT))
        is_before = f.icmp_signed("<", whole, zero)
        is_alone = f.or_(is_before, f.icmp_signed(">=", whole, last))
        if not self._repeats_border:
            share = f.select(is_alone, ir.Constant(FLOAT, 0.0), share)
        one = ir.Constant(FLOAT, float(_OPENCV_ONE))
        near = f.fmul(f.fsub(ir.Constant(FLOAT, 1.0), share), one)
        for number, weight in enumerate((near, f.fmul(share, one))):
            f.store(round_half_to_even(f, weight), f.at(a.weights, number))
        first = f.select(is_before, zero, whole)
        f.store(f.select(f.icmp_signed(">", first, last), last, first), a.window)
        pixels = f.select(is_alone, ir.Constant(INT32, 1), ir.Constant(INT32, 2))
        f.store(pixels, f.at(a.window, 1))


def _write_pillow(f: Function) -> None:
    a = f.arguments
    one, half = _double(1.0), _double(0.5)
    reach = f.select(f.fcmp_ordered(">", a.ratio, one), a.ratio, one)
    center = f.fmul(f.fadd(f.sitofp(a.position, DOUBLE), half), a.ratio)
    first = f.fptosi(f.fadd(f.fsub(center, reach), half), INT32)
    zero = ir.Constant(INT32, 0)
    first = f.select(f.icmp_signed("<", first, zero), zero, first)
    end = f.fptosi(f.fadd(f.fadd(center, reach), half), INT32)
    end = f.select(f.icmp_signed("<", end, a.source_px), end, a.source_px)
    taps = f.sext(f.sub(end, first), ir.IntType(64))
    slope = f.fdiv(one, reach)
    nothing = _double(0.0)

    def weight(tap: Value) -> Value:
        number = f.add(first, f.trunc(tap, INT32))
        far = f.fmul(f.fadd(f.fsub(f.sitofp(number, DOUBLE), center), half), slope)
        distance = f.select(f.fcmp_ordered("<", far, nothing), f.fsub(nothing, far), far)
        inside = f.fsub(one, distance)
        return f.select(f.fcmp_ordered(">", inside, nothing), inside, nothing)

    total = f.variable(DOUBLE)
    f.store(nothing, total)
    with f.loop(taps) as tap:
        f.store(f.fadd(f.load(total), weight(tap)), total)
    with f.loop(taps) as tap:
        share = f.fmul(f.fdiv(weight(tap), f.load(total)), _double(1 << PILLOW_BITS))
        f.store(f.fptosi(f.fadd(half, share), INT32), f.at(a.weights, tap))
    f.store(first, a.window)
    f.store(f.trunc(taps, INT32), f.at(a.window, 1))


def _double(value: float) -> Value:
    return ir.Constant(DOUBLE, float(value))
