"""Files verified by the logits that they hold."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

pytest.importorskip("torch")

from conftest import Run
from quantizing import write_float_file
from resealed import save_resealed
from shufflenet.errors import ChangedExport, DamagedCheck, NoProof, NotVerifiable
from shufflenet.runtimes import (
    FLOAT_CHECK_KEY,
    OnnxClassifier,
    check_image,
    verify_file,
)
from shufflenet.spec import FLOAT32_TOLERANCE
from shufflenet.zoo import SHIPPED


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_float_file(tmp_path_factory.mktemp("net"))


def test_an_exported_file_holds_its_logits_and_agrees(network: Path, run: Run) -> None:
    classifier = OnnxClassifier(network)
    expected = classifier.logits_from_pixels(check_image(classifier.card.preprocess))[0]
    entries = {each.key: each.value for each in onnx.load(network).metadata_props}
    held = json.loads(entries[FLOAT_CHECK_KEY])
    assert np.allclose(held, expected, rtol=1e-4, atol=1e-5)
    found = verify_file(network)
    assert found.agrees
    assert found.runtime == "onnxruntime"
    assert found.tolerance == FLOAT32_TOLERANCE * max(1, float(np.abs(np.float32(held)).max()))
    assert found.max_abs_difference == float(np.abs(expected - np.float32(held)).max())
    code, out, _ = run("verify", network, "--json")
    assert (code, json.loads(out)["agrees"]) == (0, True)


def changed(network: Path, path: Path, text: str | None = None) -> Path:
    """Write the file with another bias of the classifier, or with other logits."""
    model = onnx.load(network)
    if text is None:
        node = next(each for each in model.graph.node if each.op_type == "Gemm")
        bias = next(each for each in model.graph.initializer if each.name == node.input[2])
        values = numpy_helper.to_array(bias) + np.float32(0.01)
        bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    else:
        next(each for each in model.metadata_props if each.key == FLOAT_CHECK_KEY).value = text
    return save_resealed(model, path)


def test_a_changed_file_does_not_agree(network: Path, tmp_path: Path, run: Run) -> None:
    path = changed(network, tmp_path / "changed.onnx")
    found = verify_file(path)
    assert not found.agrees
    assert found.max_abs_difference == pytest.approx(0.01, rel=1e-2)
    code, out, _ = run("verify", path)
    assert code == 1
    assert (
        "by ONNX Runtime: does not agree: write it again; outputs differ by at most 1.0e-02" in out
    )


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"a": 1}', "[1e999, 1, 2]", '["a", "b", "c"]'])
def test_logits_that_are_none_are_refused(text: str, network: Path, tmp_path: Path) -> None:
    with pytest.raises(DamagedCheck):
        verify_file(changed(network, tmp_path / "damaged.onnx", text))


def test_files_without_logits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NoProof, match="holds no logits to be verified by"):
        verify_file(SHIPPED.checkpoint or "")
    for name in ("net.o", "net.a", "model.engine"):
        with pytest.raises(NotVerifiable, match=r"Name a \.onnx, .*\.so"):
            verify_file(tmp_path / name)


def test_the_model_that_ships_agrees_by_its_name(run: Run) -> None:
    code, out, _ = run("verify", "default", "--json")
    found = json.loads(out)
    assert (code, found["path"], found["agrees"]) == (0, str(SHIPPED.onnx), True)


def test_a_weight_that_the_image_does_not_show_is_found_by_the_hash(
    network: Path, tmp_path: Path
) -> None:
    model = onnx.load(network)
    weight = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    weight.raw_data = bytes([weight.raw_data[0] ^ 1]) + weight.raw_data[1:]  # the lowest bit
    path = tmp_path / "flipped.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ChangedExport, match="was damaged or changed after it was exported"):
        verify_file(path)
