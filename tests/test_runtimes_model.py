import dataclasses
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags, Image

import shufflenet
from conftest import card_for
from fakes import Reddest
from seeded import photo
from shufflenet.errors import CheckpointError, ImageError, MissingDependency, SpecError
from shufflenet.preprocess import normalize
from shufflenet.runtimes import (
    Model,
    OnnxClassifier,
    OpenVinoClassifier,
    Picture,
    classify,
    probabilities,
    top_k,
)
from shufflenet.spec import Card, Label
from shufflenet.zoo import SHIPPED, find_network

NETWORK = dataclasses.replace(find_network("shufflenet_v2_x0_25"), classes=3)
CARD: Card = dataclasses.replace(
    card_for(NETWORK), labels=(Label("r", "red"), Label("g", "green"), Label("b", "blue"))
)


def test_probabilities_are_a_softmax_most_probable_first() -> None:
    found = top_k(np.log(np.array([0.2, 0.5, 0.3], np.float32)), CARD, k=2)
    assert [(p.index, p.label) for p in found] == [(1, "green"), (2, "blue")]
    assert [p.probability for p in found] == pytest.approx([0.5, 0.3])


def test_probabilities_of_a_multi_label_model_are_each_a_sigmoid() -> None:
    card = dataclasses.replace(CARD, task="multi-label")
    found = top_k(np.array([0, 1e4, -1e4], np.float32), card, k=3)
    assert [(p.label, p.probability) for p in found] == [("green", 1), ("red", 0.5), ("blue", 0)]
    logits = np.random.default_rng(0).normal(0, 30, (7, 3)).astype(np.float32)
    exact = 1 / (1 + np.exp(-logits.astype(np.float64)))
    assert np.allclose(probabilities(logits, "multi-label"), exact, rtol=1e-6, atol=1e-30)
    assert probabilities(logits, "multi-label").dtype == np.float32


def test_large_logits_do_not_overflow_and_k_may_exceed_the_classes() -> None:
    found = top_k(np.array([1e4, -1e4, 0], np.float32), CARD, k=9)
    assert [p.probability for p in found] == [1.0, 0.0, 0.0]


def test_images_are_classified_in_order_and_unreadable_ones_keep_their_place(
    class_folders: Path,
) -> None:
    paths = [*sorted(class_folders.rglob("*.png")), class_folders / "none.png"]
    paths.insert(1, class_folders / "blue")
    results = list(classify(Reddest(CARD), paths, k=1, batch=5))
    assert [path for path, _ in results] == paths
    for path, result in results:
        if path.suffix and path.name != "none.png":
            assert not isinstance(result, ImageError)
            assert result[0].label == path.parent.name
        else:
            assert isinstance(result, ImageError)


def test_a_model_returns_lists_and_raises_for_an_unreadable_file(class_folders: Path) -> None:
    model = Model(Reddest(CARD))
    (found,) = model.classify([class_folders / "red" / "0.png"], k=2)
    assert found[0].label == "red"
    assert len(found) == 2
    with pytest.raises(ImageError, match="no such file"):
        model.classify(["none.jpg"])


def test_a_model_classifies_paths_bytes_pillow_images_and_arrays(class_folders: Path) -> None:
    model, path = Model(Reddest(CARD)), class_folders / "green" / "0.png"
    image = Image.open(path)
    pixels = np.asarray(image)
    (expected,) = model.classify([path])
    singles: list[Picture] = [path, str(path), path.read_bytes(), Image.open(path), pixels]
    for picture in singles:
        assert model.classify(picture) == [expected]
    assert model.classify(singles) == [expected] * 5
    assert model.classify(np.stack([pixels, pixels])) == [expected] * 2
    assert model.classify(p for p in (path, path)) == [expected] * 2
    assert model.classify([]) == []


def test_pillow_images_are_converted_as_files_are(tmp_path: Path) -> None:
    """With an EXIF tag, of 16 bits, gray or transparent; and they are not changed."""
    turned, exif = Image.fromarray(photo("turned", 20, 40)), Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    deep = np.arange(0, 2**16, 32, dtype=np.uint16).reshape(32, 64)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(photo("gray", 20, 40)[..., 0]).save(tmp_path / "gray.png")
    Image.fromarray(photo("clear", 20, 40)).convert("RGBA").save(tmp_path / "clear.png")
    model = Model(Reddest(CARD))
    for path in sorted(tmp_path.glob("*.png")):
        with Image.open(path) as image:
            before = image.copy()
            assert model.classify(image) == model.classify(path), path.name
            assert (image.size, image.mode) == (before.size, before.mode)


def test_bytes_files_and_arrays_that_are_no_image_are_refused(
    class_folders: Path, tmp_path: Path
) -> None:
    model = Model(Reddest(CARD))
    with pytest.raises(ImageError, match="not an image"):
        model.classify(b"no image")
    whole = (class_folders / "red" / "0.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError), Image.open(tmp_path / "cut.png") as image:
        model.classify(image)
    shapes: list[npt.NDArray[Any]] = [
        np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3)),
        np.zeros((0, 8, 3), np.uint8),
    ]  # fmt: skip
    for pixels in shapes:
        with pytest.raises(SpecError, match=r"must be uint8 of shape \(height, width, 3\), RGB"):
            model.classify(pixels)


def test_the_repr_of_a_model_names_it() -> None:
    assert repr(Model(Reddest(CARD))) == "<Model test: 3 classes, 32 px, Reddest>"


def test_pixels_and_prepared_images_give_the_same_logits() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 40, 3), np.uint8)
    model = Model(Reddest(CARD))
    expected = model.logits(normalize(pixels, CARD.preprocess))
    assert np.array_equal(model.logits_from_pixels(pixels), expected)
    others: list[npt.NDArray[Any]] = [pixels[0], pixels.astype(np.float32), pixels[..., :2]]
    for wrong in others:
        with pytest.raises(SpecError, match=r"uint8 of shape \(n, height, width, 3\)"):
            model.logits_from_pixels(wrong)


@pytest.mark.parametrize(
    "batch", [np.zeros((3, 8, 8), np.float32), np.zeros((1, 3, 8, 8)), np.zeros((1, 1, 8, 8), "f4")]
)
def test_a_batch_of_another_shape_is_refused(batch: npt.NDArray[np.float32]) -> None:
    with pytest.raises(SpecError, match=r"float32 of shape \(n, 3, height, width\)"):
        Model(Reddest(CARD)).logits(batch)


def test_openvino_computes_what_onnx_runtime_does() -> None:
    assert SHIPPED.onnx
    batch = np.random.default_rng(0).normal(size=(3, 3, 56, 56)).astype(np.float32)
    expected = OnnxClassifier(SHIPPED.onnx, threads=1).logits(batch)
    classifier = OpenVinoClassifier(SHIPPED.onnx, threads=1)
    assert np.abs(classifier.logits(batch) - expected).max() <= 2e-5 * np.abs(expected).max()
    assert classifier.card == OnnxClassifier(SHIPPED.onnx).card
    with ThreadPoolExecutor(2) as pool:
        again = list(pool.map(classifier.logits, [batch] * 8))
    assert all(np.array_equal(logits, again[0]) for logits in again)


def test_openvino_computes_the_same_for_a_shape_that_it_compiles() -> None:
    assert SHIPPED.onnx
    classifier = OpenVinoClassifier(SHIPPED.onnx, threads=1)
    for size in (56, 64):
        for images in range(1, 5):
            batch = np.random.default_rng(images).normal(size=(images, 3, size, size))
            first, *others = (classifier.logits(batch.astype(np.float32)) for _ in range(6))
            for other in others:
                assert np.abs(other - first).max() <= 2e-5 * np.abs(first).max()


def test_openvino_refuses_other_files_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        OpenVinoClassifier(tmp_path / "none.onnx")
    (tmp_path / "a.onnx").write_bytes(b"no model")
    with pytest.raises(CheckpointError, match="is not a complete ONNX file"):
        OpenVinoClassifier(tmp_path / "a.onnx")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependency, match=r"pip install 'shufflenet\[openvino\]'"):
        OpenVinoClassifier(tmp_path / "a.onnx")


def test_a_batch_equals_its_rows() -> None:
    assert SHIPPED.onnx
    classifier = OnnxClassifier(SHIPPED.onnx, threads=1)
    batch = np.random.default_rng(0).normal(size=(3, 3, 64, 64)).astype(np.float32)
    rows = np.concatenate([classifier.logits(row[None]) for row in batch])
    assert np.abs(classifier.logits(batch) - rows).max() < 1e-4


def test_onnx_runtime_refuses_other_files_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        OnnxClassifier(tmp_path / "none.onnx")
    (tmp_path / "a.onnx").write_bytes(b"not an ONNX file")
    with pytest.raises(CheckpointError, match="is not an ONNX file that ONNX Runtime can run"):
        OnnxClassifier(tmp_path / "a.onnx")
    assert SHIPPED.onnx
    (tmp_path / "cut.onnx").write_bytes(SHIPPED.onnx.read_bytes()[:100_000])
    with pytest.raises(CheckpointError, match="is not an ONNX file that ONNX Runtime can run"):
        OnnxClassifier(tmp_path / "cut.onnx")


def test_the_package_shows_no_internals() -> None:
    assert {"open_model", "__version__", "models", "runtimes"} <= set(dir(shufflenet))
    assert not {"Path", "TYPE_CHECKING", "import_module", "cli"} & set(dir(shufflenet))
    for name in dir(shufflenet):
        assert getattr(shufflenet, name)
    with pytest.raises(AttributeError, match="has no attribute 'open_modle'"):
        getattr(shufflenet, "open_modle")  # noqa: B009  # type checkers refuse the attribute
