"""Logits and embeddings by one call, against a classifier's and an embedder's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from conftest import card_for, saved, with_seeded_weights
from exported import THIN, export
from fakes import Reddest
from foreign import onnx_zoo_v1
from originals import ORIGINALS, weights
from quantizing import CLASSES, QUICK, pictures, write_float_file, written
from resealed import save_resealed
from shufflenet.errors import (
    ChangedExport,
    CheckpointError,
    FileMissing,
    LogitsNotNumbers,
    NeedsSuffix,
    SpecError,
)
from shufflenet.export import ExportOptions, export_onnx_file
from shufflenet.networks import build
from shufflenet.quantize import quantize_onnx
from shufflenet.runtimes import (
    OnnxClassifier,
    answering,
    open_answering,
    open_by,
    open_embedder,
)
from shufflenet.spec import RUNTIMES
from shufflenet.zoo import SHIPPED
from test_runtimes_embedder import difference
from test_runtimes_model import CARD
from test_runtimes_published import publish_as
from tolerance import FLOAT32_RELATIVE


def check_against_both(path: Path, side: int, *, relative: float = FLOAT32_RELATIVE) -> None:
    """The halves of a row are the logits and the embedding that other calls compute."""
    network = open_answering(path, threads=1)
    pixels = np.random.default_rng(1).integers(0, 256, (3, side, side, 3), np.uint8)
    rows = network.rows(pixels)
    classes = network.card.network.classes
    assert network.dimensions == network.card.network.embedding_channels
    assert rows.dtype == np.float32
    assert rows.shape == (3, classes + network.dimensions)
    runtime = RUNTIMES["onnxruntime" if path.suffix == ".onnx" else "torch"]
    logits = open_by(runtime, path, threads=1).logits_from_pixels(pixels)
    assert difference(rows[:, :classes], logits) <= relative
    vectors = open_embedder(path, threads=1).embed_from_pixels(pixels)
    assert difference(rows[:, classes:], vectors) <= relative
    assert network.rows(pixels[:0]).shape == (0, classes + network.dimensions)


def test_the_shipped_model_tells_both_at_once() -> None:
    for path in (SHIPPED.onnx, SHIPPED.checkpoint):
        assert path
        check_against_both(path, 80)


@pytest.mark.parametrize("options", [{}, {"batch": 2}, {"precision": "float16"}, {"opset": 9}])
def test_files_of_every_kind_tell_both_at_once(options: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    source = export(THIN, tmp_path / "thin.onnx")
    export_onnx_file(source, path, options=ExportOptions(**options))  # type: ignore[arg-type]  # any
    check_against_both(path, 32, relative=5e-3 if options.get("precision") else FLOAT32_RELATIVE)


@pytest.mark.parametrize("pixels", [False, True])
def test_an_int8_file_answers_as_its_classifier_does(pixels: bool, tmp_path: Path) -> None:
    source, path = write_float_file(tmp_path), tmp_path / "int8.onnx"
    patterns = written(tmp_path / "patterns", pictures(60), CLASSES)
    quantize_onnx(source, patterns, path, replace(QUICK, pixels=pixels))
    check_against_both(path, 32)


def test_a_published_file_of_probabilities_answers_by_their_logarithms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = next(each for each in ORIGINALS if each.source == "onnxzoo")
    path = tmp_path / "shufflenet-9.onnx"
    onnx.save(onnx_zoo_v1(weights(original)), path)
    publish_as("shufflenet_v1_g4_x0_5_onnx.onnx_zoo_9", path, monkeypatch)
    check_against_both(path, 224)


def test_a_graph_without_a_last_layer_tells_logits_alone(tmp_path: Path) -> None:
    path = export(THIN, tmp_path / "thin.onnx")
    model = onnx.load(path)
    last = model.graph.node.pop()
    for name in ("one", "two"):
        model.graph.node.append(helper.make_node("Gemm", last.input, [name], transB=1))
    model.graph.node.append(helper.make_node("Add", ["one", "two"], ["logits"]))
    save_resealed(model, path)
    network = open_answering(path, threads=1)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    assert network.dimensions == 0
    logits = OnnxClassifier(path, threads=1).logits_from_pixels(pixels)
    assert np.array_equal(network.rows(pixels), logits)


def test_any_classifier_tells_logits_alone_and_is_checked() -> None:
    network = answering(Reddest(CARD))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    assert (network.dimensions, network.rows(pixels).shape) == (0, (2, 3))

    class Broken(Reddest):
        def logits(self, batch: np.ndarray) -> np.ndarray:
            return super().logits(batch) * np.float32(np.nan)

    with pytest.raises(LogitsNotNumbers):
        answering(Broken(CARD)).rows(pixels)


def test_what_cannot_be_opened_is_refused_as_elsewhere(tmp_path: Path) -> None:
    path = export(THIN, tmp_path / "thin.onnx")
    model = onnx.load(path)
    model.graph.initializer[0].raw_data = b"\1" * len(model.graph.initializer[0].raw_data)
    onnx.save(model, tmp_path / "changed.onnx")
    with pytest.raises(ChangedExport):
        open_answering(tmp_path / "changed.onnx")
    (tmp_path / "short.onnx").write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError):
        open_answering(tmp_path / "short.onnx")
    with pytest.raises(FileMissing):
        open_answering(tmp_path / "none.onnx")
    (tmp_path / "net.tflite").write_bytes(b"TFL3")
    with pytest.raises(NeedsSuffix):
        open_answering(tmp_path / "net.tflite")
    with pytest.raises(SpecError):
        open_answering(path, threads=0)


def test_a_checkpoint_tells_both_whatever_its_classes(tmp_path: Path) -> None:
    net = with_seeded_weights(build(THIN))
    check_against_both(saved(net, tmp_path / "net.safetensors"), 32)
    assert card_for(THIN).network.classes != THIN.embedding_channels
