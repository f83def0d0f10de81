"""Published files as ONNX Runtime runs them, and the probe of int8 sums."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from foreign import onnx_zoo_v1
from originals import ORIGINALS, images, weights
from shufflenet import runtimes
from shufflenet.errors import CheckpointError
from shufflenet.runtimes import OnnxClassifier, _onnxruntime, top_k
from shufflenet.zoo import WEIGHTS


def publish_as(name: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the catalogue's entry of that name the hash of this file."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(WEIGHTS, name, replace(WEIGHTS[name], sha256=sha256))


def test_the_v1_of_the_onnx_model_zoo_runs_unconverted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes one image at a time and ends with a softmax."""
    original = next(o for o in ORIGINALS if o.source == "onnxzoo")
    path = tmp_path / "shufflenet-9.onnx"
    onnx.save(onnx_zoo_v1(weights(original)), path)
    publish_as("shufflenet_v1_g4_x0_5_onnx.onnx_zoo_9", path, monkeypatch)
    classifier = OnnxClassifier(path, threads=1)
    batch = images(original).astype(np.float32)
    logits = classifier.logits(batch)
    assert logits.shape == (len(batch), 1000)
    assert [top_k(row, classifier.card, 1)[0].probability for row in logits] == (
        pytest.approx(_softmax(classifier, batch).max(axis=1))
    )


def _softmax(classifier: OnnxClassifier, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    parts = [classifier._run(batch[i : i + 1]) for i in range(len(batch))]
    return np.concatenate(parts)


def test_an_unknown_onnx_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    original = next(o for o in ORIGINALS if o.source == "onnxzoo")
    onnx.save(onnx_zoo_v1(weights(original)), path)
    with pytest.raises(CheckpointError, match="has no card"):
        OnnxClassifier(path)


@pytest.mark.parametrize("exact", [True, False])
def test_a_published_int8_file_warns_on_processors_that_saturate(
    exact: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "shufflenet-v2-12-int8.onnx"
    onnx.save(_fixed_batch(), path)
    publish_as("shufflenet_v2_x1_0.onnx_zoo_12_int8", path, monkeypatch)
    monkeypatch.setattr(_onnxruntime, "computes_int8_exactly", lambda: exact)
    assert OnnxClassifier(path).logits(np.ones((5, 3, 4, 4), np.float32)).shape == (5, 1000)
    assert ("answers may differ" in caplog.text) is not exact


def _fixed_batch() -> onnx.ModelProto:
    """Build a file that takes exactly two images at a time."""
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["images"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        ],
        "fixed",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [2, 3, 4, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [2, 1000])],
        [numpy_helper.from_array(np.ones((3, 1000), np.float32), "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_the_int8_probe_has_one_of_two_possible_results() -> None:
    """Exact sums on processors with VNNI, saturated ones on others."""
    probe = Path(runtimes.__file__).parent / "int8-probe.onnx"
    session = onnxruntime.InferenceSession(str(probe), providers=["CPUExecutionProvider"])
    (small,) = session.run(None, {"pixels": np.full((1, 64, 8, 8), 100, np.uint8)})
    assert (small == 100).all()  # nothing overflows
    (large,) = session.run(None, {"pixels": np.full((1, 64, 8, 8), 255, np.uint8)})
    saturated = round(32767 * 32 / (64 * 127))
    assert set(np.unique(large)) <= {255, saturated}
    assert runtimes.computes_int8_exactly() == (large == 255).all()
