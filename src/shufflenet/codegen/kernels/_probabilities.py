"""The kernels that turn logits into probabilities."""

from collections.abc import Sequence

from llvmlite import ir

from shufflenet.codegen.kernels._ir import FLOAT, FLOATS, INDEX, INT32, Function, Value, index
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._signature import Kernel, Signature

__all__ = ["sigmoid", "softmax"]

_LANES = 8
_SIGNATURE = Signature({"logits": FLOATS, "count": INDEX, "probabilities": FLOATS})

_LOG2_E = 1.44269504
# The logarithm of 2 in two parts: the first has nine bits, so that its multiples are exact.
_LN2, _LN2_REST = 0.693359375, -2.12194440e-4
# exp(r) = 1 + r + r * r * polynomial(r) for |r| <= ln(2) / 2, highest power first. Source: Cephes
# (Moshier), single/expf.c.
_POLYNOMIAL = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)
_ROUNDER = 1.5 * 2**23  # adding it to a float32 below 2**22 rounds to a whole number
_LEAST = -87.0  # exp of less is no normal float32, and no probability that shows


def softmax(library: Library) -> Kernel:
    """Return the kernel of ``exp(logit) / sum``, float32 ``(count,)``; ``count`` is 1 or more.

    No logit is too large, for the largest is subtracted first. Probabilities are within 1e-6 of
    the exact ones. A NaN makes all of them NaN.
    """
    return library.kernel("softmax", _SIGNATURE, _write_softmax)


def sigmoid(library: Library) -> Kernel:
    """Return the kernel of ``1 / (1 + exp(-logit))``, float32 ``(count,)``; ``count`` may be 0.

    Probabilities are within 1e-6 of the exact ones. Only that of a NaN is NaN.
    """
    return library.kernel("sigmoid", _SIGNATURE, _write_sigmoid)


def _write_softmax(f: Function) -> None:
    a = f.arguments
    largest = f.variable(FLOAT)
    f.store(f.load(a.logits), largest)
    with f.loop(a.count, index(1)) as number:
        logit, best = f.load(f.at(a.logits, number)), f.load(largest)
        f.store(f.select(f.fcmp_ordered(">", logit, best), logit, best), largest)
    whole = f.and_(a.count, index(-_LANES))
    sums = [
        _exponentials(f, f.load(largest), (index(0), whole), _LANES),
        _exponentials(f, f.load(largest), (whole, a.count), 1),
    ]
    lanes = [
        f.extract_element(each, ir.Constant(INT32, lane))
        for each in sums
        for lane in range(each.type.count)
    ]
    total = lanes[0]
    for lane in lanes[1:]:
        total = f.fadd(total, lane)
    with f.loop(a.count) as number:
        place = f.at(a.probabilities, number)
        f.store(f.fdiv(f.load(place), total), place)


def _exponentials(f: Function, largest: Value, span: Sequence[Value], lanes: int) -> Value:
    """Write the exponentials of a span of logits, and return the sum of each lane."""
    a, kind = f.arguments, ir.VectorType(FLOAT, lanes)
    total, lost = f.variable(kind), f.variable(kind)
    for variable in (total, lost):
        f.store(f.splat(0.0, kind), variable)
    start, end = span
    with f.loop(end, start, step=lanes) as number:
        logits = f.load_vector(f.at(a.logits, number), kind)
        power = _exp(f, f.fsub(logits, f.splat(largest, kind)))
        f.store_vector(power, f.at(a.probabilities, number))
        # What each addition rounds off is added to the next one (Kahan).
        added, before = f.fsub(power, f.load(lost)), f.load(total)
        after = f.fadd(before, added)
        f.store(f.fsub(f.fsub(after, before), added), lost)
        f.store(after, total)
    return f.load(total)


def _write_sigmoid(f: Function) -> None:
    a = f.arguments
    whole = f.and_(a.count, index(-_LANES))
    for start, end, lanes in ((index(0), whole, _LANES), (whole, a.count, 1)):
        kind = ir.VectorType(FLOAT, lanes)
        zero, one = f.splat(0.0, kind), f.splat(1.0, kind)
        with f.loop(end, start, step=lanes) as number:
            logits = f.load_vector(f.at(a.logits, number), kind)
            is_negative = f.fcmp_ordered("<", logits, zero)
            power = _exp(f, f.select(is_negative, logits, f.fsub(zero, logits)))
            share = f.fdiv(f.select(is_negative, power, one), f.fadd(one, power))
            f.store_vector(share, f.at(a.probabilities, number))


def _exp(f: Function, values: Value) -> Value:
    """Compute exp of a vector of values up to 0."""
    kind = values.type

    def number(value: float) -> Value:
        return f.splat(value, kind)

    values = f.maximum(values, number(_LEAST))
    shifted = f.fadd(f.fmul(values, number(_LOG2_E)), number(_ROUNDER))
    whole = f.fsub(shifted, number(_ROUNDER))
    rest = f.fsub(values, f.fmul(whole, number(_LN2)))
    rest = f.fsub(rest, f.fmul(whole, number(_LN2_REST)))
    polynomial = number(_POLYNOMIAL[0])
    for factor in _POLYNOMIAL[1:]:
        polynomial = f.fadd(f.fmul(polynomial, rest), number(factor))
    squared = f.fmul(rest, rest)
    power = f.fadd(f.fadd(f.fmul(polynomial, squared), rest), number(1.0))
    # The low bits of ``shifted`` are the whole number, which goes into the exponent's bits.
    words = ir.VectorType(INT32, kind.count)
    exponent = f.shl(f.bitcast(shifted, words), f.splat(23, words))
    return f.bitcast(f.add(f.bitcast(power, words), exponent), kind)
