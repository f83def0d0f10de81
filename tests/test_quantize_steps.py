"""The steps from a float network to an int8 one: what each leaves as it is, and what it gains."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from quantizing import RNG, pictures, write_float_file
from shufflenet.preprocess import normalize
from shufflenet.quantize._equalize import equalize
from shufflenet.quantize._float_graph import read_float_graph, to_model
from shufflenet.quantize._observe import observe_moments, observe_ranges
from shufflenet.quantize._round_weights import _round_rows, round_weights
from shufflenet.quantize._session import compute_logits, open_session
from shufflenet.runtimes import OnnxClassifier
from shufflenet.runtimes._inputs import to_pixels  # the inverse of what this file tests
from shufflenet.spec import Preprocess

NO_PROGRESS = lambda done: None  # noqa: E731


@pytest.fixture(scope="module")
def float_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_float_file(tmp_path_factory.mktemp("float"))


def test_neighbours_never_overflow_sixteen_bits() -> None:
    weights = RNG(0).standard_t(2, (1, 40, 31))  # some are far from the others
    covariance = np.cov(RNG(1).normal(size=(31, 200)))[None]
    codes, scale = _round_rows(weights, covariance, largest=127, pairs=True)
    even, odd = codes[..., :-1:2], codes[..., 1::2]
    together = np.where(np.sign(even) == np.sign(odd), np.abs(even + odd), 0)
    assert together.max() <= 128
    assert np.abs(codes).max() <= 127
    assert 255 * together.max() < 2**15
    halved = np.rint(weights / (scale[..., None] * 2))
    assert np.abs(codes).sum() > np.abs(halved).sum()  # finer than 7 bits would be


def test_portable_weights_are_summed_exactly_by_this_processor() -> None:
    """ONNX Runtime's fused int8 convolution against whole numbers, with pixels that are extreme."""
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


def test_equalised_channels_leave_the_function_as_it_is(float_file: Path) -> None:
    graph = read_float_graph(onnx.load(float_file), float_file)
    how = OnnxClassifier(float_file).card.preprocess

    def feed(images: np.ndarray) -> np.ndarray:
        return normalize(images, how)

    spans = observe_ranges(graph, pictures(20), feed, NO_PROGRESS)
    other = equalize(graph, spans)
    before, after = (compute_logits(to_model(x), pictures(5), feed) for x in (graph, other))
    assert np.abs(before - after).max() <= 1e-5 * np.abs(before).max()
    spread = observe_ranges(other, pictures(20), feed, NO_PROGRESS)
    made = graph.channels.of[graph.layers[3].output]  # read by a depthwise layer
    assert np.ptp(spans.high[made]) > 0.1
    reached = spread.high[made][spans.high[made] > 0.2 * spans.high[made].max()]
    assert np.allclose(reached, 1, atol=1e-3)


def test_rounding_by_covariance_loses_less_than_plain_rounding(float_file: Path) -> None:
    graph = read_float_graph(onnx.load(float_file), float_file)
    how = OnnxClassifier(float_file).card.preprocess
    moments = observe_moments(graph, pictures(50), lambda x: normalize(x, how), NO_PROGRESS)
    stored, _ = round_weights(graph, moments, "full")
    layer = graph.layers[-2]
    rows, ours = (x.weights[layer.weight][:, :, 0, 0] for x in (graph, stored))
    step = np.abs(rows).max(1, keepdims=True) / 127
    plain = np.rint(rows / step) * step
    covariance = moments[layer.weight].covariance[0]
    errors = [((rows - x) @ covariance * (rows - x)).sum() for x in (ours, plain)]
    assert errors[0] < 0.85 * errors[1]


def test_biases_make_up_for_the_mean_of_what_is_lost(float_file: Path) -> None:
    graph = read_float_graph(onnx.load(float_file), float_file)
    how = OnnxClassifier(float_file).card.preprocess
    moments = observe_moments(graph, pictures(20), lambda x: normalize(x, how), NO_PROGRESS)
    stored, _ = round_weights(graph, moments, "portable")
    layer = graph.layers[-1]
    means = [
        x.weights[layer.weight][:, :, 0, 0] @ moments[layer.weight].mean[0] + x.weights[layer.bias]
        for x in (graph, stored)
    ]
    assert np.allclose(means[0], means[1])


@pytest.mark.parametrize(
    "how",
    [
        Preprocess(resize_px=32, crop_px=32),
        Preprocess(resize_px=32, crop_px=32, channels="bgr", value_range=255, mean=(0, 0, 0),
                   std=(1, 1, 1)),
    ],
)  # fmt: skip
def test_prepared_images_turn_back_into_bytes(how: Preprocess) -> None:
    images = RNG(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    assert np.array_equal(to_pixels(normalize(images, how), how), np.moveaxis(images, -1, 1))
