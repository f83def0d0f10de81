"""The kernels of probabilities and of the largest values, alone, against NumPy."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("llvmlite")

from kernel_calls import compiled, float_kernels
from shufflenet.codegen.kernels import Kernel, Library, sigmoid, softmax, top
from shufflenet.machine import host_target

HOST = host_target(int8=False)
COUNTS = (1, 2, 7, 8, 9, 200, 1000, 20_000)
Floats = npt.NDArray[np.float32]
Probabilities = Callable[[Floats], Floats]
Largest = Callable[[Floats, int], npt.NDArray[np.int32]]


@pytest.fixture(scope="module")
def probabilities() -> Probabilities:
    return probabilities_by(softmax)


@pytest.fixture(scope="module")
def independent() -> Probabilities:
    return probabilities_by(sigmoid)


def probabilities_by(kernel: Callable[[Library], Kernel]) -> Probabilities:
    kernels = float_kernels(HOST)
    call = compiled(kernels, kernel(kernels.library), HOST)

    def of(logits: Floats) -> Floats:
        result = np.full(len(logits) + 1, 7, np.float32)
        call(logits=logits, count=len(logits), probabilities=result)
        assert result[-1] == 7
        return result[:-1]

    return of


@pytest.fixture(scope="module")
def largest() -> Largest:
    kernels = float_kernels(HOST)
    call = compiled(kernels, top(kernels.library), HOST)

    def of(values: Floats, k: int) -> npt.NDArray[np.int32]:
        numbers = np.full(len(values) + 1, -7, np.int32)
        call(values=values, count=len(values), k=k, numbers=numbers)
        found = min(k, len(values))
        assert np.all(numbers[found:] == -7)
        return numbers[:found]

    return of


def exact(logits: Floats) -> npt.NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64) - logits.max())
    result: npt.NDArray[np.float64] = powers / powers.sum()
    return result


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("spread", [0, 1e-3, 1, 8, 300, 1e30])
def test_probabilities_are_the_exact_ones_to_a_millionth(
    probabilities: Probabilities, count: int, spread: float
) -> None:
    rng = np.random.default_rng(count)
    for shift in (0, -40, 1000):
        logits = (rng.normal(0, 1, count) * spread + shift).astype(np.float32)
        found = probabilities(logits)
        assert np.abs(found - exact(logits)).max() <= 1e-6
        assert abs(found.sum(dtype=np.float64) - 1) <= 1e-6


def test_small_probabilities_are_right_too(probabilities: Probabilities) -> None:
    logits = np.linspace(-80, 3, 1000, dtype=np.float32)  # differences of 83 round by 4e-6
    assert np.allclose(probabilities(logits), exact(logits), rtol=5e-6, atol=0)


def test_a_probability_of_nan_is_nan(probabilities: Probabilities) -> None:
    for place in (0, 3, 9):
        logits = np.zeros(10, np.float32)
        logits[place] = np.nan
        assert np.isnan(probabilities(logits)).all()


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("spread", [0, 1e-3, 1, 8, 300, 1e30])
def test_probabilities_of_each_class_alone_are_the_exact_ones_to_a_millionth(
    independent: Probabilities, count: int, spread: float
) -> None:
    rng = np.random.default_rng(count)
    for shift in (0, -40, 40):
        logits = (rng.normal(0, 1, count) * spread + shift).astype(np.float32)
        with np.errstate(over="ignore"):
            expected = 1 / (1 + np.exp(-logits.astype(np.float64)))
        assert np.abs(independent(logits) - expected).max() <= 1e-6


def test_one_class_of_nan_or_infinity_leaves_the_others_alone(independent: Probabilities) -> None:
    logits = np.zeros(19, np.float32)
    logits[[0, 3, 17, 18]] = np.nan, np.inf, -np.inf, np.nan
    found = independent(logits)
    assert np.isnan(found[[0, 18]]).all()
    assert found[3] == 1
    assert 0 <= found[17] < 1e-37
    assert np.all(np.delete(found, [0, 3, 17, 18]) == 0.5)


@pytest.mark.parametrize("count", COUNTS[:-1])
def test_the_largest_values_come_first_and_of_equal_ones_the_first(
    largest: Largest, count: int
) -> None:
    rng = np.random.default_rng(count)
    for distinct in (1, 2, 5, 10**6):
        values = rng.integers(-distinct, distinct, count).astype(np.float32)
        order = np.argsort(-values, kind="stable")
        for k in (0, 1, 5, count, count + 3):
            assert np.array_equal(largest(values, k), order[:k])


def test_nan_and_infinities_have_an_order(largest: Largest) -> None:
    values = np.array([np.nan, 1, -np.inf, np.inf, np.nan, 2, np.inf], np.float32)
    assert largest(values, 7).tolist() == [3, 6, 5, 1, 0, 2, 4]
