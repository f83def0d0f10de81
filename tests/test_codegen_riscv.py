"""Networks on RISC-V, with and without vectors, by qemu, against this machine's code."""

import functools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from cross_networks import logits_elsewhere
from narrow import NARROW
from shufflenet.codegen import build, jit
from shufflenet.graph import Floats
from shufflenet.spec import TARGETS
from small_networks import small_network

ROWS = ["riscv64-linux", "riscv64-v-linux"]
IMAGES = np.random.default_rng(1).standard_normal((2, 3, 24, 20), np.float32)


@functools.cache
def of_this_machine(int8: bool) -> Floats:
    compiled = jit(build(small_network(int8=int8), NARROW, IMAGES.shape[1:], batches=False))
    return np.concatenate([compiled.logits_of(image) for image in IMAGES])


@pytest.mark.parametrize("int8", [False, True], ids=["float32", "int8"])
@pytest.mark.parametrize("name", ROWS)
def test_logits_are_those_of_this_machine(name: str, int8: bool, tmp_path: Path) -> None:
    module = build(small_network(int8=int8), TARGETS[name], IMAGES.shape[1:], batches=False)
    found, expected = logits_elsewhere(name, module, IMAGES, tmp_path), of_this_machine(int8)
    # Both fuse multiply-adds, so that bytes are rounded alike, to the last one.
    if int8 and "fma" in NARROW.features:
        assert np.array_equal(found, expected)
    assert np.abs(found - expected).max() <= (0.02 if int8 else 2e-5) * np.abs(expected).max()
