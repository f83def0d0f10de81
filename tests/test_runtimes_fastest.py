"""The fastest runtime that agrees is found once, and remembered."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from shufflenet import open_model
from shufflenet.errors import CheckpointError, SpecError
from shufflenet.runtimes import (
    Classifier,
    LlvmClassifier,
    OnnxClassifier,
    OpenVinoClassifier,
    _fastest,
    _llvm,
    open_fastest,
)
from shufflenet.spec import Arithmetic
from shufflenet.zoo import SHIPPED

openvino = pytest.importorskip("openvino")
pytest.importorskip("llvmlite")
assert SHIPPED.onnx
FILE = SHIPPED.onnx


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHUFFLENET_HOME", str(tmp_path))
    return tmp_path


def taking(
    monkeypatch: pytest.MonkeyPatch,
    onnxruntime_s: float,
    openvino_s: float,
    llvm_s: float = 9.0,
) -> list[int]:
    """Let the runtimes seem to take so long; count how often they are tried."""
    tried = []
    seconds = {"onnxruntime": onnxruntime_s, "openvino": openvino_s, "llvm": llvm_s}

    def times(classifiers: Mapping[str, Classifier], _: object) -> dict[str, float]:
        tried.append(1)
        return {name: seconds[name] for name in classifiers}

    monkeypatch.setattr(_fastest, "_times", times)
    return tried


@pytest.mark.parametrize(
    ("openvino_s", "llvm_s", "chosen"),
    [
        (0.5, 0.6, OpenVinoClassifier),
        (0.99, 2.0, OnnxClassifier),
        (2.0, 0.97, OnnxClassifier),
        (0.9, 0.8, LlvmClassifier),
    ],
)
def test_what_is_faster_by_more_than_noise_is_taken_and_remembered(
    openvino_s: float, llvm_s: float, chosen: type, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = taking(monkeypatch, 1.0, openvino_s, llvm_s)
    assert type(open_fastest(FILE, threads=1)) is chosen
    assert type(open_fastest(FILE, threads=1)) is chosen
    assert len(tried) == 1
    open_fastest(FILE, threads=2)
    assert len(tried) == 2
    assert len(json.loads((home / "runtimes.json").read_text())) == 2


def test_what_disagrees_is_left_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    taking(monkeypatch, 1.0, 0.1)

    def wrong(self: OpenVinoClassifier, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.full((len(batch), 200), np.nan, np.float32)

    monkeypatch.setattr(OpenVinoClassifier, "logits", wrong)
    assert type(open_fastest(FILE, threads=1)) is OnnxClassifier


@pytest.mark.parametrize("content", ["", "[]", '{"a": 3}', "\x00"])
def test_a_memory_that_cannot_be_read_is_made_anew(
    content: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "runtimes.json").write_text(content)
    taking(monkeypatch, 1.0, 0.5)
    assert type(open_fastest(FILE, threads=1)) is OpenVinoClassifier


def test_a_memory_that_cannot_be_kept_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SHUFFLENET_HOME", str(tmp_path / "file"))
    taking(monkeypatch, 1.0, 0.5)
    assert type(open_fastest(FILE, threads=1)) is OpenVinoClassifier


def test_all_are_really_timed_by_turns() -> None:
    image = np.zeros((1, 3, 56, 56), np.float32)
    kinds = {"first": OnnxClassifier, "second": OpenVinoClassifier, "third": LlvmClassifier}
    times = _fastest._times({name: kind(FILE, threads=1) for name, kind in kinds.items()}, image)
    assert list(times) == list(kinds)
    assert all(seconds > 0 for seconds in times.values())


def test_what_cannot_open_a_file_is_left_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *, threads: int | None, precision: Arithmetic) -> Classifier:
        raise CheckpointError(path, "has layers of another kind", "Use another.")

    taking(monkeypatch, 1.0, 0.5, 0.1)
    monkeypatch.setattr(_llvm, "open_file", refuse)
    assert type(open_fastest(FILE, threads=1)) is OpenVinoClassifier


def test_without_another_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = taking(monkeypatch, 1.0, 0.5)
    monkeypatch.setattr(_fastest, "_version", lambda package: None)
    assert type(open_fastest(FILE)) is OnnxClassifier
    assert not tried
    with pytest.raises(CheckpointError, match="does not exist"):
        open_fastest("none.onnx")


def test_bfloat16_is_refused_where_there_is_none() -> None:
    with pytest.raises(SpecError, match="'float32' with torch"):
        open_model(runtime="torch", precision="bfloat16")
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has bfloat16")
    with pytest.raises(SpecError, match="'float32' on this processor"):
        open_model(precision="bfloat16")
