"""Filters that died, exploded or are zero, and biases far from them: what int8 makes of them."""

import warnings
from collections.abc import Iterator

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from quantizing import RNG
from random_graphs import random_model
from shufflenet.errors import CheckpointError, NumbersTooFarApart
from shufflenet.int8 import Int8Weights, fit_sums
from shufflenet.quantize import QuantizeOptions
from shufflenet.quantize._calibrate import calibrate
from shufflenet.quantize._float_graph import read_float_graph
from shufflenet.quantize._hold_out import HoldOut
from shufflenet.quantize._options import Calibrator
from shufflenet.quantize._prepare import Prepared, build_int8, prepare
from shufflenet.quantize._session import compute_logits
from shufflenet.quantize._split import CalibrationSplit
from shufflenet.recipes import preprocess_for

_SIDE = 21
# What a filter's weights are multiplied by, and its bias.
_FILTERS = {
    "dead": (1e-11, 1.0),
    "zero": (0.0, 1.0),
    "denormal": (1e-42, 1.0),
    "zero without a bias": (0.0, 0.0),
    "dead, with a large bias": (1e-11, 100.0),
    "loud": (10.0, 1.0),
}


@pytest.fixture(autouse=True)
def _warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(divide="raise", over="raise", invalid="raise"):
        warnings.simplefilter("error")
        yield


def damaged(seed: int, kinds: list[str], share: float = 0.3) -> onnx.ModelProto:
    """Return a random network of which a share of every layer's filters is of these kinds."""
    model = random_model(seed)
    arrays = {each.name: numpy_helper.to_array(each).copy() for each in model.graph.initializer}
    rng = RNG(seed)
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm"):
            continue
        weight, bias = (arrays[name] for name in node.input[1:])
        for number in np.flatnonzero(rng.random(len(weight)) < share):
            of_weight, of_bias = _FILTERS[kinds[rng.integers(len(kinds))]]
            weight[number] *= np.float32(of_weight)
            bias[number] *= np.float32(of_bias)
    for each in model.graph.initializer:
        each.CopyFrom(numpy_helper.from_array(arrays[each.name], each.name))
    return model


def prepared(model: onnx.ModelProto, *, pixels: bool = False) -> Prepared:
    images = RNG(1).integers(0, 256, (60, _SIDE // 3, _SIDE // 3, 3), np.uint8)
    images = images.repeat(3, axis=1).repeat(3, axis=2)
    split = CalibrationSplit(images[:20], images[20:], None)
    options = QuantizeOptions(pixels=pixels)
    graph = read_float_graph(model, "random.onnx")
    return prepare(graph, preprocess_for(_SIDE), split, options, lambda done: None)


def int8_of(network: Prepared) -> onnx.ModelProto:
    ranges = calibrate(
        network.graph, network.calibration, network.feed, "minmax", lambda done: None
    )
    return build_int8(network, ranges)


def ratio_db(network: Prepared, model: onnx.ModelProto) -> float:
    hold_out = network.hold_out
    assert isinstance(hold_out, HoldOut)
    logits = compute_logits(model, hold_out.images, network.feed_int8, exact=True)
    return hold_out.signal_to_noise_db(logits)


def check_sums(model: onnx.ModelProto) -> None:
    """Assert that no bias and no sum of a layer leaves int32, and that biases have their scale."""
    constants = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    biases = [name for name, array in constants.items() if array.dtype == np.int32 and array.ndim]
    by_bias = {}
    readers = {name: node for node in model.graph.node for name in node.input}
    makers = {node.output[0]: node for node in model.graph.node}
    for name in biases:
        if not name.endswith("_quantized"):
            continue
        layer = readers[readers[name].output[0]]
        weight, scale = makers[layer.input[1]].input[:2]
        codes = np.abs(constants[weight].astype(np.int64)).reshape(len(constants[weight]), -1)
        largest = 255 * codes.sum(1) + np.abs(constants[name].astype(np.int64))
        assert (largest < 2**31).all()
        assert np.isfinite(constants[scale]).all()
        assert (constants[f"{name}_scale"] >= np.finfo(np.float32).tiny).all()
        by_bias[name] = largest
    assert by_bias


@pytest.mark.parametrize("seed", range(12))
def test_damaged_filters_change_no_more_than_rounding_does(seed: int) -> None:
    network = prepared(damaged(seed, list(_FILTERS)), pixels=seed % 2 == 0)
    model = int8_of(network)
    check_sums(model)
    assert ratio_db(network, model) > 12


@pytest.mark.parametrize("kind", list(_FILTERS))
def test_each_kind_of_filter_answers_as_in_float(kind: str) -> None:
    network = prepared(damaged(3, [kind], 0.4))
    model = int8_of(network)
    check_sums(model)
    logits = compute_logits(model, network.hold_out.images, network.feed_int8, exact=True)
    assert network.hold_out.agreement(logits) >= 36  # of 40


def test_a_network_without_any_living_filter_is_answered_by_its_biases() -> None:
    network = prepared(damaged(5, ["dead"], 1.1))
    model = int8_of(network)
    check_sums(model)
    logits = compute_logits(model, network.hold_out.images, network.feed_int8, exact=True)
    assert network.hold_out.agreement(logits) == 40
    spread = np.abs(network.hold_out.reference).max()
    assert np.abs(logits - network.hold_out.reference).max() < 0.02 * spread


@pytest.mark.parametrize("seed", range(200))
def test_a_scale_is_raised_only_where_the_bias_does_not_fit(seed: int) -> None:
    rng = RNG(seed)
    out, inputs = (int(each) for each in rng.integers(1, 300, 2))
    codes = rng.integers(-127, 128, (out, inputs, 1, 1)).astype(np.int8)
    scale = (10.0 ** rng.uniform(-36, 30, out)).astype(np.float32)
    bias = rng.normal(size=out) * 10.0 ** rng.uniform(-30, 30, out) * rng.integers(0, 2, out)
    input_scale = 10.0 ** rng.uniform(-32, 6)
    fitted = fit_sums(Int8Weights(codes, scale), bias, input_scale)
    steps = np.rint(bias / (input_scale * fitted.scale.astype(np.float64)))
    sums = 255 * np.abs(fitted.codes.astype(np.int64)).sum((1, 2, 3)) + np.abs(steps)
    assert (sums < 2**31 - 2**28).all()
    assert (input_scale * fitted.scale.astype(np.float64) >= np.finfo(np.float32).tiny).all()
    kept = fitted.scale == scale
    assert np.array_equal(fitted.codes[kept], codes[kept])
    before = 255 * np.abs(codes.astype(np.float64)).sum((1, 2, 3)) * scale
    fits = (before + np.abs(bias) / input_scale) / scale < 2**30
    assert kept[fits & (input_scale * scale.astype(np.float64) > 1e-37)].all()


def test_a_pair_of_portable_weights_stays_portable_when_its_scale_is_raised() -> None:
    first = np.arange(129)
    codes = np.stack((first.clip(1, 127), 128 - first.clip(1, 127)), 1)[..., None, None]
    for factor in np.linspace(1.001, 3, 50):
        weights = Int8Weights(codes.astype(np.int8), np.ones(129, np.float32))
        fitted = fit_sums(weights, np.full(129, factor * 2**30), 1.0)
        assert fitted.codes.astype(int).sum(1).max() <= 128


@pytest.mark.parametrize(
    ("factor", "bias", "error"),
    [
        (1e33, 0.0, NumbersTooFarApart),
        (1.0, 1e33, NumbersTooFarApart),
        (1.0, 3e38, CheckpointError),
    ],
)
def test_numbers_that_no_scale_fits_are_refused_by_the_name_of_the_layer(
    factor: float, bias: float, error: type[CheckpointError]
) -> None:
    model = random_model(0)
    (first, *_) = (node for node in model.graph.node if node.op_type == "Conv")
    for each in model.graph.initializer:
        if each.name in first.input[1:]:
            array = numpy_helper.to_array(each).copy()
            array.flat[0] = array.flat[0] * factor if each.name == first.input[1] else bias
            each.CopyFrom(numpy_helper.from_array(array.astype(np.float32), each.name))
    with pytest.raises(error, match=r"too far apart|infinite or NaN"):
        int8_of(prepared(model))


@pytest.mark.parametrize("calibrator", ["percentile", "entropy"])
def test_dark_images_that_come_first_do_not_fill_memory(calibrator: Calibrator) -> None:
    """A histogram keeps the width of its first bins: of values of 1e-12, here."""
    nodes = [helper.make_node("Conv", ["images", "weight", "bias"], ["y"], "conv")]
    constants = {"weight": np.ones((2, 3, 1, 1), np.float32), "bias": np.zeros(2, np.float32)}
    shape: list[str | int | None] = ["n", 3, "h", "w"]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "one layer",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2, "h", "w"])],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    images = RNG(0).integers(1, 256, (40, 8, 8, 3), np.uint8)
    images[:10] = 0

    def feed(pixels: np.ndarray) -> np.ndarray:
        planes = np.moveaxis(pixels, -1, 1).astype(np.float32)
        return np.where(planes == 0, np.float32(1e-12), planes)

    graph = read_float_graph(model, "dark.onnx")
    ranges = calibrate(graph, images, feed, calibrator, lambda done: None)
    assert 300 < np.asarray(ranges.data["y"].range_value[1]).item() <= 3 * 255
