import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, numpy_helper
from onnxruntime.quantization.calibrate import TensorsData

from quantizing import CLASSES, pictures, write_float_file, written
from shufflenet import zoo
from shufflenet.cli import main
from shufflenet.data import ImageSet, open_images
from shufflenet.errors import AccuracyLost, CheckpointError, DataError, SpecError, WriteError
from shufflenet.preprocess import normalize
from shufflenet.quantize import Quantized, _prepare, _quantize, quantize_onnx
from shufflenet.quantize._graph import Layer
from shufflenet.quantize._judge import logits_of
from shufflenet.quantize._layers import name_of
from shufflenet.quantize._prepare import Prepared
from shufflenet.runtimes import CHECK_KEY, OnnxClassifier
from shufflenet.spec import Card

pytestmark = pytest.mark.xdist_group("quantize")  # which make the float and int8 files once


@pytest.fixture(scope="module")
def float_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_float_file(tmp_path_factory.mktemp("float"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return written(tmp_path_factory.mktemp("photos"), pictures(160), CLASSES)


@pytest.fixture(scope="module")
def made(float_file: Path, photos: ImageSet) -> Quantized:
    path = float_file.parent / "int8.onnx"
    return quantize_onnx(float_file, photos, path, max_drop_percent=100, report_layers=True)


@pytest.fixture
def one_calibrator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try no other, which takes most of the time; for what does not depend on the choice."""
    monkeypatch.setattr(_quantize, "CALIBRATORS", ("minmax",))


# --- what is written ---


def test_an_int8_file_answers_as_the_float_one(made: Quantized, float_file: Path) -> None:
    int8, exact = OnnxClassifier(made.path), OnnxClassifier(float_file)
    images = normalize(pictures(20), exact.card.preprocess)
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


@pytest.mark.usefixtures("one_calibrator")
def test_a_classifier_without_a_bias_is_portable_too(
    float_file: Path, photos: ImageSet, tmp_path: Path
) -> None:
    model = onnx.load(float_file)
    gemm = next(node for node in model.graph.node if node.op_type == "Gemm")
    weight = gemm.input[1]
    del gemm.input[2]
    onnx.save(model, tmp_path / "float.onnx")
    made = quantize_onnx(tmp_path / "float.onnx", photos, tmp_path / "i.onnx", max_drop_percent=100)
    constants = {x.name: numpy_helper.to_array(x) for x in onnx.load(made.path).graph.initializer}
    codes = constants[f"{weight}_quantized"].astype(int)
    pairs = codes.reshape(len(codes), -1, 2)
    assert max(pairs.clip(0).sum(2).max(), -pairs.clip(None, 0).sum(2).min()) <= 128


@pytest.mark.usefixtures("one_calibrator")
def test_bottlenecks_are_filled_up_to_sixteens_and_nothing_is_computed_otherwise(
    float_file: Path, photos: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def depthwise(path: str) -> dict[str, int]:
        constants = {x.name: x.dims for x in onnx.load(path).graph.initializer}
        return {
            name: dims[0]
            for name, dims in constants.items()
            if name.endswith("weight_quantized") and len(dims) == 4 and dims[1:3] == [1, 3]
        }

    filled = quantize_onnx(float_file, photos, tmp_path / "filled.onnx", max_drop_percent=100)
    monkeypatch.setattr(_prepare, "fill_up", lambda model, graph: None)
    plain = quantize_onnx(float_file, photos, tmp_path / "plain.onnx", max_drop_percent=100)
    images = normalize(pictures(5), OnnxClassifier(plain.path).card.preprocess)
    found = OnnxClassifier(filled.path).logits(images)
    assert np.array_equal(found, OnnxClassifier(plain.path).logits(images))
    before, after = depthwise(plain.path), depthwise(filled.path)
    # The left branches of units that open a stage begin with their depthwise layer.
    left = {name for name in before if ".branch1." in name}
    assert len(left) == 2
    assert set(before.values()) == {12, 24}
    filled_up = {12: 16, 24: 32}
    assert after == {n: k if n in left else filled_up[k] for n, k in before.items()}


@pytest.mark.usefixtures("one_calibrator")
def test_layers_that_share_a_bias_are_put_in_int8_each_by_itself(
    float_file: Path, photos: ImageSet, tmp_path: Path
) -> None:
    """Exporters keep equal constants once, as the biases of an untrained network are."""
    one, other = ("stage2.1.branch2.0.bias", "stage2.1.branch2.2.bias")
    equal = onnx.load(float_file)
    constants = {x.name: x for x in equal.graph.initializer}
    constants[other].CopyFrom(numpy_helper.from_array(numpy_helper.to_array(constants[one]), other))
    shared = onnx.ModelProto()
    shared.CopyFrom(equal)
    reader = next(node for node in shared.graph.node if other in node.input)
    reader.input[2] = one
    logits = []
    for name, model in (("equal", equal), ("shared", shared)):
        onnx.save(model, tmp_path / name)
        made = quantize_onnx(tmp_path / name, photos, tmp_path / "i.onnx", max_drop_percent=100)
        int8 = OnnxClassifier(made.path)
        logits.append(int8.logits(normalize(pictures(5), int8.card.preprocess)))
    assert np.array_equal(logits[0], logits[1])


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
    assert len(noise) == 19
    assert min(noise) >= made.signal_to_noise_db  # one layer alone is less than all
    kinds = {layer.layer: layer.kind for layer in made.layers}
    assert kinds["conv1.0"] == "3x3"
    assert kinds["fc"] == "1x1"
    assert kinds["stage2.1.branch2.2"] == "depthwise 3x3"


def test_a_file_is_computed_as_it_is_meant(made: Quantized) -> None:
    """Fused kernels against one operator after the other in float32, where sums are exact."""
    model = onnx.load(made.path)
    how = OnnxClassifier(made.path).card.preprocess
    fast, exact = (
        logits_of(model, pictures(10), lambda x: normalize(x, how), exactly=exactly)
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
    assert "otherwise here than it is meant" in caplog.text


@pytest.mark.usefixtures("one_calibrator")
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
    prepared = normalize(images, card.preprocess)
    assert np.array_equal(OnnxClassifier(done.path).logits(prepared), bytes_in)
    expected = OnnxClassifier(tmp_path / "float.onnx").logits(prepared)
    assert (bytes_in - expected).std() < 0.3 * (expected - expected.mean(0)).std()


# --- how much may be lost ---


@pytest.mark.usefixtures("one_calibrator")
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
    assert list(map(len, judged)) == [0, 0, 1, 2, 4]
    assert done.facts.kept_in_float == judged[-1]
    assert done.facts.kept_in_float == tuple(layer.layer for layer in done.layers[:4])
    model = onnx.load(done.path)
    weights = {node.input[1] for node in model.graph.node if node.op_type in ("Conv", "Gemm")}
    assert {f"{name}.weight" for name in judged[-1]} == weights & {
        constant.name for constant in model.graph.initializer
    }


@pytest.mark.usefixtures("one_calibrator")
def test_what_cannot_be_had_is_refused_and_nothing_written(
    float_file: Path, photos: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ruined(*args: object, **options: object) -> np.ndarray:
        return np.zeros((80, 3), np.float32)

    monkeypatch.setattr(_quantize, "_logits", ruined)
    with pytest.raises(AccuracyLost, match=r"answers 0 of 80 .* more than the 1 % allowed"):
        quantize_onnx(float_file, photos, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("one_calibrator")
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


@pytest.mark.usefixtures("one_calibrator")
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


@pytest.mark.usefixtures("one_calibrator")
def test_a_target_that_cannot_be_written_is_told_of(
    float_file: Path, photos: ImageSet, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match="Cannot write"):
        quantize_onnx(float_file, photos, tmp_path / "file" / "a.onnx", max_drop_percent=100)


# --- the command ---


@pytest.mark.usefixtures("one_calibrator")
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
    every = open_images(real_data / "tiny-imagenet-200.val.tar.gz")
    photos = replace(every, samples=every.samples[::12])
    source = Path(zoo.__file__).parent / "default.onnx"
    done = quantize_onnx(source, photos, tmp_path / "a.onnx", calibration_images=100)
    assert done.facts.judged_by == "labels"
    assert not done.facts.kept_in_float
    assert done.signal_to_noise_db > 26
    assert done.agreement > 0.95 * done.facts.int8_accuracy.images
    assert done.bytes < 0.7 * done.float_bytes
