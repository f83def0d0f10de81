"""Weights in int8: their bounds, the cost of their errors, and the biases that compensate them."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from quantizing import RNG
from random_graphs import random_model
from shufflenet.quantize._float_graph import FloatGraph, read_float_graph
from shufflenet.quantize._observe import Moments, observe_moments
from shufflenet.quantize._options import WeightRange
from shufflenet.quantize._round_weights import _round_rows, _scales, round_weights
from shufflenet.quantize._session import open_session


def covariance_of(seed: int, groups: int, inputs: int) -> np.ndarray:
    """Return the covariance of inputs that depend on each other, ``(groups, inputs, inputs)``."""
    mixed = RNG(seed).normal(size=(groups, inputs, inputs))
    return mixed @ mixed.transpose(0, 2, 1) / inputs + 0.01 * np.eye(inputs)


def shape_of(seed: int) -> tuple[int, int, int]:
    groups, out, inputs = (int(x) for x in RNG(seed).integers((1, 1, 1), (4, 40, 70)))
    return groups, out, inputs


def cost(error: np.ndarray, covariance: np.ndarray) -> float:
    return float(np.einsum("goi,gij,goj->", error, covariance, error))


@pytest.mark.parametrize("seed", range(20))
def test_neighbors_never_overflow_sixteen_bits(seed: int) -> None:
    groups, out, inputs = shape_of(seed)
    weights = RNG(seed).standard_t(2, (groups, out, inputs))  # some are far from the others
    codes, scale = _round_rows(
        weights, covariance_of(seed, groups, inputs), largest=127, pairs=True
    )
    even, odd = codes[..., : inputs // 2 * 2 : 2], codes[..., 1::2]
    pair_sums = np.where(np.sign(even) == np.sign(odd), np.abs(even + odd), 0)
    assert 255 * pair_sums.max(initial=0) < 2**15
    assert np.abs(codes).max() <= 127
    assert np.array_equal(codes, np.rint(codes))
    assert (scale > 0).all()


def test_bounded_pairs_are_finer_than_seven_bits() -> None:
    weights = RNG(0).standard_t(2, (1, 40, 31))
    codes, scale = _round_rows(weights, covariance_of(1, 1, 31), largest=127, pairs=True)
    halved = np.rint(weights / (scale[..., None] * 2))
    assert np.abs(codes).sum() > np.abs(halved).sum()


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_rounding_by_covariance_costs_no_more_than_plain_rounding(seed: int, pairs: bool) -> None:
    groups, _, inputs = shape_of(seed)
    weights = RNG(seed).normal(size=(groups, 30, inputs))
    covariance = covariance_of(seed, groups, inputs)
    codes, scale = _round_rows(weights, covariance, largest=127, pairs=pairs)
    step = np.abs(weights).max(2, keepdims=True) / (64 if pairs else 127)
    plain = np.rint(weights / step) * step
    ours = cost(weights - codes * scale[..., None], covariance)
    assert ours <= 1.001 * cost(weights - plain, covariance)
    if inputs > 10:
        assert ours < 0.9 * cost(weights - plain, covariance)


@pytest.mark.parametrize("seed", range(10))
def test_independent_inputs_are_rounded_to_the_nearest(seed: int) -> None:
    groups, out, inputs = shape_of(seed)
    weights = RNG(seed).normal(size=(groups, out, inputs))
    covariance = np.broadcast_to(np.diag(RNG(seed).uniform(1, 2, inputs)), (groups, inputs, inputs))
    codes, scale = _round_rows(weights, covariance, largest=127, pairs=False)
    assert np.array_equal(codes, np.clip(np.rint(weights / scale[..., None]), -127, 127))


@pytest.mark.parametrize("seed", range(10))
def test_no_scale_that_is_tried_costs_less(seed: int) -> None:
    groups, out, inputs = shape_of(seed)
    weights = RNG(seed).standard_t(2, (groups, out, inputs))
    variance = RNG(seed).uniform(0.5, 2, (groups, inputs))

    def costs(scale: np.ndarray) -> np.ndarray:
        codes = np.clip(np.rint(weights / scale[..., None]), -127, 127)
        error = weights - codes * scale[..., None]
        return np.asarray((error**2 * variance[:, None]).sum(2))

    best = costs(_scales(weights, variance, 127, pairs=False))
    reach = np.abs(weights).max(2) / 127
    for fraction in np.linspace(0.6, 1, 17):
        assert (best <= costs(fraction * reach) * (1 + 1e-9) + 1e-15).all()


def rounded(seed: int, weight_range: WeightRange) -> tuple[FloatGraph, FloatGraph, dict, dict]:  # type: ignore[type-arg]  # as round_weights returns
    graph = read_float_graph(random_model(seed), "random")
    images = RNG(seed).integers(0, 256, (10, 21, 21, 3), np.uint8)

    def feed(pixels: np.ndarray) -> np.ndarray:
        planes: np.ndarray = np.moveaxis(pixels, -1, 1).astype(np.float32)
        return planes / np.float32(99)

    moments = observe_moments(graph, images, feed, lambda done: None)
    return graph, *round_weights(graph, moments, weight_range), moments


@pytest.mark.parametrize("weight_range", ["portable", "full"])
@pytest.mark.parametrize("seed", range(12))
def test_the_graph_holds_what_the_bytes_stand_for(seed: int, weight_range: WeightRange) -> None:
    graph, stored, weights, _ = rounded(seed, weight_range)
    for layer in graph.layers:
        codes, scale = weights[layer.weight].codes, weights[layer.weight].scale
        assert codes.dtype == np.int8
        assert codes.shape == graph.weights[layer.weight].shape
        meant = codes * scale[:, None, None, None].astype(np.float64)
        assert np.allclose(stored.weights[layer.weight], meant, rtol=1e-6)
        error = np.abs(stored.weights[layer.weight] - graph.weights[layer.weight])
        assert error.max() <= 0.5 * np.abs(graph.weights[layer.weight]).max()


@pytest.mark.parametrize("seed", range(12))
def test_only_portable_weights_are_bounded_and_depthwise_ones_never(seed: int) -> None:
    for weight_range in ("portable", "full"):
        graph, _, weights, _ = rounded(seed, weight_range)
        for layer in graph.layers:
            codes = weights[layer.weight].codes.astype(int)
            assert np.abs(codes).max() <= 127
            is_depthwise = layer.groups > 1 and codes.shape[1] == 1
            is_pointwise = codes.shape[2:] == (1, 1)
            if weight_range == "portable" and not is_depthwise and not is_pointwise:
                assert np.abs(codes).max() <= 64
            elif weight_range == "full" or is_depthwise:
                assert np.abs(codes).max() > 64


@pytest.mark.parametrize("seed", range(12))
def test_biases_compensate_the_mean_of_what_is_lost(seed: int) -> None:
    graph, stored, _, moments = rounded(seed, "portable")
    for layer in graph.layers:
        mean = moments[layer.weight].mean
        means = []
        for each in (graph, stored):
            rows = each.weights[layer.weight].reshape(layer.groups, -1, mean.shape[1])
            means.append((rows @ mean[..., None]).ravel() + each.weights[layer.bias])
        assert np.allclose(*means)


def test_a_layer_of_zeros_stays_zero() -> None:
    graph = read_float_graph(random_model(0), "random")
    zeros = {name: np.zeros_like(array) for name, array in graph.weights.items()}
    moments = {
        layer.weight: Moments(np.zeros((layer.groups, size)), np.zeros((layer.groups, size, size)))
        for layer in graph.layers
        for size in [int(np.prod(graph.weights[layer.weight].shape[1:]))]
    }
    stored, weights = round_weights(graph.with_weights(zeros), moments, "portable")
    assert not any(array.any() for array in stored.weights.values())
    assert all(np.isfinite(each.scale).all() for each in weights.values())


def test_portable_weights_are_summed_exactly_by_this_processor() -> None:
    """ONNX Runtime's fused int8 convolution against integers, with pixels that are extreme."""
    channels, out = 64, 48
    rows = RNG(2).choice([-1.0, 1.0], (1, out, channels)) * RNG(3).uniform(0.8, 1, (out, channels))
    codes, _ = _round_rows(rows, np.eye(channels)[None], largest=127, pairs=True)
    weights = codes[0].astype(np.int8)
    pixels = RNG(4).choice(np.array([0, 255], np.uint8), (1, channels, 9, 9), p=[0.2, 0.8])
    pixels[0, :, 0] = 255
    sums = np.einsum("oc,nchw->nohw", weights.astype(np.int64), pixels.astype(np.int64))
    scale = np.float32(200 / np.abs(sums).max())
    expected = np.clip(np.rint(sums.astype(np.float32) * scale) + 128, 0, 255).astype(np.uint8)
    assert np.array_equal(_convolved(pixels, weights, scale), expected)


def _convolved(pixels: np.ndarray, weights: np.ndarray, scale: np.float32) -> np.ndarray:
    constants = {
        "one": np.float32(1),
        "zero": np.uint8(0),
        "weights": weights[:, :, None, None],
        "scale": np.full(len(weights), scale, np.float32),
        "weights_zero": np.zeros(len(weights), np.int8),
        "middle": np.uint8(128),
    }
    names = ["pixels", "one", "zero", "weights", "scale", "weights_zero", "one", "middle"]
    graph = helper.make_graph(
        [helper.make_node("QLinearConv", names, ["sums"])],
        "one layer",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, pixels.shape)],
        [helper.make_tensor_value_info("sums", TensorProto.UINT8, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    result: np.ndarray = open_session(model).run(None, {"pixels": pixels})[0]
    return result
