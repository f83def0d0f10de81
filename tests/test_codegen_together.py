"""Several threads that compute one image together: what one thread computes, to the bit."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("llvmlite")

from narrow import NARROW
from reference_layers import random_network
from shufflenet.codegen import build, jit
from shufflenet.codegen.plan import parts_of
from shufflenet.graph import Network
from shufflenet.machine import host_target
from shufflenet.native import Compiled
from shufflenet.recipes import preprocess_for
from shufflenet.spec import Target
from small_networks import small_network

Floats = npt.NDArray[np.float32]


def image_of(*shape: int) -> Floats:
    return np.random.default_rng(shape).standard_normal(shape, np.float32)


def compiled(network: Network, target: Target, shape: tuple[int, int, int], n: int) -> Compiled:
    return jit(build(network, target, shape, threads=n))


def at_once(function: Callable[..., object], *arguments: object) -> None:
    """Compute what other threads would in this one, before it begins its own part."""
    function(*arguments)


def never(function: Callable[..., object], *arguments: object) -> None:
    """Be a thread that never comes."""


def assert_the_same_by_all(code: Compiled, image: Floats, threads: int) -> None:
    alone = code.logits_of(image)
    with ThreadPoolExecutor(threads - 1) as pool:
        for submit in (never, at_once, pool.submit, pool.submit, at_once, pool.submit):
            code.logits_of(-image)  # what was not written would still be the other image's
            assert np.array_equal(code.logits_of(image, submit), alone)
    assert np.array_equal(code.logits_of(image), alone)  # the arena is as it was


@pytest.mark.parametrize(
    ("seed", "height", "width", "threads"),
    [(0, 1, 1, 2), (2, 33, 7, 5), (4, 320, 352, 3)],  # the last is done in strips
)
def test_float32(seed: int, height: int, width: int, threads: int) -> None:
    shape = (3, height, width)
    code = compiled(random_network(seed), NARROW, shape, threads)
    assert_the_same_by_all(code, image_of(*shape), threads)


@pytest.mark.parametrize("best", [False, True])  # AMX has a state of each thread
def test_int8(*, best: bool) -> None:
    shape, target = (3, 320, 352), host_target(int8=True)
    if not best:
        target = replace(target, multiplies_bytes="portable")
    code = compiled(random_network(13, int8=True), target, shape, 2)
    assert_the_same_by_all(code, image_of(*shape), 2)


def test_pixels() -> None:
    """Three threads compute the network that ships together in test_runtimes_llvm.py."""
    network, shape = random_network(1), (3, 80, 76)
    code = jit(build(network, NARROW, shape, preprocess_for(80), threads=2))
    alone = jit(build(network, NARROW, shape, preprocess_for(80)))
    pixels = np.random.default_rng(0).integers(0, 256, (80, 76, 3), np.uint8)
    expected = alone.logits_of_pixels(pixels)
    with ThreadPoolExecutor(1) as pool:
        for submit in (None, never, at_once, pool.submit):
            code.logits_of_pixels(255 - pixels)  # as above
            assert np.array_equal(code.logits_of_pixels(pixels, submit), expected)


def test_a_thread_that_comes_when_its_image_is_done_changes_nothing() -> None:
    code = compiled(small_network(), NARROW, (3, 24, 20), 3)
    first, second = image_of(3, 24, 20), image_of(3, 24, 20)[:, ::-1].copy()
    late: list[Callable[[], object]] = []

    def later(function: Callable[..., object], *arguments: object) -> None:
        late.append(lambda: function(*arguments))

    logits = code.logits_of(first, later)
    assert len(late) == 2

    def meanwhile(function: Callable[..., object], *arguments: object) -> None:
        late.pop()()  # of the first image, while the second is computed
        function(*arguments)

    assert np.array_equal(code.logits_of(second, meanwhile), code.logits_of(second))
    assert np.array_equal(code.logits_of(first), logits)


def test_callers_and_their_helpers_in_one_pool() -> None:
    code = compiled(small_network(), NARROW, (3, 40, 36), 3)
    images = [image_of(3, 40, 36) * scale for scale in (1, 2, 3)]
    expected = [code.logits_of(image) for image in images]
    wrong: list[int] = []
    with ThreadPoolExecutor(2) as pool:

        def call(number: int) -> None:
            for _ in range(100):
                if not np.array_equal(
                    code.logits_of(images[number], pool.submit), expected[number]
                ):
                    wrong.append(number)

        callers = [threading.Thread(target=call, args=(number,)) for number in range(3)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert not wrong


def test_an_arena_in_which_others_may_still_compute_is_not_used_again() -> None:
    code = compiled(small_network(), NARROW, (3, 24, 20), 2)
    image = image_of(3, 24, 20)
    expected = code.logits_of(image, at_once)
    before = code._own.arena

    def interrupted(function: Callable[..., object], *arguments: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        code.logits_of(image, interrupted)
    assert np.array_equal(code.logits_of(image, at_once), expected)
    assert code._own.arena is not before


def test_every_pixel_is_in_one_portion() -> None:
    for size in range(1, 400):
        for threads in (2, 3, 8):
            parts = parts_of(size, 196, threads)
            assert -(-size // parts) <= 196
            assert 1 <= parts <= size


def test_the_plan_of_one_thread_is_not_changed() -> None:
    module = build(small_network(), NARROW, (3, 24, 20))
    assert "part" not in {function.name for function in module.code.functions}
    together = build(small_network(), NARROW, (3, 24, 20), threads=2)
    names = {function.name for function in together.code.functions}
    assert names >= {"begin_image", "logits_of_image_part", "network_part"}
    assert together.arena_bytes > module.arena_bytes
