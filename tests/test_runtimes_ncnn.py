"""ncnn's files opened: whole, damaged, and written by a stranger who sealed them."""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest

from conftest import card_for
from fuzz.mutate import damaged_lines
from random_graphs import Builder, quantized, random_model
from shufflenet.errors import CheckpointError, MissingDependency
from shufflenet.export import ExportOptions, Request, _ncnn
from shufflenet.files import SEAL_KEY, UNSEALED, seal, sidecar_content
from shufflenet.graph import read_program
from shufflenet.runtimes import open_by
from shufflenet.spec import CARD_KEY, RUNTIMES, Card
from shufflenet.zoo import NETWORKS

pytest.importorskip("ncnn")

RNG = np.random.default_rng
CARD = card_for(replace(NETWORKS["shufflenet_v2_x0_25"], classes=5))
IMAGES = RNG(0).standard_normal((2, 3, 24, 20), np.float32)
Files = dict[str, bytes]


def written(model: onnx.ModelProto, card: Card = CARD) -> Files:
    """The three files of a network, not sealed yet."""
    metadata = {CARD_KEY: card.to_json(), SEAL_KEY: UNSEALED}
    request = Request(
        card=card, metadata=metadata, stem="a", precision="float32", size=(24, 20),
        options=ExportOptions(), onnx=b"",
    )  # fmt: skip
    files = _ncnn.write(read_program(model, 1, request.size), request)
    return {**files, "a.param.json": sidecar_content(metadata)}


@cache
def whole() -> Files:
    """A network of most kinds of layers."""
    graph = Builder(1)
    x = graph.add("Relu", graph.conv("images", 8, 3, 3, 3, stride=2))
    x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    order = graph.constant(np.array([0, 1, 5, 6, 7, 2, 3, 4]))
    x = graph.add("Gather", x, order, axis=1)
    x = graph.add("Add", x, graph.conv(x, 8, 1, 3, 3, groups=8))
    x = graph.add("Mul", x, graph.add("Sigmoid", x))
    return written(graph.finish(graph.conv(x, 6, 8, 1, 1), 6))


def put(files: Files, folder: Path, *, sealed: bool = True) -> Path:
    for name, content in (seal(files) if sealed else files).items():
        (folder / name).write_bytes(content)
    return folder / "a.param"


def logits(path: Path) -> np.ndarray:
    return open_by(RUNTIMES["ncnn"], path, threads=1).logits(IMAGES)


def changed(files: Files, old: str, new: str) -> Files:
    text = files["a.param"].decode()
    assert old in text
    return {**files, "a.param": text.replace(old, new, 1).encode()}


def test_images_of_any_number_are_computed(tmp_path: Path) -> None:
    classifier = open_by(RUNTIMES["ncnn"], put(whole(), tmp_path), threads=1)
    both = classifier.logits(IMAGES)
    assert both.shape == (2, 5)
    assert np.array_equal(classifier.logits(IMAGES[1:]), both[1:])
    assert classifier.logits(IMAGES[:0]).shape == (0, 5)
    assert np.array_equal(classifier.logits(IMAGES[:, :, ::-1][:, :, ::-1]), both)


def test_a_file_that_takes_pixels_gets_them(tmp_path: Path) -> None:
    """Its first layer scales bytes, which the input of that name in the file says."""
    files = changed(whole(), "Input images 0 1 images", "Input images 0 1 pixels")
    files = changed(files, "1 1 images ", "1 1 pixels ")
    classifier = open_by(RUNTIMES["ncnn"], put(files, tmp_path), threads=1)
    pixels = RNG(0).integers(0, 256, (1, 24, 20, 3), np.uint8)
    floats = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), dtype=np.float32)
    (tmp_path / "other").mkdir()
    expected = open_by(RUNTIMES["ncnn"], put(whole(), tmp_path / "other"), threads=1).logits(floats)
    assert np.allclose(classifier.logits_from_pixels(pixels), expected, rtol=1e-5)


# --- damaged files ---


@pytest.mark.parametrize("name", ["a.param", "a.bin", "a.param.json"])
def test_any_changed_byte_is_noticed(name: str, tmp_path: Path) -> None:
    content = seal(whole())[name]
    for at in RNG(len(name)).integers(0, len(content), 12):
        path = put(whole(), tmp_path)
        flipped = bytearray(content)
        flipped[at] ^= 1 << int(at % 8)
        (tmp_path / name).write_bytes(flipped)
        with pytest.raises(CheckpointError):
            logits(path)


@pytest.mark.parametrize("name", ["a.param", "a.bin", "a.param.json"])
def test_a_part_that_is_missing_or_cut_short_is_told(name: str, tmp_path: Path) -> None:
    path = put(whole(), tmp_path)
    part = tmp_path / name
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match=r"changed after it was exported|cannot be read"):
        logits(path)
    part.unlink()
    with pytest.raises(CheckpointError, match=r"'a\.bin' beside it|no card beside it|not exist"):
        logits(path)


def test_weights_of_another_file_are_noticed(tmp_path: Path) -> None:
    path = put(whole(), tmp_path)
    (tmp_path / "a.bin").write_bytes(whole()["a.bin"][::-1])
    with pytest.raises(CheckpointError, match="changed after it was exported"):
        logits(path)


def test_a_runtime_that_is_not_installed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ncnn", None)
    with pytest.raises(MissingDependency, match=r"The ncnn runtime .* 'shufflenet\[ncnn\]'"):
        logits(put(whole(), tmp_path))


# --- files of strangers, sealed ---


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("7767517", "7767518", "is a text, not a file of weights"),
        ("2=3", "2=4", "which fits no other"),
        ("2=3", "2=-3", "which fits no other"),
        ("0=8", "0=9", "which fits no other"),
        ("0=8", "0=999999999", "which fits no other"),
        ("0=8", "0=8.0", "which fits no other"),
        ("1=3", "1=4", "which fits no other"),
        ("4=1", "4=2", "which fits no other"),
        (" 4=1", "", "which fits no other"),
        ("4=1", "4=1 19=1", "which fits no other"),
        ("4=1", "4=1 4=1", "with a parameter twice"),
        ("4=1", "4=12345678901", "where a number should be"),
        ("-23300=3,", "-23300=4,", "an array of another length"),
        ("-23300=3,", "-23300=-3,", "an array of another length"),
        ("-23300=3,2,3,3", "-23300=3,2,4,3", "which fits no other"),
        ("-23300=3,2,3,3", "-23300=3,2,-1,7", "which fits no other"),
        ("Swish", "MemoryData", "a layer of the kind 'MemoryData'"),
        ("Split", "Noop", "a layer of the kind 'Noop'"),
        ("7=8", "7=3", "which fits no other"),
        ("BinaryOp", "Concat", "which fits no other"),
        ("1 1 images ", "1 1 else ", "which reads what nothing writes for it"),
        (" logits 0=5", " other 0=5", "has no logits"),
        ("Pooling", "Pooling ", "which is no layer"),
    ],
)
def test_what_a_stranger_changed_and_sealed_is_refused(
    old: str, new: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=reason):
        logits(put(changed(whole(), old, new), tmp_path))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda numbers: numbers[:-4], "cut short or damaged"),
        (lambda numbers: numbers + bytes(4), "more numbers than its layers need"),
        (lambda numbers: b"8K\r\0" + numbers[4:], "cut short or damaged"),  # int8 in a float layer
        (lambda numbers: b"\1\0\0\0" + numbers[4:], "cut short or damaged"),  # of a table of 256
        (lambda numbers: numbers[:-4] + b"\0\0\xc0\x7f", "no scales"),  # a bias that is NaN
    ],
)
def test_numbers_that_fit_no_layer_are_refused(
    change: Callable[[bytes], bytes], reason: str, tmp_path: Path
) -> None:
    files = whole()
    with pytest.raises(CheckpointError, match=reason):
        logits(put({**files, "a.bin": change(files["a.bin"])}, tmp_path))


def test_a_card_of_other_classes_is_refused(tmp_path: Path) -> None:
    files = written(random_model(0), card_for(replace(CARD.network, classes=6)))
    with pytest.raises(CheckpointError, match="it has 5 classes, not 6"):
        logits(put(files, tmp_path))


@pytest.mark.parametrize("int8", [False, True])
def test_a_mutated_file_is_refused_or_computed(int8: bool, tmp_path: Path) -> None:
    """A crash would end this process."""
    files, refused = whole(), 0
    if int8:
        files = written(quantized(random_model(12), tmp_path / "int8.onnx"))
    for seed in range(150):
        text = damaged_lines(RNG(seed), files["a.param"])
        try:
            assert np.isfinite(logits(put({**files, "a.param": text}, tmp_path))).all()
        except CheckpointError:
            refused += 1
    assert 75 < refused < 150
