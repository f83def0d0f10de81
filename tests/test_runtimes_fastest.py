"""The fastest runtime that agrees is found once, and remembered."""

import argparse
import json
from collections.abc import Mapping
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from fakes import FakeClock, Reddest
from shufflenet import open_model
from shufflenet.cli._options import open_chosen  # the command line's choice, without a process
from shufflenet.errors import CheckpointError, LogitsNotNumbers, SpecError
from shufflenet.runtimes import (
    Classifier,
    LlvmClassifier,
    OnnxClassifier,
    OpenVinoClassifier,
    _fastest,
    _llvm,
    choose_at_once,
    open_fastest,
)
from shufflenet.runtimes._installed import installed_version  # what no other room needs
from shufflenet.spec import Arithmetic
from shufflenet.zoo import SHIPPED
from test_runtimes_model import CARD

openvino = pytest.importorskip("openvino")
pytest.importorskip("llvmlite")
assert SHIPPED.onnx
FILE = SHIPPED.onnx


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for kept code, so that it is compiled once for all tests."""
    folder = tmp_path_factory.mktemp("kept") / "code"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHUFFLENET_HOME", str(tmp_path))
    (tmp_path / "code").symlink_to(kept)
    return tmp_path


def pretend_times(
    monkeypatch: pytest.MonkeyPatch,
    onnxruntime_s: float,
    openvino_s: float,
    llvm_s: float = 9.0,
) -> list[int]:
    """Make the runtimes seem to take so many seconds; count how often they are timed."""
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
def test_a_runtime_that_is_clearly_faster_is_chosen_and_remembered(
    openvino_s: float, llvm_s: float, chosen: type, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = pretend_times(monkeypatch, 1.0, openvino_s, llvm_s)
    assert type(open_fastest(FILE, threads=1)) is chosen
    assert type(open_fastest(FILE, threads=1)) is chosen
    assert len(tried) == 1
    open_fastest(FILE, threads=2)
    assert len(tried) == 2
    assert len(json.loads((home / "runtimes.json").read_text())) == 2


def test_a_runtime_with_other_logits_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_times(monkeypatch, 1.0, 0.1)

    def wrong(self: OpenVinoClassifier, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return np.full((len(batch), 200), np.nan, np.float32)

    monkeypatch.setattr(OpenVinoClassifier, "logits_from_pixels", wrong)
    assert type(open_fastest(FILE, threads=1)) is OnnxClassifier


@pytest.mark.parametrize("content", ["", "[]", '{"a": ["b"]}', "\x00", "[" * 10**5])
def test_choices_that_cannot_be_read_are_made_again(
    content: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "runtimes.json").write_text(content)
    pretend_times(monkeypatch, 1.0, 0.5)
    assert type(open_fastest(FILE, threads=1)) is OpenVinoClassifier


def test_choices_that_cannot_be_written_stop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SHUFFLENET_HOME", str(tmp_path / "file"))
    pretend_times(monkeypatch, 1.0, 0.5)
    assert type(open_fastest(FILE, threads=1)) is OpenVinoClassifier


class Timed(Reddest):
    """A classifier whose call takes so many seconds of a clock; it notes its name at each."""

    def __init__(self, name: str, seconds: float, clock: FakeClock, calls: list[str]) -> None:
        super().__init__(CARD)
        self.name, self.seconds, self.clock, self.calls = name, seconds, clock, calls

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        self.calls.append(self.name)
        self.clock.advance(self.seconds)
        return super().logits(batch)


@pytest.mark.parametrize(
    ("unit", "blocks"), [(2.0**-12, ["first", "second"] * 5), (1.0, ["first", "second"])]
)
def test_blocks_of_calls_alternate_until_patience_ends(unit: float, blocks: list[str]) -> None:
    """Runtimes that take longer than that are called two times each at least."""
    clock, calls = FakeClock(), list[str]()
    classifiers = {
        name: Timed(name, seconds, clock, calls)
        for name, seconds in (("first", 3 * unit), ("second", unit))
    }
    times = _fastest._times(classifiers, np.zeros((1, 3, 32, 32), np.float32), clock)
    assert times == {"first": 3 * unit + clock.STEP, "second": unit + clock.STEP}
    assert [name for name, _ in groupby(calls)][: len(blocks)] == blocks
    assert min(calls.count(name) for name in classifiers) >= 2


def test_few_images_are_computed_by_llvm_once_it_is_the_fastest_and_its_code_is_kept(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chosen(threads: int | None = None) -> tuple[str, int | None]:
        return choose_at_once(Path(FILE), threads)

    assert chosen() == ("onnxruntime", None)  # nothing is known, and nothing is measured
    pretend_times(monkeypatch, 1.0, 0.5, 0.1)
    assert type(open_fastest(FILE, threads=1)) is LlvmClassifier
    assert chosen() == chosen(1) == ("llvm", 1)
    options = argparse.Namespace(model=FILE, runtime="auto", threads=None, precision="float32")
    model = open_chosen(options, images=1)
    assert type(model._classifier) is LlvmClassifier
    (home / "code").unlink()
    assert chosen() == ("onnxruntime", None)


def test_few_images_do_not_wait_for_a_runtime_that_opens_slowly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend_times(monkeypatch, 1.0, 0.5)
    assert type(open_fastest(FILE, threads=2)) is OpenVinoClassifier
    assert choose_at_once(Path(FILE), 2) == ("onnxruntime", 2)
    assert choose_at_once(Path("a.safetensors"), 3) == ("torch", 3)


@pytest.mark.parametrize("package", ["onnxruntime", "llvmlite", "numpy"])
def test_versions_are_those_of_the_metadata(package: str) -> None:
    assert installed_version(package) == version(package)
    assert installed_version("no_such_package") is None


def test_a_runtime_that_cannot_open_the_file_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *, threads: int | None, precision: Arithmetic) -> Classifier:
        raise CheckpointError(path, "has layers of another kind", "Use another.")

    pretend_times(monkeypatch, 1.0, 0.5, 0.1)
    monkeypatch.setattr(_llvm, "open_file", refuse)
    assert type(open_fastest(FILE, threads=1)) is OpenVinoClassifier


def test_a_single_runtime_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = pretend_times(monkeypatch, 1.0, 0.5)
    monkeypatch.setattr(_fastest, "installed_version", lambda package: None)
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


def test_a_runtime_that_fails_to_compute_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_times(monkeypatch, 1.0, 0.1, 0.1)

    def failing(self: object, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        raise LogitsNotNumbers(FILE)

    monkeypatch.setattr(OpenVinoClassifier, "logits_from_pixels", failing)
    monkeypatch.setattr(LlvmClassifier, "logits_from_pixels", failing)
    assert type(open_fastest(FILE, threads=1)) is OnnxClassifier


def test_a_network_whose_logits_are_all_zero_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        _fastest, "_times", lambda classifiers, image: dict.fromkeys(classifiers, 1.0)
    )

    class Zero(Reddest):
        def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            return np.zeros((len(batch), 3), np.float32)

    assert _fastest._choose({"first": Zero(CARD), "second": Zero(CARD)}) == "first"
