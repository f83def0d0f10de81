"""The least memory: maps that share bytes, and results that are equal to the bit."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from narrow import NARROW
from reference_layers import random_network
from shufflenet.codegen import Code, build, jit
from shufflenet.codegen.kernels import LINE_BYTES
from shufflenet.codegen.plan._lifetimes import (  # what packs is tested without a network
    Part,
    largest_gap,
    most_live,
    pack,
)
from shufflenet.graph import read_network
from shufflenet.machine import host_target
from shufflenet.recipes import preprocess_for
from shufflenet.spec import Target
from shufflenet.zoo import SHIPPED
from small_networks import small_network
from test_codegen_interface import CLASSES, HOW, SHAPE, Linked

RNG = np.random.default_rng


def random_parts(seed: int) -> list[Part]:
    rng = RNG(seed)
    parts = []
    for _ in range(int(rng.integers(1, 40))):
        first = int(rng.integers(0, 20))
        parts.append(
            Part(LINE_BYTES * int(rng.integers(0, 50)), first, first + int(rng.integers(0, 6)))
        )
    return parts


@pytest.mark.parametrize("seed", range(30))
def test_parts_that_are_needed_at_once_have_bytes_of_their_own(seed: int) -> None:
    parts = random_parts(seed)
    places, length = pack(parts)
    assert most_live(parts) <= length <= sum(part.size for part in parts)
    ends = [at + part.size for at, part in zip(places, parts, strict=True)]
    assert max(ends) == length
    for n, part in enumerate(parts):
        for m in range(n):
            apart = ends[n] <= places[m] or ends[m] <= places[n]
            assert apart or not part.meets(parts[m])
    taken = list(zip(places, (part.size for part in parts), strict=True))
    at, gap = largest_gap(taken, length + LINE_BYTES)
    assert gap >= LINE_BYTES
    assert all(start + size <= at or at + gap <= start for start, size in taken if size)


@pytest.mark.parametrize(
    ("seed", "height", "width", "int8"),
    [(0, 1, 1, True), (2, 33, 7, False), (4, 160, 224, False), (4, 160, 224, True)],
)
def test_random_networks_give_the_same_bits(
    seed: int, height: int, width: int, *, int8: bool
) -> None:
    target: Target = host_target(int8=True) if int8 else NARROW
    if int8 and not target.multiplies_bytes:
        pytest.skip("this processor has no instructions that multiply bytes")
    network, shape = random_network(seed, int8=int8), (3, height, width)
    ordinary = build(network, target, shape, preprocess_for(height))
    least = build(network, target, shape, preprocess_for(height), least_memory=True)
    assert least.arena_bytes <= ordinary.arena_bytes
    compiled = [jit(ordinary), jit(least)]
    for seed_of_image in range(2):  # the second finds what the first left
        rng = RNG(seed_of_image)
        image = rng.standard_normal(shape, np.float32)
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        expected, actual = (each.logits_of(image) for each in compiled)
        assert np.array_equal(expected, actual)
        expected, actual = (each.logits_of_pixels(pixels) for each in compiled)
        assert np.array_equal(expected, actual)


def test_the_network_that_ships_needs_a_third_of_the_memory() -> None:
    assert SHIPPED.onnx
    network, _ = read_network(SHIPPED.onnx)
    shape = (3, 80, 80)
    least = build(network, NARROW, shape, least_memory=True)
    assert least.arena_bytes * 3 < build(network, NARROW, shape).arena_bytes


def test_photos_and_logits_lie_where_the_arena_is_free() -> None:
    rng = RNG(0)
    photo = rng.integers(0, 256, (50, 31, 3), np.uint8)
    cropped = rng.integers(0, 256, (*SHAPE[1:], 3), np.uint8)
    found, sizes = [], []
    for least_memory in (False, True):
        network = small_network()
        net = Linked(build(network, NARROW, SHAPE, HOW, least_memory=least_memory))
        memory, values = net.memory(), np.empty((4, CLASSES), np.float32)
        for n in (0, 2):  # the second time, bytes are those of the first
            assert net.call("classify", memory, photo, 31, 50, 93, 3, values[n]) == Code.OK
            assert net.call("logits", memory, cropped, values[n + 1]) == Code.OK
        found.append(values)
        sizes.append(net.made.memory_bytes)
    assert np.array_equal(found[0], found[1])
    assert sizes[1] < sizes[0]
