"""LiteRT files opened: damaged, changed, of one size, by several threads, in silence."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from conftest import Run, take_away
from quantizing import pictures, written
from random_graphs import random_model
from shufflenet.errors import (
    ChangedExport,
    CheckpointError,
    DamagedLiteRt,
    FileMissing,
    MissingDependency,
    NoCard,
)
from shufflenet.export import export_onnx_file
from shufflenet.files import SEAL_KEY
from shufflenet.hub import resolve
from shufflenet.runtimes import OnnxClassifier, open_by, verify_file
from shufflenet.runtimes._litert import read_metadata  # what verify reads files of this kind by
from shufflenet.spec import CARD_KEY, RUNTIMES, Card
from tolerance import FLOAT32_RELATIVE

pytest.importorskip("ai_edge_litert")
from litert_files import CARD, sealed_again, write_litert
from shufflenet.runtimes import LiteRtClassifier


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = random_model(3)
    model.metadata_props.add(key=CARD_KEY, value=CARD.to_json())
    path = tmp_path_factory.mktemp("litert") / "a.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def lite(source: Path) -> Path:
    return write_litert(onnx.load(source), source.with_suffix(".tflite"))


def test_images_of_any_number_and_size_get_the_logits_of_onnx_runtime(
    source: Path, lite: Path
) -> None:
    by_litert, by_onnx = LiteRtClassifier(lite, threads=1), OnnxClassifier(source)
    assert by_litert.card == by_onnx.card
    rng = np.random.default_rng(0)
    for shape in ((3, 32, 32, 3), (0, 32, 32, 3), (1, 40, 71, 3), (2, 32, 32, 3)):
        pixels = rng.integers(0, 256, shape, np.uint8)
        expected = by_onnx.logits_from_pixels(pixels)
        computed = by_litert.logits_from_pixels(pixels)
        assert computed.shape == expected.shape
        largest = np.abs(expected).max(initial=1)
        assert np.abs(computed - expected).max(initial=0) <= FLOAT32_RELATIVE * largest
    batch = rng.standard_normal((3, 3, 32, 48), np.float32)
    assert np.allclose(by_litert.logits(batch), by_onnx.logits(batch), rtol=1e-4, atol=1e-4)


def test_threads_that_compute_at_the_same_time_get_their_own_logits(lite: Path) -> None:
    classifier = LiteRtClassifier(lite, threads=1)
    inputs = [pictures(n + 1, side=32 + 8 * (n % 3)) for n in range(12)]
    expected = [classifier.logits_from_pixels(each) for each in inputs]
    with ThreadPoolExecutor(6) as threads:
        computed = list(threads.map(classifier.logits_from_pixels, inputs))
    for one, other in zip(computed, expected, strict=True):
        assert np.array_equal(one, other)


def test_a_file_is_verified_by_the_logits_that_it_holds(tmp_path: Path) -> None:
    export_onnx_file(resolve("default", (".onnx",)), tmp_path / "a.tflite")
    verified = verify_file(tmp_path / "a.tflite")
    assert (verified.runtime, verified.agrees) == ("litert", True)
    assert verified.tolerance < 1e-3


def test_a_file_is_evaluated_as_its_source_is(
    source: Path, lite: Path, tmp_path: Path, run: Run
) -> None:
    written(tmp_path, pictures(6), ("id0", "id1", "id2"))
    counted = [run("evaluate", "--data", tmp_path, "--model", x, "--json") for x in (source, lite)]
    assert counted[0][0] == 0
    assert counted[0][:2] == counted[1][:2]


def test_what_is_no_file_of_export_is_refused_before_it_is_run(lite: Path, tmp_path: Path) -> None:
    content, path = lite.read_bytes(), tmp_path / "a.tflite"
    with pytest.raises(FileMissing):
        LiteRtClassifier(path)
    path.write_bytes(b"\x1c\0\0\0TFL2" + bytes(100))
    with pytest.raises(DamagedLiteRt):
        LiteRtClassifier(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError):
        LiteRtClassifier(path)
    # An entry by another name, as a file of another program has.
    path.write_bytes(content.replace(CARD_KEY.encode() + b"\0", b"Shufflenet\0"))
    with pytest.raises(NoCard):
        LiteRtClassifier(path)


def test_every_changed_byte_is_noticed(lite: Path, tmp_path: Path) -> None:
    content, path, rng = lite.read_bytes(), tmp_path / "a.tflite", np.random.default_rng(0)
    label = content.rindex(b"name 4")
    for at in (label, *rng.integers(0, len(content), 40)):
        changed = bytearray(content)
        changed[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with pytest.raises(CheckpointError):
            LiteRtClassifier(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(ChangedExport):
        LiteRtClassifier(path)


def test_damaged_bytes_are_read_to_an_end_or_refused(lite: Path, tmp_path: Path) -> None:
    """Whatever offsets and lengths a file states, only errors of this package come out."""
    content, path, rng = lite.read_bytes(), tmp_path / "a.tflite", np.random.default_rng(1)
    for _ in range(300):
        changed = bytearray(content)
        for at in (*rng.integers(0, 400, 2), *rng.integers(0, len(content), 4)):
            changed[at] = rng.integers(256)
        path.write_bytes(changed[: rng.integers(len(content))] if rng.random() < 0.2 else changed)
        try:
            texts = read_metadata(path)
        except CheckpointError:
            continue
        assert all(isinstance(text, str) for text in texts.values())


def test_what_would_take_all_memory_is_refused_before_it_is_run(lite: Path, tmp_path: Path) -> None:
    """By a file of a stranger, who sealed what he changed."""
    content, digest = lite.read_bytes(), read_metadata(lite)[SEAL_KEY]
    sides = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
    shape = np.array([1, 32, 32, 3], np.int32)
    for part, factor in ((sides, 20_000), (shape, 2_000)):
        assert part.tobytes() in content
        changed = content.replace(part.tobytes(), (part * factor).tobytes())
        (tmp_path / "a.tflite").write_bytes(sealed_again(changed, digest))
        with pytest.raises(DamagedLiteRt, match="pads images by 20000|a tensor of the shape"):
            LiteRtClassifier(tmp_path / "a.tflite")


def test_the_card_can_be_read_without_running_the_file(lite: Path) -> None:
    assert Card.from_json(read_metadata(lite)[CARD_KEY]).name == "test"


def test_it_says_what_to_install(lite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_away("ai_edge_litert", monkeypatch)
    with pytest.raises(MissingDependency, match=r"shufflenet\[litert\]"):
        open_by(RUNTIMES["litert"], lite)


def test_nothing_is_written_to_the_terminal(lite: Path) -> None:
    """LiteRT itself tells, once in a process, that it made its delegate."""
    code = (
        "import sys, numpy; from shufflenet.runtimes import LiteRtClassifier\n"
        "for _ in range(2): LiteRtClassifier(sys.argv[1], threads=1)\n"
        "print('seen', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, lite], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "seen\n")
