"""The fastest runtime that agrees is found once, and remembered."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from shufflenet import open_model, runtimes
from shufflenet.engine import OnnxClassifier, OpenVinoClassifier
from shufflenet.errors import CheckpointError, SpecError
from shufflenet.runtimes import open_fastest
from shufflenet.zoo import SHIPPED

openvino = pytest.importorskip("openvino")
assert SHIPPED.onnx
FILE = SHIPPED.onnx


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHUFFLENET_HOME", str(tmp_path))
    return tmp_path


def taking(monkeypatch: pytest.MonkeyPatch, onnxruntime_s: float, openvino_s: float) -> list[int]:
    """Let the runtimes seem to take so long; count how often they are tried."""
    tried = []

    def times(*_: object) -> tuple[float, float]:
        tried.append(1)
        return onnxruntime_s, openvino_s

    monkeypatch.setattr(runtimes, "_times", times)
    return tried


@pytest.mark.parametrize(
    ("openvino_s", "chosen"),
    [(0.5, OpenVinoClassifier), (0.99, OnnxClassifier), (2.0, OnnxClassifier)],
)
def test_what_is_faster_by_more_than_noise_is_taken_and_remembered(
    openvino_s: float, chosen: type, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = taking(monkeypatch, 1.0, openvino_s)
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


def test_both_are_really_timed_by_turns() -> None:
    image = np.zeros((1, 3, 56, 56), np.float32)
    times = runtimes._times(OnnxClassifier(FILE, threads=1), OpenVinoClassifier(FILE), image)
    assert all(0 < seconds < 10 for seconds in times)


def test_without_openvino_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = taking(monkeypatch, 1.0, 0.5)
    monkeypatch.setattr(runtimes, "_version", lambda package: None)
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
