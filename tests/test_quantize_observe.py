"""Ranges and covariances of a network's tensors, against NumPy on random graphs."""

import numpy as np
import onnx
import pytest
from onnx import helper

from quantizing import RNG
from random_graphs import random_model
from shufflenet.graph import WeightedLayer
from shufflenet.quantize._float_graph import FloatGraph, read_float_graph, to_model
from shufflenet.quantize._observe import observe_moments, observe_ranges
from shufflenet.quantize._session import compute_logits, open_session, split_batches

SUM_ERROR = 1e-5  # what is added on the diagonal, of the mean square


def feed(images: np.ndarray) -> np.ndarray:
    """Convert pixels ``(n, h, w, 3)`` to ``(n, 3, h, w)``, about -1 to 1."""
    return np.moveaxis(images, -1, 1).astype(np.float32) / 127 - 1


def observed(graph: FloatGraph, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return every tensor of a graph for all images at once, by name."""
    model = to_model(graph)
    names = [name for node in model.graph.node for name in node.output]
    del model.graph.output[:]
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    batch = feed(images)
    session = open_session(model, optimized=False)
    return {
        graph.input: batch,
        **dict(zip(names, session.run(None, {graph.input: batch}), strict=True)),
    }


def pixels(seed: int, count: int, side: int = 15) -> np.ndarray:
    return RNG(seed).integers(0, 256, (count, side, side, 3), np.uint8)


@pytest.mark.parametrize("seed", range(12))
def test_ranges_leave_out_the_rarest_values(seed: int) -> None:
    graph = read_float_graph(random_model(seed), "random")
    images = pixels(seed, 24, side=33)  # 24 are no whole batches
    counted: list[int] = []
    ranges = observe_ranges(graph, images, feed, counted.append)
    assert sum(counted) == 24
    tensors = observed(graph, images)
    for layer in graph.layers:
        tensor = tensors[layer.output]
        values = np.sort(np.moveaxis(tensor, 1, 0).reshape(tensor.shape[1], -1))
        rare = 1 + int(1e-4 * values.shape[1])
        numbers = graph.channels.of[layer.output]
        assert np.allclose(ranges.high[numbers], values[:, -rare], rtol=1e-4, atol=1e-5)
        assert np.allclose(ranges.low[numbers], values[:, rare - 1], rtol=1e-4, atol=1e-5)


def taps(tensor: np.ndarray, layer: WeightedLayer, shape: tuple[int, ...]) -> np.ndarray:
    """Return what each output is computed from, ``(groups, inputs, outputs)``, pixel by pixel."""
    tensor = tensor.reshape(tensor.shape + (1,) * (4 - tensor.ndim)).astype(np.float64)
    top, left, bottom, right = layer.pads
    padded = np.pad(tensor, ((0, 0), (0, 0), (top, bottom), (left, right)))
    height, width = shape[2:]
    columns = [
        image[:, y : y + height, x : x + width].reshape(layer.groups, -1)
        for image in padded
        for y in range(0, padded.shape[2] - height + 1, layer.strides[0])
        for x in range(0, padded.shape[3] - width + 1, layer.strides[1])
    ]
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("seed", range(12))
def test_moments_are_those_of_all_inputs_of_a_layer(seed: int) -> None:
    graph = read_float_graph(random_model(seed), "random")
    images = pixels(seed, 12)
    counted: list[int] = []
    moments = observe_moments(graph, images, feed, counted.append)
    assert sum(counted) == 12
    tensors = observed(graph, images)
    for layer in graph.layers:
        samples = taps(tensors[layer.input], layer, graph.weights[layer.weight].shape)
        mean, covariance = moments[layer.weight].mean, moments[layer.weight].covariance
        assert np.allclose(mean, samples.mean(2), rtol=1e-4, atol=1e-4)
        inputs, count = samples.shape[1:]
        for group, values in enumerate(samples):
            expected = np.atleast_2d(np.cov(values, bias=True))
            expected *= np.where(np.eye(inputs), 1, count / (count + inputs))
            expected += np.eye(inputs) * SUM_ERROR * (values**2).sum(0).mean() / inputs
            assert np.allclose(covariance[group], expected, rtol=1e-3, atol=1e-3)


def test_a_constant_image_has_a_covariance_with_an_inverse() -> None:
    graph = read_float_graph(random_model(3), "random")
    images = np.full((4, 15, 15, 3), 200, np.uint8)
    for moments in observe_moments(graph, images, feed, lambda done: None).values():
        assert np.isfinite(np.linalg.inv(moments.covariance + 1e-12)).all()


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (5, [5]), (20, [10, 10]), (21, [10, 10, 1])])
def test_batches_hold_every_image_once(count: int, sizes: list[int]) -> None:
    images = pixels(0, count, side=2)
    batches = list(split_batches(images, 10))
    assert [len(batch) for batch in batches] == sizes
    assert np.array_equal(np.concatenate([images[:0], *batches]), images)


def test_logits_come_in_batches_and_are_those_of_all_images_at_once() -> None:
    model = random_model(1)
    images = pixels(1, 45)
    counted: list[int] = []
    logits = compute_logits(model, images, feed, on_progress=counted.append)
    assert counted == [20, 20, 5]
    (expected,) = open_session(model).run(None, {"images": feed(images)})
    assert np.allclose(logits, expected, atol=1e-5)
    exact = compute_logits(model, images, feed, exact=True)
    assert np.allclose(exact, expected, atol=1e-5)


def test_weights_of_a_graph_replace_those_of_its_model() -> None:
    graph = read_float_graph(random_model(2), "random")
    name = graph.layers[0].bias
    changed = graph.with_weights({name: graph.weights[name] + 1})
    constants = {x.name: onnx.numpy_helper.to_array(x) for x in to_model(changed).graph.initializer}
    assert np.allclose(constants[name], graph.weights[name] + 1)
    before = {x.name: onnx.numpy_helper.to_array(x) for x in to_model(graph).graph.initializer}
    assert [key for key in before if not np.array_equal(before[key], constants[key])] == [name]
