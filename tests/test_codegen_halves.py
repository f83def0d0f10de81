"""Constants stored as float16 come back to the bit."""

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("llvmlite")

from kernel_calls import Call, compiled, float_kernels
from shufflenet.codegen._halves import Halves
from shufflenet.codegen.kernels import aligned, expand_halves
from shufflenet.machine import host_target

HOST = host_target(int8=False)
LINE = 16  # float32


@pytest.fixture(scope="module")
def expand() -> Call:
    kernels = float_kernels(HOST)
    return compiled(kernels, expand_halves(kernels.library), HOST)


def stored(expand: Call, values: npt.NDArray[np.generic]) -> int:
    """Check that lines come back, and return the bytes that they were stored in."""
    constants = aligned(values.nbytes, np.uint8)
    constants[:] = values.view(np.uint8).ravel()
    halves = Halves.of(constants)
    assert halves.runs.sum() * LINE * 4 == constants.size
    output = np.full(constants.size + 64, 7, np.uint8)
    expand(stored=halves.stored, runs=halves.runs, pairs=len(halves.runs) // 2, output=output)
    assert np.array_equal(output[: constants.size], constants)
    assert np.all(output[constants.size :] == 7)
    return halves.stored.size


def test_every_finite_float16_takes_two_bytes(expand: Call) -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)].astype(np.float32)
    assert stored(expand, finite) == 2 * finite.size


@pytest.mark.parametrize("odd", [1 / 3, 65520, 2**-25, 1e-40, np.inf, -np.inf, np.nan, 1 + 2**-11])
def test_a_line_with_anything_else_is_copied(expand: Call, odd: float) -> None:
    for place in (0, 20, 5 * LINE - 1):
        values = np.ones(5 * LINE, np.float32)
        values[place] = odd
        assert stored(expand, values) == (4 * 2 + 4) * LINE


def test_any_bytes_come_back(expand: Call) -> None:
    rng = np.random.default_rng(0)
    for lines in (1, 2, 3, 10, 1000):
        words = rng.integers(0, 1 << 32, (lines, LINE), np.uint32)
        assert stored(expand, words) == words.nbytes
        words[rng.random(lines) < 0.5] = np.float32(-0.375).view(np.uint32)
        assert stored(expand, words) <= words.nbytes


def test_what_saves_too_little_is_stored_as_it_is() -> None:
    words = np.full((100, LINE), 1 / 3, np.float32)
    for halved, saves in ((15, False), (25, True)):
        words[:halved] = 1
        assert (Halves.where_smaller(words.view(np.uint8).ravel()) is not None) == saves
