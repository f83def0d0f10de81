"""Detectors as ONNX files: what they compute, what they hold, and what is refused."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from conftest import Run
from detectors import detector_card, seeded_detector
from shufflenet.errors import (
    CardMismatch,
    ChangedExport,
    CheckpointMismatch,
    NotExportable,
    ParityError,
    SpecError,
)
from shufflenet.export import (
    Exported,
    ExportOptions,
    _detector_graph,  # private: to break what it writes
    export_file,
    export_onnx_file,
)
from shufflenet.export._trace import trace
from shufflenet.files import Checkpoint, read_onnx_card, write_checkpoint
from shufflenet.networks import Detector, state_arrays
from shufflenet.runtimes import verify_file
from shufflenet.spec import FORMATS, Label

Rows = npt.NDArray[np.float32]
SIZE = 64, 96


@pytest.fixture(scope="module")
def net() -> Detector:
    return seeded_detector()


@pytest.fixture(scope="module")
def whole(net: Detector, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    path = tmp_path_factory.mktemp("whole") / "a.onnx"
    return export_file(net, detector_card(net, SIZE), path)


@pytest.fixture(autouse=True, scope="module")
def traced_once() -> Iterator[None]:
    """Trace a network once, for torch takes seconds; what is added to the graph is not kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_detector_graph, "trace", retrace)
        yield


_traced: dict[object, onnx.ModelProto] = {}


def retrace(maps: nn.Module, net: Detector, **given: object) -> onnx_ir.Model:
    weights = b"".join(array.tobytes() for array in state_arrays(net).values())
    key = (hash(weights), str(given))
    if key not in _traced:
        model = trace(maps, net, **given)  # type: ignore[arg-type]  # as they came
        _traced[key] = onnx_ir.to_proto(model)
    return onnx_ir.from_proto(_traced[key])


def images_of(size: tuple[int, int], n: int = 3) -> Rows:
    return np.random.default_rng(1).standard_normal((n, 3, *size)).astype(np.float32)


def computed(path: str | Path, images: Rows) -> list[Rows]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    outputs: list[Rows] = session.run(None, {"images": images})
    return outputs


@torch.no_grad()
def assert_finds_the_same(net: Detector, path: str | Path, size: tuple[int, int] = SIZE) -> None:
    images = images_of(size)
    expected = net(torch.from_numpy(images)).numpy()
    (rows,) = computed(path, images)
    assert rows.shape == expected.shape == (3, expected.shape[1], 4 + net.spec.classes)
    assert expected[..., 4:].std() > 0.1  # scores of all sizes
    assert np.abs(rows - expected)[..., 4:].max() <= 1e-4
    assert np.abs(rows - expected)[..., :4].max() <= 1e-4 * max(size)


def operators(path: str | Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def test_a_file_finds_what_the_detector_does(net: Detector, whole: Exported) -> None:
    assert_finds_the_same(net, whole.path)
    assert whole.max_abs_difference <= whole.tolerance
    assert (whole.same_top1, whole.opset, whole.shuffle) == (whole.images, 18, "free")
    model = onnx.load(whole.path)
    onnx.checker.check_model(model, full_check=True)
    (images,), (boxes,) = model.graph.input, model.graph.output
    assert onnx.helper.printable_value_info(images) == "%images[FLOAT, batchx3x64x96]"
    assert onnx.helper.printable_value_info(boxes) == "%boxes[FLOAT, batchx126x6]"
    assert read_onnx_card(whole.path) == detector_card(net, SIZE)


def test_decoding_takes_few_operators_and_no_shuffle_is_left(whole: Exported) -> None:
    counts = operators(whole.path)
    assert counts["Transpose"] == 1  # of the rows
    assert counts["Reshape"] == 4  # three maps, and the bins
    assert not counts.keys() & {"Exp", "Gather", "Slice", "Shape", "Softmax"}


def test_the_shuffle_can_be_kept(net: Detector, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    export_file(net, detector_card(net, SIZE), path, ExportOptions(shuffle="keep"))
    assert_finds_the_same(net, path)
    assert operators(path)["Transpose"] == 1 + 6  # one of each unit


def test_a_detector_is_exported_for_another_size(net: Detector, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    export_file(net, detector_card(net, 64), path, ExportOptions(image_px=(32, 128)))
    assert_finds_the_same(net, path, (32, 128))
    assert read_onnx_card(path).preprocess.size_px == (32, 128)
    with pytest.raises(SpecError, match=r"images is \(48, 64\), but must be .* multiples of 32"):
        export_file(net, detector_card(net), path, ExportOptions(image_px=(48, 64)))


@settings(max_examples=50, deadline=None)
@given(logits=arrays(np.float32, (2, 4, 5, 3), elements=st.floats(-1e4, 1e4, width=32)))
def test_any_logits_are_decoded(logits: Rows) -> None:
    """Also those that a power of e overflows for, and bins that are far below the largest."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=2, keepdims=True))
    expected = (powers * np.arange(5)[:, None]).sum(axis=2) / powers.sum(axis=2)
    (bins,) = expectation().run(None, {"logits": logits})
    assert np.abs(bins - expected).max() <= 1e-5


@cache
def expectation() -> onnxruntime.InferenceSession:
    """Return the part of a graph that decodes the logits of 5 bins."""
    kind = onnx_ir.TensorType(onnx_ir.DataType.FLOAT)
    logits = onnx_ir.Value(name="logits", type=kind, shape=onnx_ir.Shape([2, 4, 5, 3]))
    graph = onnx_ir.Graph([logits], [], nodes=[], opset_imports={"": 18})
    bins = _detector_graph._expected_bin(_detector_graph._Nodes(graph), logits, 5)
    bins.type, bins.shape = kind, onnx_ir.Shape([2, 4, 3])
    graph.outputs.append(bins)
    content = onnx_ir.to_proto(onnx_ir.Model(graph, ir_version=10)).SerializeToString()
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def test_a_file_may_choose_among_its_boxes(net: Detector, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    export_file(net, detector_card(net, SIZE), path, ExportOptions(nms=True))
    rows, found = computed(path, images_of(SIZE))
    assert found.ndim == 2
    assert found.shape[1] == 7
    assert {*found[:, 0]} == {0, 1, 2}
    expected = [
        (image, label, *row)
        for image, each in enumerate(rows)
        for label in range(2)
        for row in chosen(np.concatenate([each[:, [4 + label]], each[:, :4]], axis=1))
    ]
    assert len(found) == len(expected) > 20
    assert np.abs(np.array(sorted(expected)) - np.array(sorted(map(tuple, found)))).max() <= 1e-4


def chosen(rows: Rows) -> Rows:
    """Return the rows of score, left, top, right and bottom that remain of one class."""
    rows = rows[rows[:, 0] > 0.3]
    kept: list[Rows] = []
    for row in rows[np.argsort(-rows[:, 0], kind="stable")]:
        if all(overlap(row[1:], each[1:]) <= 0.6 for each in kept):
            kept.append(row)
    return np.array(kept[:100]).reshape(-1, 5)


def overlap(a: Rows, b: Rows) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    return common / float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common)


def test_a_file_is_verified_and_a_changed_one_is_not(whole: Exported, tmp_path: Path) -> None:
    assert verify_file(whole.path).agrees
    model = onnx.load(whole.path)
    weights = next(each for each in model.graph.initializer if each.name.endswith("0.weight"))
    weights.raw_data = weights.raw_data[:-4] + b"\0\0\x80?"
    changed = tmp_path / "a.onnx"
    onnx.save(model, changed)
    with pytest.raises(ChangedExport):
        verify_file(changed)


def test_a_card_of_another_size_or_task_is_refused(whole: Exported, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    card = read_onnx_card(whole.path)
    smaller = replace(card, preprocess=card.preprocess.cropped_to(64))
    plain = replace(card, task="classification", detector=None)
    fewer = replace(card, network=replace(card.network, classes=1), labels=(Label("cat", "cat"),))
    for wrong in (smaller, plain, fewer):
        model = onnx.load(whole.path)
        for entry in model.metadata_props:
            if entry.key == "shufflenet":
                entry.value = wrong.to_json()
        onnx.save(model, path)
        with pytest.raises(CardMismatch, match="has shape"):
            read_onnx_card(path)


def test_a_graph_that_decodes_otherwise_is_not_written(
    net: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = _detector_graph._AWAY.copy()
    away[2] = 1.001
    monkeypatch.setattr(_detector_graph, "_AWAY", away)
    with pytest.raises(ParityError):
        export_file(net, detector_card(net, SIZE), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", [form for form in FORMATS.values() if form.name != "onnx"])
def test_other_formats_are_refused(form: object, net: Detector, tmp_path: Path) -> None:
    suffix = getattr(form, "suffix", "")
    with pytest.raises(NotExportable, match="is a detector, which is written as ONNX alone"):
        export_file(net, detector_card(net), tmp_path / f"a{suffix}")


def test_options_that_are_not_for_detectors_are_refused(
    net: Detector, whole: Exported, tmp_path: Path
) -> None:
    path, card = tmp_path / "a.onnx", detector_card(net)
    for options, problem in (
        (ExportOptions(opset=17), "opset is 17, but must be 18 or left out for a detector"),
        (ExportOptions(precision="float16"), "must be 'float32' or left out for a detector"),
        (ExportOptions(precision="int8"), "must be 'float32' or left out for a detector"),
        (ExportOptions(batch=2), "batch is 2, but must be left out for a detector"),
    ):
        with pytest.raises(SpecError, match=problem):
            export_file(net, card, path, options)
    for options in (ExportOptions(image_px=(32, 32)), ExportOptions(nms=True)):
        with pytest.raises(SpecError, match="left out for a detector's file"):
            export_onnx_file(whole.path, path, options)
    export_onnx_file(whole.path, path)
    assert path.read_bytes() == Path(whole.path).read_bytes()


def test_a_card_of_another_detector_is_refused(net: Detector, tmp_path: Path) -> None:
    card = detector_card(net)
    other = replace(card, detector=replace(net.detector, bins=8))
    plain = replace(card, task="classification", detector=None)
    for wrong in (other, plain):
        with pytest.raises(CheckpointMismatch, match="the network has DetectorSpec"):
            export_file(net, wrong, tmp_path / "a.onnx")


def test_the_command_writes_what_verify_reads(net: Detector, run: Run, tmp_path: Path) -> None:
    checkpoint, path = tmp_path / "cats.safetensors", tmp_path / "cats.onnx"
    write_checkpoint(checkpoint, Checkpoint(detector_card(net), state_arrays(net)))
    code, out, _ = run("export", checkpoint, "--to", path, "--nms")
    assert code == 0
    assert "differ from the network's by at most" in out
    assert len(computed(path, images_of((64, 64)))) == 2
    code, out, _ = run("verify", path)
    assert (code, "agrees" in out) == (0, True)
    code, _, err = run("export", checkpoint, "--to", tmp_path / "cats.tflite")
    assert code == 1
    assert "is a detector, which is written as ONNX alone" in err
