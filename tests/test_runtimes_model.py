import dataclasses
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from conftest import card_for
from fakes import Reddest
from shufflenet.errors import CheckpointError, ImageError, MissingDependency, SpecError
from shufflenet.runtimes import Model, OnnxClassifier, OpenVinoClassifier, classify, top_k
from shufflenet.spec import Card, Label
from shufflenet.zoo import SHIPPED, find_network

NETWORK = dataclasses.replace(find_network("shufflenet_v2_x0_25"), classes=3)
CARD: Card = dataclasses.replace(
    card_for(NETWORK), labels=(Label("r", "red"), Label("g", "green"), Label("b", "blue"))
)


def test_probabilities_are_a_softmax_most_probable_first() -> None:
    found = top_k(np.log(np.array([0.2, 0.5, 0.3], np.float32)), CARD.labels, k=2)
    assert [(p.index, p.label) for p in found] == [(1, "green"), (2, "blue")]
    assert [p.probability for p in found] == pytest.approx([0.5, 0.3])


def test_large_logits_do_not_overflow_and_k_may_exceed_the_classes() -> None:
    found = top_k(np.array([1e4, -1e4, 0], np.float32), CARD.labels, k=9)
    assert [p.probability for p in found] == [1.0, 0.0, 0.0]


def test_images_are_classified_in_order_and_a_bad_one_keeps_its_place(class_folders: Path) -> None:
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


def test_a_model_gives_lists_and_raises_for_a_bad_file(class_folders: Path) -> None:
    model = Model(Reddest(CARD))
    (found,) = model.classify([class_folders / "red" / "0.png"], k=2)
    assert found[0].label == "red"
    assert len(found) == 2
    with pytest.raises(ImageError, match="no such file"):
        model.classify(["none.jpg"])


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


def test_openvino_answers_the_same_of_a_shape_that_comes_often() -> None:
    assert SHIPPED.onnx
    classifier = OpenVinoClassifier(SHIPPED.onnx, threads=1)
    for size in (56, 64):
        for images in range(1, 5):
            batch = np.random.default_rng(images).normal(size=(images, 3, size, size))
            first, *others = (classifier.logits(batch.astype(np.float32)) for _ in range(6))
            for other in others:
                assert np.abs(other - first).max() <= 2e-5 * np.abs(first).max()


def test_openvino_tells_what_it_cannot_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        OpenVinoClassifier(tmp_path / "none.onnx")
    (tmp_path / "a.onnx").write_bytes(b"no model")
    with pytest.raises(CheckpointError, match="not an ONNX file that OpenVINO can run"):
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


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        OnnxClassifier(tmp_path / "none.onnx")
    (tmp_path / "a.onnx").write_bytes(b"not an ONNX file")
    with pytest.raises(CheckpointError, match="is not an ONNX file that ONNX Runtime can run"):
        OnnxClassifier(tmp_path / "a.onnx")
    assert SHIPPED.onnx
    (tmp_path / "cut.onnx").write_bytes(SHIPPED.onnx.read_bytes()[:100_000])
    with pytest.raises(CheckpointError, match="is not an ONNX file that ONNX Runtime can run"):
        OnnxClassifier(tmp_path / "cut.onnx")
