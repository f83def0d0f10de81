"""Plans that reach out of a map, or that would take minutes or gigabytes, are refused at once."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from narrow import NARROW
from shufflenet.codegen import build, check, jit
from shufflenet.codegen.plan import Buffer, Memory, Planes
from shufflenet.codegen.plan._sources import Slice, WindowSource  # what a plan is made of
from shufflenet.errors import MapsDoNotFit, SpecError, TooLargeToCompile
from shufflenet.graph import ChannelSlice, Convolution, Layer, Linear, Mean, Network, QuantParams
from shufflenet.recipes import preprocess_for
from shufflenet.spec import TARGETS
from small_networks import small_network

WIDE = TARGETS["x86-64-v3"]
SHAPE = (3, 64, 64)


def floats(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def layer(number: int, **fields: Any) -> Network:  # noqa: ANN401  # they differ
    """Return the small network with one layer changed."""
    network = small_network()
    layers = list(network.layers)
    changed: Any = layers[number]
    layers[number] = replace(changed, **fields)
    return replace(network, layers=layers)


STEM, A, JOINED, FILTERED, FEATURES = 0, 2, 3, 4, 5
CASES: dict[str, Network] = {
    "channels before the first": layer(A, inputs=(ChannelSlice("pool", -1, 6),)),
    "channels beyond the last": layer(A, inputs=(ChannelSlice("pool", 5, 6),)),
    "all channels, shifted": layer(FEATURES, inputs=(ChannelSlice("filtered", 3, 21),)),
    "no channels": layer(A, inputs=(ChannelSlice("pool", 4, 6), ChannelSlice("pool", 0, 0))),
    "no inputs": layer(A, inputs=()),
    "more weights than channels": layer(A, weight=floats(9, 7, 1, 1)),
    "a window of all channels": layer(A, weight=floats(9, 6, 3, 3)),
    "an even window": layer(FILTERED, weight=floats(21, 1, 4, 4)),
    "a flat window": layer(FILTERED, weight=floats(21, 1, 3, 5)),
    "other filters than channels": layer(
        FILTERED, weight=floats(20, 1, 3, 3), bias=floats(20), groups=20
    ),
    "no stride": layer(FILTERED, stride=0),
    "a stride of three": layer(STEM, stride=3),
    "a short bias": layer(JOINED, bias=floats(20)),
    "groups that do not divide": layer(JOINED, groups=2, weight=floats(21, 9, 1, 1)),
    "a residual of fewer channels": layer(JOINED, residual=(ChannelSlice("pool", 0, 10),)),
    "a residual of a later layer": layer(JOINED, residual=(ChannelSlice("features", 0, 21),)),
    "a classifier of more features": replace(
        small_network(), classifier=replace(small_network().classifier, weight=floats(7, 36))
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_layers_that_read_what_is_not_there_are_refused(case: str) -> None:
    with pytest.raises(MapsDoNotFit):
        check(CASES[case], WIDE, SHAPE)
    check(small_network(), WIDE, SHAPE)


def a_map(**fields: int) -> Buffer:
    return replace(Buffer(channels=8, height=4, width=6, pitch=8), **fields)  # type: ignore[arg-type]  # of numbers


def test_an_address_lies_in_its_map_and_its_map_in_the_arena() -> None:
    memory, buffer = Memory(), a_map()
    with pytest.raises(MapsDoNotFit, match="an address lies outside"):
        memory.check_place(buffer, 0)  # it has no place yet
    memory.allocate(buffer)
    memory.check_place(buffer, 0)
    memory.check_place(buffer, buffer.size - 1)
    for first in (-1, buffer.size, 2**63):
        with pytest.raises(MapsDoNotFit, match="an address lies outside"):
            memory.check_place(buffer, first)
    buffer.height = 2**40
    with pytest.raises(MapsDoNotFit, match="an address lies outside"):
        memory.check_place(buffer, 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Slice(a_map(), 4, 5),
        lambda: Slice(a_map(), -1, 2),
        lambda: Slice(a_map(), 2, 0),
        lambda: WindowSource(Planes(channels=3, height=8, width=8, border=1), 5, 1),
        lambda: a_map(border=1).windows(5, 1),
    ],
)
def test_slices_and_windows_lie_in_their_maps(make: Callable[[], object]) -> None:
    with pytest.raises(MapsDoNotFit):
        make()


# --- what would take too long, or too much memory ---


def conv(name: str, inputs: list[ChannelSlice], *shape: int, groups: int = 1) -> Convolution:
    """Return a convolution of weights that take no memory."""
    return Convolution(
        output=name,
        inputs=tuple(inputs),
        weight=np.broadcast_to(np.float32(0), shape),
        bias=floats(shape[0]),
        stride=2 if name == "stem" else 1,
        groups=groups,
    )


def network(stem: int, *inner: Convolution) -> Network:
    """Return a network of a stem of so many channels and some layers."""
    out = len(inner[-1].weight)
    layers: list[Layer] = [conv("stem", [ChannelSlice("images", 0, 3)], stem, 3, 3, 3), *inner]
    layers.append(Mean(output="mean", inputs=(ChannelSlice(inner[-1].output, 0, out),)))
    classifier = Linear(
        output="logits",
        inputs=(ChannelSlice("mean", 0, out),),
        weight=floats(5, out),
        bias=floats(5),
    )
    return Network(layers, classifier)


def channels_of(name: str, channels: int) -> list[ChannelSlice]:
    return [ChannelSlice(name, 0, channels)]


def windows(side: int) -> Network:
    filtered = conv("filtered", channels_of("stem", 8), 8, 1, side, side, groups=8)
    return network(8, filtered, conv("last", channels_of("filtered", 8), 8, 8, 1, 1))


def many_groups(layers: int) -> Network:
    inner = [
        conv(f"{n + 1}", channels_of(f"{n}" if n else "stem", 2048), 2048, 2, 1, 1, groups=1024)
        for n in range(layers)
    ]
    return network(2048, *inner)


def wide() -> Network:
    inner = [
        conv(f"{n + 1}", channels_of(f"{n}" if n else "stem", 8192), 8192, 8192, 1, 1)
        for n in range(5)
    ]
    return network(8192, *inner)


@pytest.mark.parametrize(
    ("made", "shape", "told"),
    [
        (windows(127), SHAPE, "depthwise windows of 127 px, more than 31"),
        (many_groups(12), SHAPE, "layers of .* steps for images of this size, more than 20,000"),
        (wide(), SHAPE, "weights of .* bytes, packed, more than 1,073,741,824"),
        (windows(3), (3, 9000, 9000), "maps of .* GB for images of this size, more than 1 GB"),
        (windows(3), (3, 10**9, 10**9), "maps of .* GB"),
    ],
)
def test_what_takes_minutes_or_gigabytes_is_refused_at_once(
    made: Network, shape: tuple[int, int, int], told: str
) -> None:
    with pytest.raises(TooLargeToCompile, match=told):
        check(made, WIDE, shape)
    check(windows(31), WIDE, SHAPE)


def test_channels_reordered_in_many_ways_are_refused() -> None:
    orders = [np.random.default_rng(n).permutation(1024).tolist() for n in range(6)]
    # Pieces of other lengths in each: another kernel.
    inner = []
    for n, order in enumerate(orders):
        name = f"{n}" if n else "stem"
        pieces = [ChannelSlice(name, channel, 1) for channel in order[n:]]
        pieces.append(ChannelSlice(name, 0, n) if n else pieces.pop())
        inner.append(conv(f"{n + 1}", pieces, 1024, 1024, 1, 1))
    with pytest.raises(TooLargeToCompile, match="channels put together in .* slices, more than"):
        check(network(1024, *inner), WIDE, SHAPE)


def test_pairs_that_avx2_looks_for_are_bounded() -> None:
    weight = np.broadcast_to(np.int8(0), (8192, 8192, 1, 1))
    made = network(8192, conv("1", channels_of("stem", 8192), 8192, 8192, 1, 1))
    layers: list[Layer] = [
        replace(each, weight=weight if each.output == "1" else each.weight.astype(np.int8))
        if isinstance(each, Convolution)
        else each
        for each in made.layers
    ]
    classifier = replace(made.classifier, weight=made.classifier.weight.astype(np.int8))
    int8 = Network(layers, classifier, QuantParams(0.1, 0))
    with pytest.raises(TooLargeToCompile, match="weights in .* pairs, more than"):
        check(int8, WIDE, SHAPE)


def test_an_array_of_another_shape_is_not_read() -> None:
    compiled = jit(build(small_network(), NARROW, (3, 8, 12), preprocess_for(8)))
    features = compiled.features(floats(3, 8, 12))
    assert compiled.logits([features, features]).shape == (2, 7)
    wrong: list[Callable[[], object]] = [
        lambda: compiled.features(floats(3, 8, 11)),
        lambda: compiled.logits_of(floats(3, 8, 12).astype(np.float64)),
        lambda: compiled.features_of_pixels(np.zeros((8, 11, 3), np.uint8)),
        lambda: compiled.logits_of_pixels(np.zeros((3, 8, 12), np.uint8)),
        lambda: compiled.logits([features, features[:-1]]),
    ]
    for call in wrong:
        with pytest.raises(SpecError, match="the array to compute is"):
            call()
