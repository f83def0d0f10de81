"""Firmware for Cortex-M processors, run by QEMU: logits equal to those of this machine."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from bare_metal import compute_logits
from narrow import NARROW
from reference_layers import random_network
from shufflenet.codegen import Facts, build, jit, object_file
from shufflenet.graph import Network
from shufflenet.recipes import preprocess_for
from shufflenet.spec import TARGETS, Label
from small_networks import small_network

CLOSE = 2e-5  # of the largest logit
PX = 32


def difference(target: str, network: Network, folder: Path, *, pixels: bool) -> float:
    """Return how far a board's logits are from this machine's, in parts of the largest."""
    shape, how, classes = (3, PX, PX), preprocess_for(PX), len(network.classifier.weight)
    module = build(
        network, TARGETS[target], shape, how if pixels else None, batches=False, least_memory=True
    )
    labels = [Label(str(n), str(n)) for n in range(classes)]
    facts = Facts(labels=labels, card="{}", preprocess=how, most_source_px=100)
    made = object_file(module, facts)
    (folder / "network.o").write_bytes(made.content)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((2, *shape), np.float32)
    if pixels:
        images = rng.integers(0, 256, (2, PX, PX, 3), np.uint8)
    logits, _ = compute_logits(target, folder / "network.o", images, classes, made.memory_bytes)
    here = jit(build(network, NARROW, shape, how))
    expected = np.concatenate(
        [here.logits_of_pixels(x) if pixels else here.logits_of(x) for x in images]
    )
    assert logits.shape == expected.shape
    return float(np.abs(logits - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("int8", [False, True], ids=["float32", "int8"])
def test_a_board_computes_what_this_machine_does(tmp_path: Path, *, int8: bool) -> None:
    network = random_network(7, int8=int8)
    assert difference("cortex-m7", network, tmp_path, pixels=False) <= CLOSE


@pytest.mark.parametrize(("target", "int8"), [("cortex-m4", True), ("cortex-m33", False)])
def test_a_board_classifies_pixels(tmp_path: Path, target: str, *, int8: bool) -> None:
    assert difference(target, small_network(int8=int8), tmp_path, pixels=True) <= CLOSE
