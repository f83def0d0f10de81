import json
import logging
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization.calibrate import TensorsData
from PIL import Image
from torch import nn

from conftest import card_for, with_seeded_weights
from shufflenet.cli import main
from shufflenet.data import ImageSet, open_images
from shufflenet.engine import CHECK_KEY, OnnxClassifier
from shufflenet.engine._int8 import as_pixels
from shufflenet.errors import AccuracyLost, CheckpointError, DataError, SpecError, WriteError
from shufflenet.export import export_onnx
from shufflenet.networks import build
from shufflenet.preprocess import normalised
from shufflenet.quantize import Quantized, _prepare, _quantize, quantize_onnx
from shufflenet.quantize._equalise import equalised
from shufflenet.quantize._graph import Layer, as_model, read_graph
from shufflenet.quantize._judge import logits_of
from shufflenet.quantize._layers import name_of
from shufflenet.quantize._observe import moments_of, open_session, spans_of
from shufflenet.quantize._prepare import Prepared
from shufflenet.quantize._round import _round_rows, rounded
from shufflenet.recipes import preprocess_for
from shufflenet.spec import Card, Label, Preprocess, V2Spec
from shufflenet.trunk import ShuffleNet
from shufflenet.zoo import NETWORKS

RNG = np.random.default_rng
CLASSES = ("blue", "green", "red")
NO_PROGRESS = lambda done: None  # noqa: E731


def pictures(count: int, side: int = 32) -> np.ndarray:
    coarse = RNG(count).integers(0, 256, (count, side // 4, side // 4, 3), np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


def written(folder: Path, images: Iterable[np.ndarray], classes: Sequence[str]) -> ImageSet:
    for number, image in enumerate(images):
        place = folder / classes[number % len(classes)]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number}.png")
    return open_images(folder)


@pytest.fixture(scope="module")
def float_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of two units a stage with random weights, and colours for classes."""
    spec = NETWORKS["shufflenet_v2_x0_25"]
    assert isinstance(spec, V2Spec)
    stages = tuple(replace(stage, repeats=2) for stage in spec.stages)
    net = with_seeded_weights(build(replace(spec, classes=3, stem_stride=2, stages=stages)))
    _fit_statistics(net)
    labels = tuple(Label(name, name) for name in CLASSES)
    path = tmp_path_factory.mktemp("float") / "float.onnx"
    export_onnx(net, replace(card_for(net.spec), labels=labels), path)
    return path


def _fit_statistics(net: ShuffleNet) -> None:
    """Let batch norms see pictures, so that logits tell them apart, as those of trained nets do."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        net.train()(torch.from_numpy(normalised(pictures(60), preprocess_for(32))))
    net.eval()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return written(tmp_path_factory.mktemp("photos"), pictures(160), CLASSES)


@pytest.fixture(scope="module")
def made(float_file: Path, photos: ImageSet) -> Quantized:
    path = float_file.parent / "int8.onnx"
    return quantize_onnx(float_file, photos, path, max_drop_percent=100, report_layers=True)


# --- what is written ---


def test_an_int8_file_answers_as_the_float_one(made: Quantized, float_file: Path) -> None:
    int8, exact = OnnxClassifier(made.path), OnnxClassifier(float_file)
    images = normalised(pictures(20), exact.card.preprocess)
    expected = exact.logits(images)
    spread = (expected - expected.mean(0)).std()
    assert (int8.logits(images) - expected).std() < 0.3 * spread
    assert made.signal_to_noise_db > 15
    assert made.calibrators.keys() == {"minmax", "percentile", "entropy"}
    assert made.bytes == Path(made.path).stat().st_size


def test_all_that_computes_is_int8(made: Quantized) -> None:
    model = onnx.load(made.path)
    onnx.checker.check_model(model, full_check=True)
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            assert {makers[name] for name in node.input} == {"DequantizeLinear"}


def test_nothing_is_quantised_twice_on_its_way(made: Quantized) -> None:
    """Split and Concat keep their scale, and so does every value they pass on."""
    model = onnx.load(made.path)
    constants = {x.name: numpy_helper.to_array(x) for x in model.graph.initializer}
    scale_of = {
        node.output[0]: constants[node.input[1]].tolist()
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[1] in constants
    }
    reading = {
        node.input[0]: constants[node.input[1]].tolist()
        for node in model.graph.node
        if node.op_type == "QuantizeLinear"
    }
    passing = [node for node in model.graph.node if node.op_type in ("Split", "Concat")]
    assert passing
    for node in passing:
        scales = [scale_of[name] for name in node.input if name in scale_of]
        scales += [reading[name] for name in node.output if name in reading]
        assert len(set(scales)) == 1


def test_the_card_says_that_it_is_int8(made: Quantized, float_file: Path) -> None:
    card = OnnxClassifier(made.path).card
    assert card.int8 == made.facts
    assert card.accuracy is None
    assert card.int8.weight_range == "portable"
    assert card.int8.calibration_images == 80
    assert card.int8.float_accuracy.images == card.int8.int8_accuracy.images == 80
    assert Card.from_json(card.to_json()) == card
    before = json.loads(OnnxClassifier(float_file).card.to_json())
    del before["int8"]  # as versions before this one wrote it
    assert Card.from_json(json.dumps(before)).int8 is None


def test_every_layer_is_reported_the_noisiest_first(made: Quantized) -> None:
    noise = [layer.signal_to_noise_db for layer in made.layers]
    assert noise == sorted(noise)
    assert len(noise) == 27
    assert min(noise) >= made.signal_to_noise_db  # one layer alone is less than all
    kinds = {layer.layer: layer.kind for layer in made.layers}
    assert kinds["conv1.0"] == "3x3"
    assert kinds["fc"] == "1x1"
    assert kinds["stages.0.keep.0.2"] == "depthwise 3x3"


# --- every processor computes the same ---


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


def test_a_file_is_computed_as_it_is_meant(made: Quantized) -> None:
    """Fused kernels against one operator after the other in float32, where sums are exact."""
    model = onnx.load(made.path)
    how = OnnxClassifier(made.path).card.preprocess
    fast, exact = (
        logits_of(model, pictures(10), lambda x: normalised(x, how), exactly=exactly)
        for exactly in (False, True)
    )
    assert np.abs(fast - exact).max() <= 0.02 * np.abs(exact).max()


def test_a_processor_that_computes_otherwise_is_told_of(
    made: Quantized, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = onnx.load(made.path)
    with caplog.at_level(logging.WARNING):
        OnnxClassifier(made.path)
    assert not caplog.records
    for entry in model.metadata_props:
        if entry.key == CHECK_KEY:
            entry.value = json.dumps([-1.3 * value for value in json.loads(entry.value)])
    onnx.save(model, tmp_path / "other.onnx")
    with caplog.at_level(logging.WARNING):
        OnnxClassifier(tmp_path / "other.onnx")
    assert "otherwise than it is meant" in caplog.text


# --- the steps ---


def test_equalised_channels_leave_the_function_as_it_is(float_file: Path) -> None:
    graph = read_graph(float_file.read_bytes(), float_file)
    how = OnnxClassifier(float_file).card.preprocess

    def feed(images: np.ndarray) -> np.ndarray:
        return normalised(images, how)

    spans = spans_of(graph, pictures(20), feed, NO_PROGRESS)
    other = equalised(graph, spans)
    before, after = (logits_of(as_model(x), pictures(5), feed) for x in (graph, other))
    assert np.abs(before - after).max() <= 1e-5 * np.abs(before).max()
    spread = spans_of(other, pictures(20), feed, NO_PROGRESS)
    made = graph.channels.of[graph.layers[3].makes]  # read by a depthwise layer
    assert np.ptp(spans.high[made]) > 0.1
    reached = spread.high[made][spans.high[made] > 0.2 * spans.high[made].max()]
    assert np.allclose(reached, 1, atol=1e-3)


def test_rounding_by_covariance_loses_less_than_plain_rounding(float_file: Path) -> None:
    graph = read_graph(float_file.read_bytes(), float_file)
    how = OnnxClassifier(float_file).card.preprocess
    moments = moments_of(graph, pictures(50), lambda x: normalised(x, how), NO_PROGRESS)
    stored, _ = rounded(graph, moments, "full")
    layer = graph.layers[-2]
    rows, ours = (x.weights[layer.weight][:, :, 0, 0] for x in (graph, stored))
    step = np.abs(rows).max(1, keepdims=True) / 127
    plain = np.rint(rows / step) * step
    covariance = moments[layer.weight].covariance[0]
    errors = [((rows - x) @ covariance * (rows - x)).sum() for x in (ours, plain)]
    assert errors[0] < 0.85 * errors[1]


def test_biases_make_up_for_the_mean_of_what_is_lost(float_file: Path) -> None:
    graph = read_graph(float_file.read_bytes(), float_file)
    how = OnnxClassifier(float_file).card.preprocess
    moments = moments_of(graph, pictures(20), lambda x: normalised(x, how), NO_PROGRESS)
    stored, _ = rounded(graph, moments, "portable")
    layer = graph.layers[-1]
    means = [
        x.weights[layer.weight][:, :, 0, 0] @ moments[layer.weight].mean[0] + x.weights[layer.bias]
        for x in (graph, stored)
    ]
    assert np.allclose(means[0], means[1])


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_a_file_can_take_bytes(
    channels: Literal["rgb", "bgr"],
    made: Quantized,
    float_file: Path,
    photos: ImageSet,
    tmp_path: Path,
) -> None:
    model = onnx.load(float_file)
    card = OnnxClassifier(float_file).card
    card = replace(card, preprocess=replace(card.preprocess, channels=channels))
    for entry in model.metadata_props:
        entry.value = card.to_json()
    onnx.save(model, tmp_path / "float.onnx")
    done = quantize_onnx(
        tmp_path / "float.onnx", photos, tmp_path / "a.onnx", max_drop_percent=100, pixels=True
    )
    session = onnxruntime.InferenceSession(done.path)
    assert session.get_inputs()[0].type == "tensor(uint8)"
    images = pictures(20)
    (bytes_in,) = session.run(None, {"images": np.moveaxis(images, -1, 1)})
    prepared = normalised(images, card.preprocess)
    assert np.array_equal(OnnxClassifier(done.path).logits(prepared), bytes_in)
    expected = OnnxClassifier(tmp_path / "float.onnx").logits(prepared)
    assert (bytes_in - expected).std() < 0.3 * (expected - expected.mean(0)).std()


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
    assert np.array_equal(as_pixels(normalised(images, how), how), np.moveaxis(images, -1, 1))


# --- how much may be lost ---


def test_layers_are_kept_in_float_until_no_more_is_lost_than_allowed(
    float_file: Path, photos: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[tuple[str, ...]] = []

    def attempt(network: Prepared, ranges: TensorsData, kept: Sequence[Layer] = ()) -> ModelProto:
        judged.append(tuple(map(name_of, kept)))
        return _prepare.attempt(network, ranges, kept)

    def logits(network: Prepared, *rest: object) -> np.ndarray:
        return network.judge.reference * (len(judged[-1]) >= 4)

    monkeypatch.setattr(_quantize, "attempt", attempt)
    monkeypatch.setattr(_quantize, "_logits", logits)
    done = quantize_onnx(float_file, photos, tmp_path / "a.onnx")
    assert list(map(len, judged)) == [0, 0, 0, 0, 1, 2, 4]
    assert done.facts.kept_in_float == judged[-1]
    assert done.facts.kept_in_float == tuple(layer.layer for layer in done.layers[:4])
    model = onnx.load(done.path)
    weights = {node.input[1] for node in model.graph.node if node.op_type in ("Conv", "Gemm")}
    assert {f"{name}.weight" for name in judged[-1]} == weights & {
        constant.name for constant in model.graph.initializer
    }


def test_what_cannot_be_had_is_refused_and_nothing_written(
    float_file: Path, photos: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ruined(*args: object, **options: object) -> np.ndarray:
        return np.zeros((80, 3), np.float32)

    monkeypatch.setattr(_quantize, "_logits", ruined)
    with pytest.raises(AccuracyLost, match=r"answers 0 of 80 .* more than the 1 % allowed"):
        quantize_onnx(float_file, photos, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_other_classes_are_judged_by_the_float_network(
    float_file: Path, photos: ImageSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = replace(photos, classes=("lemon", "lime", "pear"))
    done = quantize_onnx(float_file, other, tmp_path / "a.onnx", max_drop_percent=100)
    assert done.facts.judged_by == "float"
    assert done.facts.float_accuracy.top1 == done.facts.float_accuracy.images
    assert done.facts.int8_accuracy.top1 == done.agreement
    assert "Judging by what the float network answers" in caplog.text


# --- what cannot be used ---


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        ([np.zeros((40, 40, 3), np.uint8)], "holds one image"),
        ([np.zeros((40, 40, 3), np.uint8)] * 6, "of one colour"),
    ],
)
def test_images_that_show_nothing_are_refused(
    images: list[np.ndarray], problem: str, float_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=problem):
        quantize_onnx(float_file, written(tmp_path / "x", images, ["red"]), tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


def test_files_that_are_no_images_are_left_out(
    float_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photos = written(tmp_path / "x", pictures(4), ["red"])
    Path(photos.samples[0].path).write_bytes(b"no image")
    done = quantize_onnx(float_file, photos, tmp_path / "a.onnx", max_drop_percent=100)
    assert done.facts.calibration_images + done.facts.int8_accuracy.images == 3
    assert "It is left out" in caplog.text
    for sample in photos.samples[:3]:
        Path(sample.path).write_bytes(b"no image")
    with pytest.raises(DataError, match="fewer than two images that can be read"):
        quantize_onnx(float_file, photos, tmp_path / "b.onnx")


def test_an_int8_file_is_not_quantised_again(
    made: Quantized, photos: ImageSet, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="is in int8 already"):
        quantize_onnx(made.path, photos, tmp_path / "a.onnx")


def test_weights_that_are_no_numbers_are_refused(
    float_file: Path, photos: ImageSet, tmp_path: Path
) -> None:
    model = onnx.load(float_file)
    for constant in model.graph.initializer:
        if constant.name == "fc.weight":
            array = numpy_helper.to_array(constant).copy()
            array[0, 0] = np.nan
            constant.CopyFrom(numpy_helper.from_array(array, constant.name))
    onnx.save(model, tmp_path / "nan.onnx")
    with pytest.raises(CheckpointError, match="weights that are no numbers"):
        quantize_onnx(tmp_path / "nan.onnx", photos, tmp_path / "a.onnx")


def test_networks_of_other_channels_are_refused(
    float_file: Path, photos: ImageSet, tmp_path: Path
) -> None:
    model = onnx.load(float_file)
    card = OnnxClassifier(float_file).card
    for entry in model.metadata_props:
        entry.value = replace(card, network=replace(card.network, in_channels=4)).to_json()
    onnx.save(model, tmp_path / "four.onnx")
    with pytest.raises(SpecError, match="in_channels is 4"):
        quantize_onnx(tmp_path / "four.onnx", photos, tmp_path / "a.onnx")


def test_a_target_that_cannot_be_written_is_told_of(
    float_file: Path, photos: ImageSet, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match="Cannot write"):
        quantize_onnx(float_file, photos, tmp_path / "file" / "a.onnx", max_drop_percent=100)


# --- the command ---


def test_the_command_prints_counts(
    float_file: Path, class_folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "a.onnx"
    command = ["quantize", str(float_file), "--data", str(class_folders), "--to", str(target)]
    assert main([*command, "--max-drop", "100", "--images", "5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["path"] == str(target)
    assert found["float"].keys() == found["int8"].keys() == {"images", "top1", "top5"}
    assert found["calibration_images"] == 5
    assert found["int8"]["images"] == 19
    assert main(["evaluate", "--data", str(class_folders), "--model", str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 24
    assert main([*command, "--max-drop", "100", "--images", "2", "--layers"]) == 0
    printed = capsys.readouterr().out
    assert "depthwise 3x3" in printed
    assert "kept in float: nothing" in printed


@pytest.mark.parametrize("wrong", [["--max-drop", "x"], ["--max-drop", "101"], ["--to", "a.pt"]])
def test_wrong_usage_is_told_of(wrong: list[str], tmp_path: Path) -> None:
    try:
        code = main(["quantize", "default", "--data", str(tmp_path), "--to", "a.onnx", *wrong])
    except SystemExit as left:
        code = int(left.code or 0)
    assert code == 2


def test_what_must_be_installed_is_named(
    tmp_path: Path, class_folders: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in [name for name in sys.modules if name.startswith("shufflenet.quantize")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    target = str(tmp_path / "a.onnx")
    assert main(["quantize", "default", "--data", str(class_folders), "--to", target]) == 1
    assert "pip install 'shufflenet[quantize]'" in capsys.readouterr().err


# --- real images ---


def test_the_model_that_ships_loses_next_to_nothing(real_data: Path, tmp_path: Path) -> None:
    photos = open_images(real_data / "tiny-imagenet-200.val.tar.gz")
    source = Path(_quantize.__file__).parent.parent / "weights" / "default.onnx"
    done = quantize_onnx(source, photos, tmp_path / "a.onnx", calibration_images=300)
    assert done.facts.judged_by == "labels"
    assert not done.facts.kept_in_float
    assert done.signal_to_noise_db > 26
    assert done.agreement > 0.95 * done.facts.int8_accuracy.images
    assert done.bytes < 0.7 * done.float_bytes
