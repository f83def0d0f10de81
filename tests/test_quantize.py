"""Int8 files as a whole: what they compute, what they contain and what their cards say."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from quantizing import CLASSES, QUICK, pictures, write_float_file, written
from resealed import save_resealed
from shufflenet import zoo
from shufflenet.data import ImageSet, open_images
from shufflenet.errors import CheckpointError, OtherInt8Logits
from shufflenet.preprocess import normalize
from shufflenet.quantize import Quantized, QuantizeOptions, _prepare, quantize_onnx
from shufflenet.quantize._session import compute_logits
from shufflenet.runtimes import CHECK_KEY, OnnxClassifier
from shufflenet.spec import CARD_KEY, Card

pytestmark = pytest.mark.xdist_group("quantize")  # a worker writes the float file once


@pytest.fixture(scope="module")
def float_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_float_file(tmp_path_factory.mktemp("float"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return written(tmp_path_factory.mktemp("photos"), pictures(160), CLASSES)


@pytest.fixture(scope="module")
def quantized(float_file: Path, photos: ImageSet) -> Quantized:
    options = QuantizeOptions(max_drop_percent=100, report_layers=True)
    return quantize_onnx(float_file, photos, float_file.parent / "int8.onnx", options)


def test_an_int8_file_answers_as_the_float_one(quantized: Quantized, float_file: Path) -> None:
    int8, exact = OnnxClassifier(quantized.path), OnnxClassifier(float_file)
    images = normalize(pictures(20), exact.card.preprocess)
    expected = exact.logits(images)
    spread = (expected - expected.mean(0)).std()
    assert (int8.logits(images) - expected).std() < 0.3 * spread
    assert quantized.signal_to_noise_db > 15
    assert quantized.calibrators.keys() == {"minmax", "percentile", "entropy"}
    assert quantized.bytes == Path(quantized.path).stat().st_size


def test_all_that_computes_is_int8(quantized: Quantized) -> None:
    model = onnx.load(quantized.path)
    onnx.checker.check_model(model, full_check=True)
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            assert {makers[name] for name in node.input} == {"DequantizeLinear"}


def test_a_classifier_without_a_bias_is_portable_too(
    float_file: Path, photos: ImageSet, tmp_path: Path
) -> None:
    model = onnx.load(float_file)
    gemm = next(node for node in model.graph.node if node.op_type == "Gemm")
    weight = gemm.input[1]
    del gemm.input[2]
    save_resealed(model, tmp_path / "float.onnx")
    result = quantize_onnx(tmp_path / "float.onnx", photos, tmp_path / "i.onnx", QUICK)
    constants = {x.name: numpy_helper.to_array(x) for x in onnx.load(result.path).graph.initializer}
    codes = constants[f"{weight}_quantized"].astype(int)
    pairs = codes.reshape(len(codes), -1, 2)
    assert max(pairs.clip(0).sum(2).max(), -pairs.clip(None, 0).sum(2).min()) <= 128


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

    filled = quantize_onnx(float_file, photos, tmp_path / "filled.onnx", QUICK)
    monkeypatch.setattr(_prepare, "pad_channels", lambda model, graph: None)
    plain = quantize_onnx(float_file, photos, tmp_path / "plain.onnx", QUICK)
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
        save_resealed(model, tmp_path / name)
        result = quantize_onnx(tmp_path / name, photos, tmp_path / "i.onnx", QUICK)
        int8 = OnnxClassifier(result.path)
        logits.append(int8.logits(normalize(pictures(5), int8.card.preprocess)))
    assert np.array_equal(logits[0], logits[1])


def test_nothing_is_quantized_twice_on_its_way(quantized: Quantized) -> None:
    """Split and Concat keep their scale, and so does every value they pass on."""
    model = onnx.load(quantized.path)
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


def test_the_card_says_that_it_is_int8(quantized: Quantized, float_file: Path) -> None:
    card = OnnxClassifier(quantized.path).card
    assert card.int8 == quantized.facts
    assert card.accuracy is None
    assert card.int8.weight_range == "portable"
    assert card.int8.calibration_images == 80
    assert card.int8.float_accuracy.images == card.int8.int8_accuracy.images == 80
    assert Card.from_json(card.to_json()) == card
    before = json.loads(OnnxClassifier(float_file).card.to_json())
    del before["int8"]  # as versions before this one wrote it
    assert Card.from_json(json.dumps(before)).int8 is None


def test_every_layer_is_reported_the_noisiest_first(quantized: Quantized) -> None:
    noise = [layer.signal_to_noise_db for layer in quantized.layers]
    assert noise == sorted(noise)
    assert len(noise) == 19
    assert min(noise) >= quantized.signal_to_noise_db  # one layer alone is less than all
    kinds = {layer.layer: layer.kind for layer in quantized.layers}
    assert kinds["conv1.0"] == "3x3"
    assert kinds["fc"] == "1x1"
    assert kinds["stage2.1.branch2.2"] == "depthwise 3x3"


def test_a_file_is_computed_as_it_is_meant(quantized: Quantized) -> None:
    """Fused kernels against one operator after the other in float32, where sums are exact."""
    model = onnx.load(quantized.path)
    how = OnnxClassifier(quantized.path).card.preprocess
    fast, expected = (
        compute_logits(model, pictures(10), lambda x: normalize(x, how), exact=exact)
        for exact in (False, True)
    )
    assert np.abs(fast - expected).max() <= 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("weight_range", ["portable", "full"])
def test_other_logits_are_refused_where_every_processor_gives_the_same(
    weight_range: Literal["portable", "full"],
    quantized: Quantized,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model, path = onnx.load(quantized.path), tmp_path / "other.onnx"
    card = OnnxClassifier(quantized.path).card
    assert card.int8
    for entry in model.metadata_props:
        if entry.key == CHECK_KEY:
            entry.value = json.dumps([-1.3 * value for value in json.loads(entry.value)])
        if entry.key == CARD_KEY:
            entry.value = replace(
                card, int8=replace(card.int8, weight_range=weight_range)
            ).to_json()
    onnx.save(model, path)
    if weight_range == "portable":
        with pytest.raises(OtherInt8Logits, match="gives other logits here"):
            OnnxClassifier(path)
    else:
        OnnxClassifier(path)
        assert "gives other logits on this processor" in caplog.text


def test_a_flipped_bit_of_the_graph_is_refused(quantized: Quantized, tmp_path: Path) -> None:
    content = Path(quantized.path).read_bytes()
    end = len(onnx.load(quantized.path).graph.SerializeToString())
    for place in np.random.default_rng(0).integers(end // 10, end, 20):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(place % 8)
        (tmp_path / "flipped.onnx").write_bytes(damaged)
        with pytest.raises(CheckpointError):
            OnnxClassifier(tmp_path / "flipped.onnx")
    OnnxClassifier(quantized.path)


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_a_file_can_take_bytes(
    channels: Literal["rgb", "bgr"],
    quantized: Quantized,
    float_file: Path,
    photos: ImageSet,
    tmp_path: Path,
) -> None:
    model = onnx.load(float_file)
    card = OnnxClassifier(float_file).card
    card = replace(card, preprocess=replace(card.preprocess, channels=channels))
    for entry in model.metadata_props:
        entry.value = card.to_json()
    save_resealed(model, tmp_path / "float.onnx")
    done = quantize_onnx(
        tmp_path / "float.onnx", photos, tmp_path / "a.onnx", replace(QUICK, pixels=True)
    )
    session = onnxruntime.InferenceSession(done.path)
    assert session.get_inputs()[0].type == "tensor(uint8)"
    images = pictures(20)
    (bytes_in,) = session.run(None, {"images": np.moveaxis(images, -1, 1)})
    prepared = normalize(images, card.preprocess)
    assert np.array_equal(OnnxClassifier(done.path).logits(prepared), bytes_in)
    expected = OnnxClassifier(tmp_path / "float.onnx").logits(prepared)
    assert (bytes_in - expected).std() < 0.3 * (expected - expected.mean(0)).std()


def test_the_model_that_ships_loses_next_to_nothing(real_data: Path, tmp_path: Path) -> None:
    every = open_images(real_data / "tiny-imagenet-200.val.tar.gz")
    photos = replace(every, samples=every.samples[::24])
    source = Path(zoo.__file__).parent / "default.onnx"
    options = QuantizeOptions(calibration_images=50, calibrators=("percentile",))
    done = quantize_onnx(source, photos, tmp_path / "a.onnx", options)
    assert done.facts.judged_by == "labels"
    assert not done.facts.kept_in_float
    assert done.signal_to_noise_db > 26
    assert done.agreement > 0.95 * done.facts.int8_accuracy.images
    assert done.bytes < 0.7 * done.float_bytes
