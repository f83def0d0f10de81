"""Float64 computed by integers is float64 computed by the processor, to the bit."""

from collections.abc import Callable
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("llvmlite")
from llvmlite import ir

from kernel_calls import compiled, float_kernels
from shufflenet.codegen.kernels import BYTES, INDEX, Function, Signature, Value
from shufflenet.codegen.kernels._soft_doubles import SoftDoubles
from shufflenet.machine import host_target

HOST = host_target(int8=False)
Doubles = npt.NDArray[np.float64]
Write = Callable[[SoftDoubles, Function, Value, Value], Value]


def computed(write: Write, a: Doubles, b: Doubles, dtype: type) -> npt.NDArray[np.generic]:
    """What code computes of each pair of numbers."""
    kernels = float_kernels(HOST)
    doubles = SoftDoubles(kernels.library)
    signature = Signature({"a": BYTES, "b": BYTES, "count": INDEX, "result": BYTES})

    def body(f: Function) -> None:
        words = [f.bitcast(vars(f.arguments)[n], INDEX.as_pointer()) for n in "ab"]
        with f.loop(f.arguments.count) as number:
            value = write(doubles, f, *(f.load(f.at(each, number)) for each in words))
            result = f.bitcast(f.arguments.result, value.type.as_pointer())
            f.store(value, f.at(result, number))

    result: npt.NDArray[np.generic] = np.zeros(len(a), dtype)
    kernel = kernels.library.kernel("all_pairs", signature, body)
    compiled(kernels, kernel, HOST)(a=a, b=b, count=len(a), result=result)
    return result


def pairs() -> tuple[Doubles, Doubles]:
    """Numbers of many sizes, close ones, halves, and zeros."""
    rng = np.random.default_rng(0)
    chosen = [0.0, -0.0, 0.5, 1, -1, 1.5, 3, 2**22, 2**53 - 1, 1 + 2**-52, 1 - 2**-53, 1 / 3, -7]
    a, b = map(np.array, zip(*product(chosen, chosen), strict=True))
    wide = rng.normal(0, 1, (2, 20_000)) * 2.0 ** rng.integers(-60, 60, (2, 20_000))
    whole = rng.integers(-4000, 4000, (2, 20_000)) / 2.0 ** rng.integers(0, 9, (2, 20_000))
    near = wide[0] * (1 + rng.integers(-3, 4, 20_000) * 2.0**-52)
    return (
        np.concatenate([a, wide[0], whole[0], wide[0]]),
        np.concatenate([b, wide[1], whole[1], -near]),
    )


def same(found: npt.NDArray[np.generic], expected: npt.NDArray[np.generic]) -> bool:
    """Whether all are equal to the bit, but for the sign of a zero."""
    return np.array_equal(found, expected) and not np.isnan(found).any()


def test_sums_and_differences() -> None:
    a, b = pairs()
    assert same(computed(lambda d, f, a, b: d.add(f, a, b), a, b, np.float64), a + b)
    assert same(computed(lambda d, f, a, b: d.subtract(f, a, b), a, b, np.float64), a - b)


def test_products_and_quotients() -> None:
    a, b = pairs()
    assert same(computed(lambda d, f, a, b: d.multiply(f, a, b), a, b, np.float64), a * b)
    a, b = a[b != 0], b[b != 0]
    assert same(computed(lambda d, f, a, b: d.divide(f, a, b), a, b, np.float64), a / b)


def test_comparisons_and_conversions() -> None:
    a, b = pairs()
    a, b = a[a + b != 0] + 0.0, b[a + b != 0] + 0.0  # no negative zeros, which count as less
    byte = ir.IntType(8)
    less = computed(lambda d, f, a, b: f.zext(d.is_less(f, a, b), byte), a, b, np.uint8)
    assert np.array_equal(less, a < b)
    assert same(
        computed(lambda d, f, a, _: d.to_float(f, a), a, b, np.float32), a.astype(np.float32)
    )
    small = a[np.abs(a) < 2**31]
    cut = computed(lambda d, f, a, _: d.to_int(f, a), small, small, np.int32)
    assert np.array_equal(cut, small.astype(np.int32))
    whole = np.concatenate([np.arange(70.0), 2.0 ** np.arange(31), 2.0 ** np.arange(1, 31) - 1])
    there_and_back = computed(
        lambda d, f, a, _: d.from_int(f, d.to_int(f, a)), whole, whole, np.float64
    )
    assert same(there_and_back, whole)


@pytest.mark.parametrize("value", [0, 1, 0.5, -3.25, 1 / 3])
def test_constants(value: float) -> None:
    one = np.ones(1)
    assert computed(lambda d, _f, _a, _b: d.number(value), one, one, np.float64) == value
