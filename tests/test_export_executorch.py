"""ExecuTorch programs: written without ExecuTorch, computed by it where it is installed."""

import json
import threading
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from random_graphs import gated, quantized, random_model
from shufflenet.errors import (
    ChangedExport,
    CheckpointError,
    DamagedProgram,
    MissingDependency,
    ParityError,
    SpecError,
)
from shufflenet.export import ExportOptions, export_onnx_file
from shufflenet.export import _gate as gate
from shufflenet.export._executorch import write
from shufflenet.export._options import Request
from shufflenet.graph import read_program
from shufflenet.runtimes import OnnxClassifier, open_by, verify_file
from shufflenet.runtimes._executorch import load_program, read_metadata
from shufflenet.runtimes._pte_texts import read_pte_texts
from shufflenet.spec import CARD_KEY, RUNTIMES
from shufflenet.zoo import SHIPPED

RNG = np.random.default_rng
HAS = find_spec("executorch") is not None
computes = pytest.mark.skipif(not HAS, reason="ExecuTorch is not installed")
ROW = RUNTIMES["executorch"]
assert SHIPPED.onnx
DEFAULT: Path = SHIPPED.onnx


def request_for(metadata: dict[str, str]) -> Request:
    card = OnnxClassifier(DEFAULT).card
    return Request(
        card=card, metadata=metadata, stem="m", precision="float32", size=(80, 80),
        options=ExportOptions(), onnx=b"",
    )  # fmt: skip


def content_of(model: onnx.ModelProto, batch: int = 1, size: tuple[int, int] = (21, 18)) -> bytes:
    """Return a model as a program, without a card."""
    return write(read_program(model, batch, size), request_for({"key": "text"}))["m.pte"]


class Owner:
    """What uses a program."""


def compute(content: bytes, images: np.ndarray) -> np.ndarray:
    """Compute a program by ExecuTorch, without a classifier around it."""
    import torch  # noqa: PLC0415  # only where it is computed

    _, method = load_program(content, 1, Owner())
    return np.array(method.call((torch.from_numpy(images),))[0].numpy())


def expected_of(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return np.asarray(session.run(None, {"images": images})[0])


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped network, written for two images at a time."""
    path = tmp_path_factory.mktemp("executorch") / "default.pte"
    export_onnx_file(DEFAULT, path, ExportOptions(batch=2))
    return path


# --- what is written ---


def test_a_program_holds_its_texts_as_methods() -> None:
    texts = {"shufflenet.card": '{"a": "ä"}', "key": ""}
    content = write(read_program(random_model(0), 1, (32, 32)), request_for(texts))["m.pte"]
    assert read_pte_texts(content) == {"shufflenet.input": "normalized", **texts}
    assert content[4:8] == b"ET12"
    assert content[8:12] == b"eh00"


def test_damage_to_a_program_is_an_error_or_other_texts() -> None:
    content = content_of(random_model(1))
    limit = len(content) - len(content.partition(b"XH00")[2])
    rng = RNG(0)
    for number in range(300):
        if number % 3 == 0:
            damaged = bytearray(content[: rng.integers(0, limit)])
        else:
            damaged = bytearray(content)
            for place in rng.integers(4, limit, 3):
                damaged[place] ^= int(rng.integers(1, 256))
        try:
            texts = read_pte_texts(bytes(damaged))
        except ValueError:
            continue
        assert all(isinstance(each, str) for each in texts.values())


def test_a_text_is_named_where_it_is_no_program(tmp_path: Path) -> None:
    path = tmp_path / "a.pte"
    path.write_bytes(b"\0\0\0\0ET00" + bytes(100))
    with pytest.raises(DamagedProgram, match="it does not begin as a program of ExecuTorch's"):
        read_metadata(path)


@pytest.mark.skipif(HAS, reason="ExecuTorch is installed")
def test_export_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match=r"ExecuTorch .*'shufflenet\[executorch\]'"):
        export_onnx_file(DEFAULT, tmp_path / "a.pte")
    assert not list(tmp_path.iterdir())


# --- what is computed ---


@computes
@pytest.mark.parametrize("seed", range(12))
def test_random_graphs_are_computed_as_by_onnxruntime(seed: int) -> None:
    model = random_model(seed)
    images = RNG(seed).standard_normal((2, 3, 21, 18), np.float32)
    expected = expected_of(model, images)
    computed = compute(content_of(model, batch=2), images)
    assert np.abs(computed - expected).max() <= 2e-6 * np.abs(expected).max()


@computes
@pytest.mark.parametrize("seed", range(12))
def test_random_int8_graphs_are_computed_to_their_rounding(seed: int, tmp_path: Path) -> None:
    whole = random_model(seed)
    in_float = [whole.graph.node[seed % len(whole.graph.node)].output[0]] if seed % 2 else []
    model = quantized(whole, tmp_path / "int8.onnx", in_float)
    images = RNG(seed).standard_normal((1, 3, 21, 18), np.float32)
    expected = expected_of(model, images)
    computed = compute(content_of(model), images)
    # 0.8 % was seen: bytes that lie halfway, and the classifier's own range for its input.
    assert np.abs(computed - expected).max() <= 0.02 * np.abs(expected).max()


@computes
@pytest.mark.parametrize("seed", range(3))
def test_gates_and_shuffles_are_computed_as_by_onnxruntime(seed: int) -> None:
    model = gated(seed)
    images = RNG(seed).standard_normal((2, 3, 21, 18), np.float32)
    expected = expected_of(model, images)
    computed = compute(content_of(model, batch=2), images)
    assert np.abs(computed - expected).max() <= 2e-6 * np.abs(expected).max()


@computes
def test_the_shipped_network_is_the_same(exported: Path) -> None:
    classifier = open_by(ROW, exported, threads=1)
    pixels = RNG(0).integers(0, 256, (3, 80, 80, 3), np.uint8)
    expected = OnnxClassifier(DEFAULT).logits_from_pixels(pixels)
    computed = classifier.logits_from_pixels(pixels)  # a batch and a half
    assert computed.shape == (3, 200)
    assert np.abs(computed - expected).max() < 1e-4
    assert classifier.logits_from_pixels(pixels[:0]).shape == (0, 200)
    assert verify_file(exported).agrees
    assert json.loads(read_metadata(exported)[CARD_KEY])["name"] == classifier.card.name


@computes
def test_several_threads_get_the_same(exported: Path) -> None:
    classifier = open_by(ROW, exported)
    images = RNG(1).standard_normal((4, 3, 80, 80), np.float32)
    expected = [classifier.logits(each[None]) for each in images]
    results: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        for _ in range(3):
            results[number] = classifier.logits(images[number][None])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        np.testing.assert_array_equal(results[number], expected[number])


@computes
def test_images_of_another_size_are_refused(exported: Path) -> None:
    classifier = open_by(ROW, exported, threads=1)
    with pytest.raises(SpecError, match="is '64x80 px', but must be 80x80 px"):
        classifier.logits_from_pixels(np.zeros((1, 80, 64, 3), np.uint8))


@computes
def test_a_changed_byte_is_found(exported: Path, tmp_path: Path) -> None:
    content = bytearray(exported.read_bytes())
    content[-1000] ^= 1
    path = tmp_path / "changed.pte"
    path.write_bytes(content)
    with pytest.raises(ChangedExport, match="was damaged or changed"):
        open_by(ROW, path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError):
        open_by(ROW, path)


@computes
def test_a_file_that_computes_otherwise_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.pte"
    path.write_bytes(b"before")
    compare = gate.compare

    def other(*given: Any) -> Any:  # noqa: ANN401
        return compare(given[0], given[1], given[2], given[3], given[4] + 1)

    monkeypatch.setattr("shufflenet.export._file.compare", other)
    with pytest.raises(ParityError, match="differs"):
        export_onnx_file(DEFAULT, path)
    assert path.read_bytes() == b"before"


@computes
def test_a_network_that_takes_bytes_gets_pixels_as_floats(tmp_path: Path) -> None:
    program = read_program(quantized(random_model(3), tmp_path / "q.onnx"), 1, (21, 18))
    program = replace(program, takes_bytes=True)
    content = write(program, request_for({}))["m.pte"]
    assert read_pte_texts(content)["shufflenet.input"] == "pixels"
    pixels = RNG(0).integers(0, 256, (1, 3, 21, 18)).astype(np.float32)
    params = program.params[program.images]
    meant = ((pixels - params.zero_point) * params.scale).astype(np.float32)
    usual = write(replace(program, takes_bytes=False), request_for({}))["m.pte"]
    np.testing.assert_allclose(compute(content, pixels), compute(usual, meant), atol=1e-6)
