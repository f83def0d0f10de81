"""Programs written as OpenVINO's own files, and computed by it."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from conftest import Run
from random_graphs import quantized, random_model
from shufflenet.export import ExportOptions, Request
from shufflenet.export._openvino import write  # private: files hold a card besides
from shufflenet.graph import read_program
from shufflenet.models import load_model_and_card
from shufflenet.runtimes import OnnxClassifier, OpenVinoClassifier, import_openvino, verify_file
from shufflenet.spec import Precision
from shufflenet.zoo import SHIPPED
from test_export_onnx_model import HEIGHT, WIDTH, images, logits, several

pytestmark = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
_SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}


def written(
    model: onnx.ModelProto, precision: Precision = "float32", options: ExportOptions | None = None
) -> Mapping[str, bytes]:
    _, card = load_model_and_card("default")
    request = Request(
        card=card, metadata={"shufflenet": '{"é": "<&>"}'}, stem="a", precision=precision,
        size=(HEIGHT, WIDTH), options=options or ExportOptions(), onnx=b"",
    )  # fmt: skip
    return write(read_program(model, 2, (HEIGHT, WIDTH)), request)


def by_openvino(contents: Mapping[str, bytes], batch: np.ndarray) -> np.ndarray:
    core = import_openvino().Core()
    model: Any = core.read_model(contents["a.xml"], contents["a.bin"])
    return np.asarray(core.compile_model(model, "CPU", _SETTINGS)(batch)[0])


@pytest.mark.parametrize("seed", range(6))
def test_random_networks_are_the_same(seed: int) -> None:
    model = random_model(seed)
    contents = written(model)
    for batch in (images(), images(1, 40, 33)):
        expected = logits(model, batch)
        difference = np.abs(by_openvino(contents, batch) - expected).max()
        assert difference <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("size", [None, (HEIGHT, WIDTH)])
def test_every_operation_is_the_same(size: tuple[int, int] | None) -> None:
    expected = logits(several(), images())
    found = by_openvino(written(several(), options=ExportOptions(image_px=size)), images())
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


# OpenVINO 2026.4 counts a pixel beyond an edge as byte 0 in an average of bytes whose zero is
# another one, as in seeds 0 and 5; our networks average what a ReLU leaves, whose zero is byte 0.
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_networks_in_int8_keep_their_bytes(seed: int, tmp_path: Path) -> None:
    model = quantized(random_model(seed), tmp_path / "a.onnx")
    contents = written(model, "int8")
    expected = logits(model, images())
    difference = np.abs(by_openvino(contents, images()) - expected).max()
    assert difference <= 0.02 * np.abs(expected).max()  # a value halfway between two bytes
    for constant in model.graph.initializer:
        if constant.data_type == onnx.TensorProto.INT8 and len(constant.dims) == 4:
            assert constant.raw_data in contents["a.bin"]


def test_layers_in_float_stay_so(tmp_path: Path) -> None:
    model = random_model(1)
    convolutions = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
    mixed = quantized(model, tmp_path / "a.onnx", in_float=convolutions[:1])
    expected = logits(mixed, images())
    difference = np.abs(by_openvino(written(mixed, "int8"), images()) - expected).max()
    assert difference <= 0.02 * np.abs(expected).max()


def test_float16_halves_the_weights() -> None:
    whole, half = (written(random_model(2), each) for each in ("float32", "float16"))
    floats = sum(
        int(np.prod(x.dims)) * 4 for x in random_model(2).graph.initializer if x.data_type == 1
    )
    assert len(whole["a.bin"]) - len(half["a.bin"]) >= 0.4 * floats
    expected, found = (by_openvino(each, images()) for each in (whole, half))
    assert 0 < np.abs(found - expected).max() <= 1e-2 * np.abs(expected).max()


def test_the_model_that_ships_is_exported_with_its_card(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "photos.xml"
    code, out, err = run("export", "default", "--to", path, "--batch", 2, "--image-px", 80)
    assert code == 0, err
    assert "photos.bin" in out
    assert {each.name for each in tmp_path.iterdir()} == {"photos.bin", "photos.xml"}
    assert (tmp_path / "photos.bin").stat().st_size < 3_000_000
    classifier, reference = OpenVinoClassifier(path), OnnxClassifier(SHIPPED.onnx or "")
    assert classifier.card == reference.card
    pixels = np.random.default_rng(0).integers(0, 256, (5, 80, 80, 3), np.uint8)
    expected = reference.logits_from_pixels(pixels)
    found = classifier.logits_from_pixels(pixels)
    assert np.abs(found - expected).max() <= 1e-4
    assert verify_file(path).agrees


def test_a_file_for_another_size_shows_as_much_of_a_photo(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "a.xml"
    assert run("export", "default", "--to", path, "--image-px", 96)[0] == 0
    _, card = load_model_and_card("default")
    assert OpenVinoClassifier(path).card == replace(card, preprocess=card.preprocess.cropped_to(96))
