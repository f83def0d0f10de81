"""Networks on RISC-V, with and without vectors, by qemu, against this machine's code."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from cross_networks import logits_elsewhere
from shufflenet.codegen import build, jit
from shufflenet.machine import host_target
from shufflenet.spec import TARGETS
from small_networks import small_network

ROWS = ["riscv64-linux", "riscv64-v-linux"]
HOST = host_target(int8=False)


@pytest.mark.parametrize("int8", [False, True], ids=["float32", "int8"])
@pytest.mark.parametrize("name", ROWS)
def test_logits_are_those_of_this_machine(name: str, int8: bool, tmp_path: Path) -> None:
    network = small_network(int8=int8)
    images = np.random.default_rng(1).standard_normal((2, 3, 24, 20), np.float32)
    compiled = jit(build(network, HOST, images.shape[1:]))
    expected = np.concatenate([compiled.logits_of(image) for image in images])
    module = build(network, TARGETS[name], images.shape[1:], batches=False)
    found = logits_elsewhere(name, module, images, tmp_path)
    # Both fuse multiply-adds, so that bytes are rounded alike, to the last one.
    if int8 and "fma" in HOST.features:
        assert np.array_equal(found, expected)
    assert np.abs(found - expected).max() <= (0.02 if int8 else 2e-5) * np.abs(expected).max()
