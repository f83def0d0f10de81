"""Ranges of tensors, and the int8 models written with them, against the float graphs."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from onnxruntime.quantization import TensorsData

from quantizing import RNG
from random_graphs import Builder, bottleneck, random_model
from shufflenet.errors import CheckpointError, SpecError
from shufflenet.int8 import Int8Weights
from shufflenet.preprocess import normalize
from shufflenet.quantize._byte_input import fold_normalization, take_bytes, to_planes, zero_byte
from shufflenet.quantize._calibrate import calibrate
from shufflenet.quantize._float_graph import FloatGraph, read_float_graph, to_model
from shufflenet.quantize._int8_model import to_int8
from shufflenet.quantize._observe import observe_moments
from shufflenet.quantize._options import CALIBRATORS, Calibrator
from shufflenet.quantize._pad_channels import pad_channels
from shufflenet.quantize._round_weights import round_weights
from shufflenet.quantize._session import compute_logits
from shufflenet.spec import Preprocess

SIDE = 21


def feed(images: np.ndarray) -> np.ndarray:
    """Convert pixels ``(n, h, w, 3)`` to ``(n, 3, h, w)``, from -1 to 1.5."""
    return np.moveaxis(images, -1, 1).astype(np.float32) / 102 - 1


def pixels(seed: int, count: int = 12) -> np.ndarray:
    return RNG(seed).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def float_graph(seed: int) -> FloatGraph:
    return read_float_graph(random_model(seed), "random")


def ranges_of(graph: FloatGraph, calibrator: Calibrator = "minmax") -> TensorsData:
    return calibrate(graph, pixels(0), feed, calibrator, lambda done: None)


def rounded(graph: FloatGraph) -> tuple[FloatGraph, dict[str, Int8Weights]]:
    return round_weights(graph, observe_moments(graph, pixels(0), feed, lambda done: None), "full")


def ends(ranges: TensorsData, name: str) -> tuple[float, float]:
    low, high = ranges.data[name].range_value
    return np.asarray(low).item(), np.asarray(high).item()


def constants_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {x.name: numpy_helper.to_array(x) for x in model.graph.initializer}


# --- ranges ---


@pytest.mark.parametrize("calibrator", CALIBRATORS)
@pytest.mark.parametrize("seed", range(6))
def test_tensors_that_pass_values_on_share_a_range_with_zero(
    seed: int, calibrator: Calibrator
) -> None:
    graph = float_graph(seed)
    ranges = ranges_of(graph, calibrator)
    for node in graph.model.graph.node:
        if node.op_type in ("Split", "Concat", "MaxPool"):
            names = [name for name in (*node.input, *node.output) if name in ranges.data]
            assert len({ends(ranges, name) for name in names}) == 1
    for layer in graph.layers:
        low, high = ends(ranges, layer.output)
        assert low <= 0 < high


def test_the_range_of_the_input_is_from_black_to_white() -> None:
    graph = float_graph(0)
    for calibrator in CALIBRATORS:
        assert ends(ranges_of(graph, calibrator), "images") == pytest.approx((-1, 1.5))


@pytest.mark.parametrize("seed", range(6))
def test_the_least_and_the_greatest_value_are_within_the_range(seed: int) -> None:
    graph = float_graph(seed)
    counted: list[int] = []
    ranges = calibrate(graph, pixels(0), feed, "minmax", counted.append)
    assert counted == [10, 2]
    logits = compute_logits(to_model(graph), pixels(0), feed)
    low, high = ends(ranges, graph.model.graph.output[0].name)
    assert low == pytest.approx(min(0, logits.min()), abs=1e-4)
    assert high == pytest.approx(max(0, logits.max()), abs=1e-4)


def test_calibrators_print_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for calibrator in CALIBRATORS:
        ranges_of(float_graph(0), calibrator)
    assert capsys.readouterr().out == ""


# --- int8 models ---


@pytest.mark.parametrize("seed", range(12))
def test_an_int8_model_holds_our_weights_and_computes_nearly_the_same(seed: int) -> None:
    graph = float_graph(seed)
    stored, weights = rounded(graph)
    ranges = ranges_of(graph)
    model = to_int8(stored, ranges, weights)
    constants = constants_of(model)
    for layer in graph.layers:
        ours = weights[layer.weight]
        codes = constants[f"{layer.weight}_quantized"].reshape(ours.codes.shape)
        assert np.array_equal(codes, ours.codes)
        assert np.array_equal(constants[f"{layer.weight}_scale"], ours.scale)
        bias = constants[f"{layer.bias}_quantized"] * constants[f"{layer.bias}_quantized_scale"]
        step = constants[f"{layer.bias}_quantized_scale"].max()
        assert np.abs(bias - stored.weights[layer.bias]).max() <= step
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            assert {makers[name] for name in node.input} == {"DequantizeLinear"}
    before = compute_logits(to_model(graph), pixels(0), feed)
    after = compute_logits(model, pixels(0), feed, exact=True)
    assert np.abs(after - before).max() <= 0.1 * np.abs(before).max()


def test_a_relu_stays_where_bytes_reach_below_zero() -> None:
    builder = Builder(0)
    x = builder.conv("images", 4, 3, 3, 3, stride=2)
    positive = builder.add("Relu", builder.conv(x, 4, 4, 1, 1))
    joined = builder.add("Concat", positive, builder.conv(x, 4, 4, 1, 1), axis=1)
    model = builder.finish(builder.conv(joined, 6, 8, 1, 1), 6)
    graph = read_float_graph(model, "concat")
    stored, weights = rounded(graph)
    ranges = ranges_of(graph)
    assert ends(ranges, positive)[0] < -0.1
    int8 = to_int8(stored, ranges, weights)
    assert any(node.op_type == "Relu" for node in int8.graph.node)
    before = compute_logits(to_model(graph), pixels(0), feed)
    after = compute_logits(int8, pixels(0), feed, exact=True)
    assert np.abs(after - before).max() <= 0.05 * np.abs(before).max()


def test_ranges_stay_as_they_are_when_a_model_is_made() -> None:
    graph = float_graph(4)
    stored, weights = rounded(graph)
    ranges = ranges_of(graph)
    before = {name: ends(ranges, name) for name in ranges.data}
    first = to_int8(stored, ranges, weights)
    assert {name: ends(ranges, name) for name in ranges.data} == before
    assert to_int8(stored, ranges, weights).SerializeToString() == first.SerializeToString()


@pytest.mark.parametrize("seed", range(6))
def test_layers_can_be_left_in_float(seed: int) -> None:
    graph = float_graph(seed)
    stored, weights = rounded(graph)
    ranges = ranges_of(graph)
    first = graph.layers[0]
    for model, in_int8 in (
        (to_int8(stored, ranges, weights, only=first.nodes), {first.weight}),
        (
            to_int8(stored, ranges, weights, without=first.nodes),
            {layer.weight for layer in graph.layers[1:]},
        ),
    ):
        names = constants_of(model)
        assert {
            layer.weight for layer in graph.layers if f"{layer.weight}_quantized" in names
        } == in_int8


# --- added channels ---


@pytest.mark.parametrize("channels", [3, 12, 16, 20])
def test_bottlenecks_are_padded_to_sixteens_and_compute_the_same(channels: int) -> None:
    graph = read_float_graph(bottleneck(channels, channels), "bottleneck")
    stored, weights = rounded(graph)
    model = to_int8(stored, ranges_of(graph), weights)
    before = compute_logits(model, pixels(1), feed)
    pad_channels(model, stored)
    constants = constants_of(model)
    _, first, middle, last, _ = graph.layers
    wide = -(-channels // 16) * 16
    assert constants[f"{first.weight}_quantized"].shape[0] == wide
    assert constants[f"{middle.weight}_quantized"].shape[0] == wide
    assert constants[f"{last.weight}_quantized"].shape[1] == wide
    assert np.array_equal(compute_logits(model, pixels(1), feed), before)


def test_a_bottleneck_with_a_float_layer_is_not_padded() -> None:
    graph = read_float_graph(bottleneck(12, 12), "bottleneck")
    stored, weights = rounded(graph)
    model = to_int8(stored, ranges_of(graph), weights, without=graph.layers[2].nodes)
    before = {name: array.shape for name, array in constants_of(model).items()}
    pad_channels(model, stored)
    assert {name: array.shape for name, array in constants_of(model).items()} == before


# --- bytes as input ---

# The mean of all colors is a byte, so that padding is the same in bytes as in floats.
GRAY = Preprocess(resize_px=SIDE, crop_px=SIDE, mean=(0.4, 0.4, 0.4), std=(0.2, 0.3, 0.25))
BGR = Preprocess(
    resize_px=SIDE,
    crop_px=SIDE,
    channels="bgr",
    value_range=255,
    mean=(102, 102, 102),
    std=(58, 57, 60),
)


@pytest.mark.parametrize("how", [GRAY, BGR], ids=["rgb", "bgr"])
@pytest.mark.parametrize("seed", range(6))
def test_a_folded_normalization_computes_the_same(seed: int, how: Preprocess) -> None:
    graph = float_graph(seed)
    folded, feed_pixels = fold_normalization(graph, how)
    images = pixels(seed)
    assert np.array_equal(feed_pixels(images), np.moveaxis(images, -1, 1) - np.float32(102))
    before = compute_logits(to_model(graph), images, lambda x: normalize(x, how))
    after = compute_logits(to_model(folded), images, feed_pixels)
    assert np.abs(after - before).max() <= 2e-5 * np.abs(before).max()


@pytest.mark.parametrize("is_float", [False, True], ids=["int8", "float"])
@pytest.mark.parametrize("seed", range(4))
def test_a_model_that_takes_bytes_computes_what_it_did_before(seed: int, is_float: bool) -> None:
    graph, feed_pixels = fold_normalization(float_graph(seed), GRAY)
    images = pixels(seed)
    moments = observe_moments(graph, images, feed_pixels, lambda done: None)
    stored, weights = round_weights(graph, moments, "portable")
    ranges = calibrate(graph, images, feed_pixels, "minmax", lambda done: None)
    without = graph.layers[0].nodes if is_float else ()
    model = to_int8(stored, ranges, weights, without=without)
    before = compute_logits(model, images, feed_pixels, exact=True)
    take_bytes(model, zero_byte(GRAY))
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert np.allclose(compute_logits(model, images, to_planes, exact=True), before, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "expected"),
    [(GRAY, 102), (BGR, 102), (Preprocess(resize_px=256, crop_px=224), 114)],
)
def test_the_byte_for_zero_is_the_mean_color(how: Preprocess, expected: int) -> None:
    assert zero_byte(how) == expected


def test_an_image_cannot_be_subtracted_from_bytes() -> None:
    how = Preprocess(resize_px=256, crop_px=224, mean_image="megvii-imagenet-224")
    with pytest.raises(SpecError, match="left out for networks that subtract an image"):
        zero_byte(how)


# --- reading ---


def test_nodes_get_names_and_a_quantized_model_is_refused(tmp_path: Path) -> None:
    graph = float_graph(0)
    assert all(node.name for node in graph.model.graph.node)
    stored, weights = rounded(graph)
    model = to_int8(stored, ranges_of(graph), weights)
    with pytest.raises(CheckpointError, match="is in int8 already"):
        read_float_graph(model, tmp_path / "int8.onnx")
