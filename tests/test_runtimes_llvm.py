"""The LLVM runtime: threads, shapes, pixels, and files that it refuses."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from conftest import take_away
from exported import THIN, export
from narrow import NARROW
from shufflenet import machine, open_model
from shufflenet.errors import CheckpointError, MissingDependency, SpecError
from shufflenet.machine import host_target
from shufflenet.preprocess import normalize
from shufflenet.runtimes import OnnxClassifier
from shufflenet.spec import CARD_KEY, Card, Preprocess
from shufflenet.zoo import SHIPPED
from tolerance import FLOAT32_RELATIVE

pytest.importorskip("llvmlite")

from shufflenet.native import Compiled
from shufflenet.runtimes import LlvmClassifier, _llvm

assert SHIPPED.onnx

pytestmark = pytest.mark.xdist_group("codegen")  # a worker exports the thin network once


@pytest.fixture(scope="module")
def thin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(THIN, tmp_path_factory.mktemp("thin") / "thin.onnx")


def images(*shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def assert_same(classifier: LlvmClassifier, path: Path, batch: npt.NDArray[np.float32]) -> None:
    expected = OnnxClassifier(path).logits(batch)
    difference = np.abs(classifier.logits(batch) - expected).max()
    assert difference <= FLOAT32_RELATIVE * np.abs(expected).max()


def test_the_model_that_ships_is_computed_by_many_threads() -> None:
    classifier = LlvmClassifier(SHIPPED.onnx or "", threads=3)
    batch = images(7, 3, *classifier.card.preprocess.size_px)
    assert_same(classifier, Path(SHIPPED.onnx or ""), batch)
    alone = LlvmClassifier(SHIPPED.onnx or "", threads=1).logits(batch)
    assert np.array_equal(classifier.logits(batch[:1]), alone[:1])  # by all threads together
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(classifier.logits, [batch] * 8):
            assert np.array_equal(answer, alone)


def test_callers_in_several_threads_do_not_wait_for_each_other(
    thin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = LlvmClassifier(thin, threads=1, target=NARROW)
    classifier.logits(images(1, 3, 16, 16))
    together = threading.Barrier(2, timeout=300)

    def features(image: npt.NDArray[np.float32]) -> npt.NDArray[np.generic]:
        together.wait()
        return nothing

    (compiled,) = classifier._of_shape.values()
    nothing = np.zeros_like(compiled.features(images(3, 16, 16)))
    monkeypatch.setattr(compiled, "features", features)
    with ThreadPoolExecutor(2) as callers:
        assert len(list(callers.map(classifier.logits, [images(3, 3, 16, 16)] * 2))) == 2


def test_no_images_give_no_logits() -> None:
    assert LlvmClassifier(SHIPPED.onnx or "").logits(images(0, 3, 32, 32)).shape == (0, 200)


def test_code_of_the_shapes_used_last_is_kept(thin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = LlvmClassifier(thin, threads=1, target=NARROW)
    compiled, sides = classifier._compile((3, 8, 8)), []

    def compile_once(shape: tuple[int, int, int]) -> Compiled:
        sides.append(shape[1])
        return compiled

    monkeypatch.setattr(compiled, "logits_of", lambda image, submit: np.zeros((1, 11), np.float32))
    monkeypatch.setattr(classifier, "_compile", compile_once)
    for side in (8, 9, 10, 11, 8, 12, 8, 9):
        classifier.logits(images(1, 3, side, side))
    assert sides == [8, 9, 10, 11, 12, 9]


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 1, 8, 8), np.float32),
        np.zeros((1, 3, 8, 8), np.uint8),
        np.zeros((3, 8, 8), np.float32),
        np.zeros((1, 3, 0, 8), np.float32),
    ],
    ids=lambda batch: f"{batch.dtype} {batch.shape}",
)
def test_batches_of_another_shape_are_refused(thin: Path, batch: npt.NDArray[np.float32]) -> None:
    with pytest.raises(SpecError, match="float32 of shape"):
        LlvmClassifier(thin).logits(batch)


def as_preprocessed(source: Path, path: Path, how: Preprocess) -> Path:
    """Write a file again whose card says that its images are prepared otherwise."""
    model = onnx.load(source)
    entry = next(e for e in model.metadata_props if e.key == CARD_KEY)
    card = Card.from_json(entry.value)
    entry.value = replace(card, preprocess=how).to_json()
    onnx.save(model, path)
    return path


PLAIN = Preprocess(resize_px=224, crop_px=224)
BGR = replace(PLAIN, channels="bgr", value_range=255, mean=(103.5, 116.3, 123.7), std=(58, 57, 59))
LESS_MEAN_IMAGE = replace(BGR, mean=(0, 0, 0), std=(1, 1, 1), mean_image="megvii-imagenet-224")


@pytest.mark.parametrize("how", [PLAIN, BGR, LESS_MEAN_IMAGE], ids=["rgb", "bgr", "mean image"])
def test_pixels_have_the_logits_of_their_normalized_image(
    how: Preprocess, thin: Path, tmp_path: Path
) -> None:
    path = as_preprocessed(thin, tmp_path / "how.onnx", how)
    classifier = LlvmClassifier(path, threads=2, target=NARROW)
    height, width = (224, 224) if how.mean_image else (33, 70)
    for count in (0, 1, 3):
        pixels = np.random.default_rng(count).integers(0, 256, (count, height, width, 3), np.uint8)
        expected = classifier.logits(normalize(pixels, how))
        assert expected.shape == (count, 11)
        assert np.array_equal(classifier.logits_from_pixels(pixels), expected)


def test_no_float_image_is_computed_from_pixels(
    thin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = LlvmClassifier(thin, threads=1, target=NARROW)
    monkeypatch.setattr(_llvm, "normalize", lambda *_: pytest.fail("pixels were normalized"))
    assert classifier.logits_from_pixels(np.zeros((2, 9, 9, 3), np.uint8)).shape == (2, 11)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 8, 8, 1), np.uint8),
        np.zeros((1, 8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((1, 0, 8, 3), np.uint8),
    ],
    ids=lambda pixels: f"{pixels.dtype} {pixels.shape}",
)
def test_pixels_of_another_shape_are_refused(thin: Path, pixels: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(SpecError, match="uint8 of shape"):
        LlvmClassifier(thin).logits_from_pixels(pixels)


def test_amx_is_not_asked_for_by_a_float_file(thin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "amx_permitted", lambda: pytest.fail("it was asked for"))
    host_target.cache_clear()
    LlvmClassifier(thin)


def test_bad_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        LlvmClassifier(tmp_path / "none.onnx")
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(CheckpointError, match="is not a complete ONNX file"):
        LlvmClassifier(path)


@pytest.mark.parametrize("package", ["llvmlite", "onnx"])
def test_a_package_that_is_missing_is_named(
    package: str, fresh_code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_away(package, monkeypatch)
    with pytest.raises(MissingDependency, match=r"shufflenet\[llvm\]"):
        open_model(runtime="llvm")
