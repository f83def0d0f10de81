"""Layers that stay float when too much is lost, and what cannot be quantized."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, numpy_helper
from onnxruntime.quantization import TensorsData

from quantizing import CLASSES, QUICK, pictures, write_float_file, written
from resealed import save_resealed
from shufflenet.data import ImageSet
from shufflenet.errors import AccuracyLost, CheckpointError, DataError, SpecError, WriteError
from shufflenet.graph import WeightedLayer
from shufflenet.quantize import QuantizeOptions, _prepare, _search, quantize_onnx
from shufflenet.quantize._layer_noise import layer_name
from shufflenet.quantize._prepare import Prepared
from shufflenet.runtimes import OnnxClassifier
from shufflenet.spec import Accuracy

pytestmark = pytest.mark.xdist_group("quantize")  # a worker writes the float file once


@pytest.fixture(scope="module")
def float_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_float_file(tmp_path_factory.mktemp("float"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return written(tmp_path_factory.mktemp("photos"), pictures(160), CLASSES)


def test_layers_are_kept_in_float_until_no_more_is_lost_than_allowed(
    float_file: Path, photos: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[tuple[str, ...]] = []

    def build(
        network: Prepared, ranges: TensorsData, in_float: Sequence[WeightedLayer] = ()
    ) -> ModelProto:
        tried.append(tuple(map(layer_name, in_float)))
        return _prepare.build_int8(network, ranges, in_float)

    def run(network: Prepared, *rest: object) -> np.ndarray:
        return network.hold_out.reference * (len(tried[-1]) >= 4)

    monkeypatch.setattr(_search, "build_int8", build)
    monkeypatch.setattr(_search, "run_int8", run)
    done = quantize_onnx(
        float_file, photos, tmp_path / "a.onnx", QuantizeOptions(calibrators=("minmax",))
    )
    assert list(map(len, tried)) == [0, 0, 1, 2, 4]
    assert done.facts.kept_in_float == tried[-1]
    assert done.facts.kept_in_float == tuple(layer.layer for layer in done.layers[:4])
    model = onnx.load(done.path)
    weights = {node.input[1] for node in model.graph.node if node.op_type in ("Conv", "Gemm")}
    assert {f"{name}.weight" for name in tried[-1]} == weights & {
        constant.name for constant in model.graph.initializer
    }


def test_what_cannot_be_had_is_refused_and_nothing_written(
    float_file: Path, photos: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ruined(*args: object, **options: object) -> np.ndarray:
        return np.zeros((80, 3), np.float32)

    monkeypatch.setattr(_search, "run_int8", ruined)
    options = QuantizeOptions(calibrators=("minmax",))
    with pytest.raises(AccuracyLost, match=r"classifies 0 of 80 .* more than the 1 % allowed"):
        quantize_onnx(float_file, photos, tmp_path / "a.onnx", options)
    assert not list(tmp_path.iterdir())


def test_other_classes_are_compared_with_the_float_network(
    float_file: Path, photos: ImageSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = replace(photos, classes=("lemon", "lime", "pear"))
    done = quantize_onnx(float_file, other, tmp_path / "a.onnx", QUICK)
    assert done.facts.judged_by == "float"
    before, after = done.facts.float_accuracy, done.facts.int8_accuracy
    assert isinstance(before, Accuracy)
    assert isinstance(after, Accuracy)
    assert before.top1 == before.images
    assert after.top1 == done.agreement
    assert "The predictions of the float network count as correct" in caplog.text


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        ([np.zeros((40, 40, 3), np.uint8)], "holds 1 readable image, and"),
        ([np.zeros((40, 40, 3), np.uint8)] * 6, "has one color"),
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
    done = quantize_onnx(float_file, photos, tmp_path / "a.onnx", QUICK)
    assert done.facts.calibration_images + done.facts.int8_accuracy.images == 3
    assert "It is skipped" in caplog.text
    for sample in photos.samples[:3]:
        Path(sample.path).write_bytes(b"no image")
    with pytest.raises(DataError, match="readable image.* at least 2"):
        quantize_onnx(float_file, photos, tmp_path / "b.onnx")


def test_an_int8_file_is_not_quantized_again(
    float_file: Path, photos: ImageSet, tmp_path: Path
) -> None:
    done = quantize_onnx(float_file, photos, tmp_path / "int8.onnx", QUICK)
    with pytest.raises(CheckpointError, match="is in int8 already"):
        quantize_onnx(done.path, photos, tmp_path / "a.onnx")


def test_weights_that_are_no_numbers_are_refused(
    float_file: Path, photos: ImageSet, tmp_path: Path
) -> None:
    model = onnx.load(float_file)
    for constant in model.graph.initializer:
        if constant.name == "fc.weight":
            array = numpy_helper.to_array(constant).copy()
            array[0, 0] = np.nan
            constant.CopyFrom(numpy_helper.from_array(array, constant.name))
    save_resealed(model, tmp_path / "nan.onnx")
    with pytest.raises(CheckpointError, match="infinities or NaN"):
        quantize_onnx(tmp_path / "nan.onnx", photos, tmp_path / "a.onnx")


def test_networks_of_other_channels_are_refused(
    float_file: Path, photos: ImageSet, tmp_path: Path
) -> None:
    model = onnx.load(float_file)
    card = OnnxClassifier(float_file).card
    for entry in model.metadata_props:
        entry.value = replace(card, network=replace(card.network, in_channels=4)).to_json()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4
    save_resealed(model, tmp_path / "four.onnx")
    with pytest.raises(SpecError, match="in_channels is 4, but must be 3, as many as its card"):
        quantize_onnx(tmp_path / "four.onnx", photos, tmp_path / "a.onnx")


def test_a_target_that_cannot_be_written_is_told_of(
    float_file: Path, photos: ImageSet, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match="Cannot write"):
        quantize_onnx(float_file, photos, tmp_path / "file" / "a.onnx", QUICK)


def test_a_target_that_is_the_source_or_a_folder_is_refused_before_any_work(
    float_file: Path, photos: ImageSet, tmp_path: Path
) -> None:
    content = float_file.read_bytes()
    (tmp_path / "link.onnx").symlink_to(float_file)
    for path in (float_file, tmp_path / "link.onnx"):
        with pytest.raises(SpecError, match="another than the model that is read"):
            quantize_onnx(float_file, photos, path)
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(WriteError, match="it is a folder"):
        quantize_onnx(float_file, photos, tmp_path / "folder.onnx")
    assert float_file.read_bytes() == content


def test_more_images_than_there_are_are_said_to_lack(
    float_file: Path, photos: ImageSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    few = replace(photos, samples=photos.samples[:7])
    done = quantize_onnx(
        float_file, few, tmp_path / "a.onnx", replace(QUICK, calibration_images=500)
    )
    assert done.facts.calibration_images == 3
    assert "Of 7 images that can be read, 3 are calibrated on, and not 500" in caplog.text


def test_photos_of_one_class_are_enough(float_file: Path, tmp_path: Path) -> None:
    photos = written(tmp_path / "x", pictures(20), ["red"])
    done = quantize_onnx(float_file, photos, tmp_path / "a.onnx", QUICK)
    assert done.facts.judged_by == "labels"
    assert done.facts.int8_accuracy.images == 10
