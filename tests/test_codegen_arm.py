"""Compiled networks on ARM processors, which qemu plays, against this machine's."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from cross_networks import logits_elsewhere
from narrow import NARROW
from shufflenet.codegen import build, jit
from shufflenet.graph import Convolution, Floats, Linear, Network
from shufflenet.spec import TARGETS
from small_networks import small_network
from tolerance import FLOAT32_RELATIVE

AnyLayer = TypeVar("AnyLayer", Convolution, Linear)

SHAPE = (3, 24, 20)
IMAGES = np.random.default_rng(0).standard_normal((3, *SHAPE), np.float32)


@cache
def network_of(least: int | None) -> tuple[Network, Floats]:
    """Return a float32 network, or one of int8 with such weights, and its logits here."""
    network = small_network(int8=least is not None)
    if least is not None:
        network = with_extreme_weights(network, least)
    return network, logits_here(network)


def logits_here(network: Network) -> Floats:
    here = jit(build(network, NARROW, SHAPE))
    return np.concatenate([here.logits_of(image) for image in IMAGES])


def with_extreme_weights(network: Network, least: int) -> Network:
    """Let most weights be the least and 127, whose products are the largest that there are."""
    rng = np.random.default_rng(1)

    def changed(layer: AnyLayer) -> AnyLayer:
        weight = rng.choice([least, least, 127, 3], layer.weight.shape).astype(np.int8)
        return replace(layer, weight=weight)

    layers = tuple(
        replace(changed(each), ceiling=255.0) if isinstance(each, Convolution) else each
        for each in network.layers
    )
    return replace(network, layers=layers, classifier=changed(network.classifier))


@pytest.mark.parametrize("name", ["aarch64-linux", "armv7-linux"])
def test_float32_on_arm(name: str, tmp_path: Path) -> None:
    network, expected = network_of(None)
    actual = logits_elsewhere(
        name, build(network, TARGETS[name], SHAPE, batches=False), IMAGES, tmp_path
    )
    assert np.abs(actual - expected).max() <= FLOAT32_RELATIVE * np.abs(expected).max()


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("aarch64-linux", -127),
        ("aarch64-linux", -128),
        ("aarch64-linux-dotprod", -128),
        ("aarch64-linux-i8mm", -128),
        ("armv7-linux", -127),
    ],
)
def test_int8_on_arm_is_equal_to_the_bit(name: str, least: int, tmp_path: Path) -> None:
    network, expected = network_of(least)
    actual = logits_elsewhere(
        name, build(network, TARGETS[name], SHAPE, batches=False), IMAGES, tmp_path
    )
    if name == "armv7-linux":  # it rounds products of float32 before they are added
        assert np.abs(actual - expected).max() <= FLOAT32_RELATIVE * np.abs(expected).max()
    else:
        assert np.array_equal(actual, expected)
    assert np.unique(expected).size > 10
