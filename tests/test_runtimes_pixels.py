"""Pixels at the seam: what a file takes as bytes never becomes a float on the way."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from quantizing import CLASSES, QUICK, pictures, write_float_file, written
from shufflenet.preprocess import normalize
from shufflenet.quantize import quantize_onnx
from shufflenet.runtimes import (
    Classifier,
    LlvmClassifier,
    Model,
    OnnxClassifier,
    OpenVinoClassifier,
    classify,
)
from shufflenet.runtimes.pytorch import TorchClassifier
from shufflenet.zoo import SHIPPED

Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def bytes_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An int8 file that takes bytes, as ``shufflenet quantize --pixels`` writes it."""
    folder = tmp_path_factory.mktemp("bytes")
    images = written(folder / "images", pictures(12), CLASSES)
    options = replace(QUICK, pixels=True)
    done = quantize_onnx(write_float_file(folder), images, folder / "int8.onnx", options)
    return Path(done.path)


@pytest.fixture
def no_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every room's ``normalize`` raise."""

    def refuse(*_: object) -> None:
        raise AssertionError("pixels were normalized")

    for name, module in list(sys.modules.items()):
        if name.startswith("shufflenet") and getattr(module, "normalize", None) is normalize:
            monkeypatch.setattr(module, "normalize", refuse)


@pytest.mark.usefixtures("no_floats")
@pytest.mark.parametrize("runtime", [OnnxClassifier, OpenVinoClassifier])
def test_a_file_that_takes_bytes_gets_them(
    runtime: type[OnnxClassifier] | type[OpenVinoClassifier], bytes_file: Path
) -> None:
    if runtime is OpenVinoClassifier:
        pytest.importorskip("openvino")
    classifier = runtime(bytes_file, threads=1)
    pixels = pictures(3)
    logits = classifier.logits_from_pixels(pixels)
    assert logits.shape == (3, len(CLASSES))
    predictions = Model(classifier).classify(list(pixels))
    assert [each[0].index for each in predictions] == logits.argmax(1).tolist()


@pytest.mark.usefixtures("no_floats")
def test_predicting_image_files_computes_no_float(bytes_file: Path, class_folders: Path) -> None:
    classifier = OnnxClassifier(bytes_file, threads=1)
    paths = sorted(class_folders.rglob("*.png"))
    results = [result for _, result in classify(classifier, paths, k=1)]
    assert all(isinstance(result, tuple) for result in results)


def test_normalize_is_what_the_fixture_refuses(bytes_file: Path, no_floats: None) -> None:
    assert SHIPPED.onnx
    with pytest.raises(AssertionError, match="pixels were normalized"):
        OnnxClassifier(SHIPPED.onnx, threads=1).logits_from_pixels(pictures(1))


def _classifiers() -> Iterator[Classifier]:
    from shufflenet.models import load_model_and_card  # noqa: PLC0415  # only here

    assert SHIPPED.onnx
    yield OnnxClassifier(SHIPPED.onnx, threads=1)
    yield TorchClassifier(*load_model_and_card("default"))
    for package, runtime in (("openvino", OpenVinoClassifier), ("llvmlite", LlvmClassifier)):
        pytest.importorskip(package)
        yield runtime(SHIPPED.onnx, threads=1)


def test_every_runtime_normalizes_pixels_for_a_float_file() -> None:
    pixels = pictures(2)
    for classifier in _classifiers():
        expected = classifier.logits(normalize(pixels, classifier.card.preprocess))
        logits = classifier.logits_from_pixels(pixels)
        assert np.abs(logits - expected).max() <= 2e-5 * np.abs(expected).max()
