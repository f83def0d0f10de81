"""Plans: a network's steps, the places of maps, and what is refused before code is generated."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from shufflenet.codegen import build, check
from shufflenet.codegen.kernels import LINE_BYTES, float_multiplier
from shufflenet.codegen.plan import Buffer, Memory, Planes, plan_steps
from shufflenet.errors import CompileError, SpecError
from shufflenet.graph import ChannelSlice, Convolution, MaxPool, Network
from shufflenet.spec import TARGETS, Target
from small_networks import small_network

WIDE = TARGETS["x86-64-v3"]


def names_of(network: Network) -> list[str]:
    images = Planes(channels=3, height=24, width=20, border=1)
    steps = plan_steps(network.layers, {np.float32: float_multiplier(WIDE).layout}, images)
    return [type(step).__name__ for step in steps]


def test_depthwise_convolutions_and_concatenations_are_computed_as_they_are_read() -> None:
    # The pool, three 1x1 convolutions and the stem: no step for the depthwise one, nor a Concat.
    assert names_of(small_network()) == ["Gemm", "Pool", "Gemm", "Gemm", "Gemm", "GlobalMean"]


def test_a_depthwise_convolution_that_others_read_too_is_a_step() -> None:
    network = small_network()
    last = network.layers[-2]
    assert isinstance(last, Convolution)
    inputs = (ChannelSlice("filtered", 0, 11), ChannelSlice("filtered", 11, 10))
    layers = [*network.layers[:-2], replace(last, inputs=inputs), network.layers[-1]]
    assert "Depthwise" in names_of(replace(network, layers=layers))


def test_what_is_added_is_concatenated_first() -> None:
    network = small_network()
    joined = network.layers[3]
    assert isinstance(joined, Convolution)
    residual = (ChannelSlice("pool", 0, 10), ChannelSlice("a", 0, 9), ChannelSlice("a", 7, 2))
    layers = [*network.layers[:3], replace(joined, residual=residual), *network.layers[4:]]
    assert names_of(replace(network, layers=layers))[3:5] == ["Concat", "Gemm"]


def changed(kind: str) -> Network:
    network = small_network()
    layers = list(network.layers)
    joined, pool = layers[3], layers[1]
    assert isinstance(joined, Convolution)
    assert isinstance(pool, MaxPool)
    if kind == "a map that is not there":
        layers[3] = replace(joined, inputs=(ChannelSlice("nowhere", 0, 19),))
    elif kind == "a layer that nothing reads":
        layers.insert(3, replace(joined, output="unread"))
    elif kind == "maps of two sizes":
        layers[3] = replace(joined, inputs=(ChannelSlice("stem", 0, 10), *joined.inputs[1:]))
    elif kind == "an added map of another size":
        layers[3] = replace(joined, residual=(ChannelSlice("stem", 0, 10),))
    elif kind == "two windows that see different values":
        filtered = layers[4]
        assert isinstance(filtered, Convolution)
        layers.insert(2, replace(filtered, output="b", inputs=pool.inputs))
    return replace(network, layers=layers)


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("a map that is not there", CompileError, "a map that no layer before it computes"),
        ("a layer that nothing reads", ValueError, "nothing reads a layer"),
        ("maps of two sizes", ValueError, "several sizes"),
        ("an added map of another size", ValueError, "two sizes are added"),
        ("two windows that see different values", ValueError, "max pool and a depthwise"),
    ],
)
def test_networks_that_do_not_fit_are_refused(
    kind: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        check(changed(kind), WIDE, (3, 64, 64))


def test_images_of_other_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="another number of channels"):
        build(small_network(), WIDE, (4, 8, 8))


def test_images_beyond_offsets_of_32_bits_are_refused() -> None:
    with pytest.raises(SpecError, match="the size of images"):
        Buffer(channels=4096, height=1000, width=1000, pitch=4096).pixels()


def with_weights_of_full_range() -> Network:
    network = small_network(int8=True)
    weight = np.full((7, 35), 127, np.int8)
    return replace(network, classifier=replace(network.classifier, weight=weight))


@pytest.mark.parametrize(
    ("network", "name", "instruction"),
    [
        (small_network(int8=True), "wasm32", ""),
        (small_network(int8=True), "x86-64", ""),
        (small_network(int8=True), "x86-64-v3", "pmadd.ub.sw"),
        (with_weights_of_full_range(), "x86-64-v3", ""),
        (with_weights_of_full_range(), "x86-64-avx-vnni", "vpdpbusd"),
    ],
)
def test_bytes_are_multiplied_by_what_is_exact(
    network: Network, name: str, instruction: str
) -> None:
    code = str(build(network, TARGETS[name], (3, 24, 20)).code)
    assert instruction in code
    assert bool(instruction) == ("pmadd.ub.sw" in code or "vpdpbusd" in code)


@pytest.mark.parametrize(
    ("vector_bytes", "registers", "named"),
    [(8, 16, "vector_bytes"), (48, 16, "vector_bytes"), (16, 4, "registers")],
)
def test_targets_that_no_kernel_is_written_for_are_refused(
    vector_bytes: int, registers: int, named: str
) -> None:
    with pytest.raises(SpecError, match=named):
        Target(triple="x86_64", vector_bytes=vector_bytes, registers=registers)


def a_map(**fields: float) -> Buffer:
    return replace(Buffer(channels=8, height=4, width=6, pitch=8), **fields)  # type: ignore[arg-type]  # of numbers


def test_a_map_gets_the_place_of_a_released_one_of_its_kind() -> None:
    memory = Memory()
    first, other, bordered, second = a_map(), a_map(), a_map(border=1), a_map()
    for buffer in (first, other, bordered):
        memory.allocate(buffer)
    assert len({first.at, other.at, bordered.at}) == 3
    memory.release(first)
    memory.release(bordered)
    memory.allocate(second)
    assert second.at == first.at


def test_maps_begin_at_cache_lines_and_do_not_overlap() -> None:
    memory = Memory()
    maps = [replace(a_map(width=width), dtype=np.uint8) for width in (1, 3, 7)]
    for buffer in maps:
        memory.allocate(buffer)
    for buffer, following in pairwise(maps):
        assert buffer.at % LINE_BYTES == 0
        assert buffer.at + buffer.size + LINE_BYTES <= following.at


def test_equal_constants_and_tables_are_stored_once() -> None:
    memory, values = Memory(), np.arange(5, dtype=np.float32)
    assert memory.constant(values) == memory.constant(values.copy()) == 0
    assert memory.constant(values + 1) == LINE_BYTES
    assert memory.table([1, 2]) == memory.table(np.array([1, 2])) == 0
    assert memory.table([3]) == 2
    assert memory.tables().tolist() == [1, 2, 3]
    assert np.array_equal(memory.constants()[:20].view(np.float32), values)
