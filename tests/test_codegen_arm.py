"""Compiled networks on ARM processors, which qemu plays, against this machine's."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from cross_networks import logits_elsewhere
from shufflenet.codegen import build, jit
from shufflenet.machine import host_target
from shufflenet.spec import TARGETS
from small_networks import small_network
from tolerance import FLOAT32_RELATIVE

SHAPE = (3, 24, 20)
IMAGES = np.random.default_rng(0).standard_normal((3, *SHAPE), np.float32)


@pytest.mark.parametrize("name", ["aarch64-linux", "armv7-linux"])
def test_float32_on_arm(name: str, tmp_path: Path) -> None:
    network = small_network()
    here = jit(build(network, host_target(int8=False), SHAPE))
    expected = np.concatenate([here.logits_of(image) for image in IMAGES])
    actual = logits_elsewhere(name, build(network, TARGETS[name], SHAPE), IMAGES, tmp_path)
    assert np.abs(actual - expected).max() <= FLOAT32_RELATIVE * np.abs(expected).max()
