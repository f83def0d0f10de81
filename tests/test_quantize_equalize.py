"""Channels followed through graphs, and factors and shifts that leave the function as it is."""

import numpy as np
import onnx
import pytest
from onnx import helper

from quantizing import RNG
from random_graphs import Builder, random_model
from shufflenet.quantize._equalize import equalize, rescale
from shufflenet.quantize._float_graph import FloatGraph, read_float_graph, to_model
from shufflenet.quantize._observe import observe_ranges
from shufflenet.quantize._session import compute_logits


def feed(images: np.ndarray) -> np.ndarray:
    """Convert pixels ``(n, h, w, 3)`` to ``(n, 3, h, w)``, about -1 to 1."""
    return np.moveaxis(images, -1, 1).astype(np.float32) / 127 - 1


def pixels(seed: int, count: int) -> np.ndarray:
    return RNG(seed).integers(0, 256, (count, 19, 19, 3), np.uint8)


def assert_same_function(one: FloatGraph, other: FloatGraph) -> None:
    before, after = (compute_logits(to_model(x), pixels(0, 5), feed) for x in (one, other))
    assert np.abs(before - after).max() <= 2e-5 * np.abs(before).max()


@pytest.mark.parametrize("seed", range(20))
def test_factors_and_shifts_leave_the_function_as_it_is(seed: int) -> None:
    graph = read_float_graph(random_model(seed), "random")
    channels = graph.channels
    count = len(channels.scalable)
    scale = np.where(channels.scalable, RNG(seed).uniform(0.2, 5, count), 1)
    shift = np.where(channels.shiftable, RNG(seed + 1).normal(size=count), 0)
    other = rescale(graph, scale, shift)
    assert_same_function(graph, other)
    changed = [
        name
        for name in graph.weights
        if not np.array_equal(graph.weights[name], other.weights[name])
    ]
    assert bool(changed) == (channels.scalable.any() or channels.shiftable.any())


@pytest.mark.parametrize("seed", range(20))
def test_equalized_channels_leave_the_function_as_it_is_and_reach_one(seed: int) -> None:
    graph = read_float_graph(random_model(seed), "random")
    ranges = observe_ranges(graph, pixels(seed, 20), feed, lambda done: None)
    other = equalize(graph, ranges)
    assert_same_function(graph, other)
    after = observe_ranges(other, pixels(seed, 20), feed, lambda done: None)
    for layer in graph.layers:
        outputs = graph.channels.of[layer.output]
        if graph.channels.scalable[outputs].all() and ranges.high[outputs].max() > 0.01:
            assert after.high[outputs].max() == pytest.approx(1, abs=1e-3)


def chain() -> Builder:
    """Return a graph of a stem and a 1x1 layer with ReLUs, and a depthwise layer without."""
    graph = Builder(0)
    x = graph.add("Relu", graph.conv("images", 8, 3, 3, 3, stride=2))
    x = graph.add("Relu", graph.conv(x, 6, 8, 1, 1))
    x = graph.conv(x, 6, 1, 3, 3, groups=6)
    graph.conv(x, 5, 6, 1, 1)
    return graph


def test_channels_of_a_depthwise_layer_get_the_same_range_and_begin_at_zero() -> None:
    builder = chain()
    graph = read_float_graph(builder.finish(builder.nodes[-1].output[0], 5), "chain")
    ranges = observe_ranges(graph, pixels(0, 20), feed, lambda done: None)
    after = observe_ranges(equalize(graph, ranges), pixels(0, 20), feed, lambda done: None)
    _, pointwise, depthwise, *_ = graph.layers
    read = graph.channels.of[pointwise.output]  # by the depthwise layer, which takes any factor
    wide = ranges.high[read] > 0.1 * np.median(ranges.high[read])
    assert np.allclose(after.high[read][wide], 1, atol=1e-3)
    written = graph.channels.of[depthwise.output]
    assert graph.channels.shiftable[written].all()
    assert np.allclose(after.low[written], 0, atol=1e-3)
    assert np.ptp(after.high[written]) < np.ptp(ranges.high[written] - ranges.low[written])


def test_what_may_be_scaled_and_shifted_depends_on_what_reads_it() -> None:
    builder = chain()
    graph = read_float_graph(builder.finish(builder.nodes[-1].output[0], 5), "chain")
    channels = graph.channels
    stem, pointwise, depthwise, last, classifier = graph.layers

    def may(tensor: str) -> tuple[bool, bool]:
        numbers = channels.of[tensor]
        return bool(channels.scalable[numbers].all()), bool(channels.shiftable[numbers].any())

    assert may("images") == (False, False)
    assert may(stem.output) == (True, False)  # a ReLU computed it
    assert may(pointwise.output) == (True, False)
    assert may(depthwise.output) == (True, True)
    assert may(last.output) == (True, True)  # a mean is all that reads it
    assert may(classifier.output) == (False, False)


def test_a_channel_keeps_its_number_where_it_is_passed_on() -> None:
    graph = Builder(0)
    x = graph.conv("images", 6, 3, 3, 3, stride=2)
    sizes = graph.constant(np.array([2, 4]))
    graph.nodes.append(_split(x, sizes))
    branch = graph.add("Relu", graph.conv("right", 3, 4, 1, 1))
    joined = graph.add("Concat", branch, "left", axis=1)
    turned = graph.add("Gather", x, graph.constant(np.array([5, 4, 3, 2, 1, 0])), axis=1)
    other = graph.conv(turned, 5, 6, 1, 1)
    read = read_float_graph(
        graph.finish(graph.add("Add", graph.conv(joined, 5, 5, 1, 1), other), 5), "graph"
    )
    of = read.channels.of
    assert of["left"].tolist() == of[x][:2].tolist()
    assert of["right"].tolist() == of[x][2:].tolist()
    assert of[joined].tolist() == [*of[branch], *of["left"]]
    assert not read.channels.scalable[of[x]].any()  # nothing is known of what Gather reads
    assert not set(of[turned]) & set(of[x])
    assert not read.channels.scalable[of[other]].any()  # nor of what Add reads


def _split(tensor: str, sizes: str) -> onnx.NodeProto:
    return helper.make_node("Split", [tensor, sizes], ["left", "right"], axis=1)
