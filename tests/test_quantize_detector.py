"""Detectors in int8: judged by what they find, with what makes boxes of outputs in float."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

pytest.importorskip("faster_coco_eval")

from detectors import detector_card, seeded_detector
from made_once import made_once
from quantizing import QUICK, pictures, write_float_file
from shufflenet.benchmark import Contender, compare
from shufflenet.boxes import Placement
from shufflenet.cli import _quantize  # what it prints of a value, without a command
from shufflenet.data import ImageSet, Sample
from shufflenet.data.boxes import BoxSet
from shufflenet.errors import DamagedCheck, PrecisionLost, SpecError
from shufflenet.export import export_file
from shufflenet.files import read_onnx_card
from shufflenet.quantize import (
    Quantized,
    QuantizeOptions,
    _prepare,  # whose first layers stay as they are
    _search,  # whose rows are replaced
    quantize_onnx,
)
from shufflenet.quantize._box_hold_out import BoxHoldOut
from shufflenet.quantize._fold_stem import folded_kernels
from shufflenet.quantize._judge import judge
from shufflenet.quantize._prepare import Prepared
from shufflenet.runtimes import CHECK_KEY, OnnxClassifier, verify_file
from shufflenet.spec import Card, DetectionAccuracy, Precision

SIZE = 64, 96
NAMES = ("cat", "dog")


@pytest.fixture(scope="module")
def float_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make() -> bytes:
        net, path = seeded_detector(), tmp_path_factory.mktemp("made") / "float.onnx"
        export_file(net, detector_card(net, SIZE), path)
        return path.read_bytes()

    path = tmp_path_factory.mktemp("float") / "float.onnx"
    path.write_bytes(made_once(("float detector", SIZE), make))
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> BoxSet:
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    samples, boxes = [], []
    for number, pixels in enumerate(pictures(24, 96)):
        path = folder / f"{number}.png"
        Image.fromarray(pixels[:64]).save(path)
        samples.append(Sample(path=str(path), name=str(path), label=-1))
        corners = rng.integers(0, 30, (number % 3, 2))
        boxes.append(np.concatenate((corners, corners + 8), axis=1).astype(np.float32))
    return BoxSet(
        samples=tuple(samples),
        classes=NAMES,
        boxes=boxes,
        labels=[np.arange(len(each)) % 2 for each in boxes],
        ignored=[np.zeros(len(each), bool) for each in boxes],
        source=str(folder),
    )


@pytest.fixture(scope="module")
def quantized(float_file: Path, photos: BoxSet) -> Quantized:
    others = replace(photos, classes=("bicycle", "boat"))
    return quantize_onnx(float_file, others, float_file.parent / "int8.onnx", QUICK)


def test_a_detector_is_quantized_and_finds_what_float_finds(
    quantized: Quantized, float_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = quantized.facts.float_accuracy, quantized.facts.int8_accuracy
    assert isinstance(before, DetectionAccuracy)
    assert isinstance(after, DetectionAccuracy)
    assert quantized.facts.judged_by == "float"  # their boxes are of other classes
    assert (before.images, before.map) == (12, 1.0)
    assert after.map > 0.5
    assert quantized.signal_to_noise_db > 15
    card = read_onnx_card(quantized.path)
    assert (card.task, card.int8) == ("detection", quantized.facts)
    assert Card.from_json(card.to_json()) == card
    _quantize._print_result(quantized, Namespace(layers=False, max_drop=1.0))
    assert f"int8   mAP {after.map:.4f}  mAP50 {after.map50:.4f}  " in capsys.readouterr().out
    fields = _quantize._fields(quantized)
    assert fields["agree"] == {"images": 12, "same_boxes": quantized.agreement}
    assert fields["int8"] == {name: getattr(after, name) for name in after.__slots__}


def test_the_stem_has_a_multiple_of_16_channels(float_file: Path) -> None:
    model = onnx.load(float_file)  # of a detector whose stem has 8, with which it was compared
    sizes = {each.name: tuple(each.dims) for each in model.graph.initializer}
    names = ("conv1.0", "stage2.0.branch1.0", "stage2.0.branch1.1", "stage2.0.branch2.0")
    shapes = [next(v for k, v in sizes.items() if f"{name}.weight" in k) for name in names]
    assert shapes == [
        (16, 3, 3, 3),
        (16, 1, 3, 3),
        (shapes[2][0], 16, 1, 1),
        (shapes[3][0], 16, 1, 1),
    ]


def test_it_is_checked_where_it_is_opened(quantized: Quantized, tmp_path: Path) -> None:
    assert OnnxClassifier(quantized.path).card.int8 == quantized.facts
    assert verify_file(quantized.path).agrees
    model = onnx.load(quantized.path)
    (proof,) = (entry for entry in model.metadata_props if entry.key == CHECK_KEY)
    proof.value = "[1.0, 2.0]"  # of a classifier of two classes
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(DamagedCheck):
        OnnxClassifier(tmp_path / "a.onnx")


def test_what_has_weights_is_int8_and_what_makes_boxes_is_float(quantized: Quantized) -> None:
    model = onnx.load(quantized.path)
    onnx.checker.check_model(model, full_check=True)
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    layers = [node for node in model.graph.node if node.op_type == "Conv"]
    assert {makers[name] for node in layers for name in node.input} == {"DequantizeLinear"}
    outputs = {name for node in layers for name in node.output}
    assert all(
        makers.get(name) not in ("QuantizeLinear", "DequantizeLinear")
        for node in model.graph.node
        if node.op_type in ("Sigmoid", "ReduceMax", "ReduceSum", "Div", "Sub", "Mul")
        for name in node.input
    )
    assert len(outputs) == len(layers)


def test_fields_of_pixels_compute_the_same_to_the_bit(
    float_file: Path, photos: BoxSet, quantized: Quantized, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_prepare, "fold_stem", lambda model, graph: None)
    others = replace(photos, classes=("bicycle", "boat"))
    plain = quantize_onnx(float_file, others, float_file.parent / "plain.onnx", QUICK)
    operators = [
        {node.op_type for node in onnx.load(x.path).graph.node} for x in (quantized, plain)
    ]
    assert ["SpaceToDepth" in each for each in operators] == [True, False]
    how, images = read_onnx_card(quantized.path).preprocess, pictures(4, 96)[:, :64]
    assert how.size_px == SIZE
    folded, whole = (
        OnnxClassifier(each.path).logits_from_pixels(images) for each in (quantized, plain)
    )
    assert np.array_equal(folded, whole)
    assert whole[0].std() > 1


def test_float_and_int8_detectors_are_timed_and_compared(
    quantized: Quantized, float_file: Path
) -> None:
    files: list[tuple[Path | str, Precision]] = [(float_file, "float32"), (quantized.path, "int8")]
    contenders = [
        Contender("a", "onnxruntime", precision, 1, OnnxClassifier(path))
        for path, precision in files
    ]
    exact, coarse = compare(contenders, batch=2, seconds=0.01)
    assert exact.is_reference
    assert not coarse.is_reference
    assert exact.network == coarse.network == "detector 12x4x1 on shallow"
    assert exact.max_abs_difference == 0
    assert 0 < coarse.max_abs_difference < 1  # of shares of the input and scores, not of pixels
    assert exact.image_px == SIZE


@settings(max_examples=20, deadline=None)
@given(arrays(np.int8, st.tuples(st.integers(1, 3), st.integers(1, 3), st.just(3), st.just(3))))
def test_folded_kernels_read_the_pixels_that_the_kernels_read(weight: np.ndarray) -> None:
    image = np.arange(weight.shape[1] * 36).reshape(-1, 6, 6) % 11
    rows = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    fields = image.reshape(-1, 3, 2, 3, 2).transpose(2, 4, 0, 1, 3).reshape(-1, 3, 3)
    columns = np.pad(fields, ((0, 0), (1, 0), (1, 0)))
    folded = folded_kernels(weight).astype(int)
    for y in range(3):
        for x in range(3):
            window = rows[:, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
            expected = (weight.astype(int) * window).sum((1, 2, 3))
            result = (folded * columns[:, y : y + 2, x : x + 2]).sum((1, 2, 3))
            assert np.array_equal(result, expected)


def test_a_file_of_bytes_finds_the_same(float_file: Path, photos: BoxSet, tmp_path: Path) -> None:
    options = replace(QUICK, pixels=True)
    done = quantize_onnx(float_file, photos, tmp_path / "bytes.onnx", options)
    assert done.facts.judged_by == "labels"
    model = onnx.load(done.path)
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert verify_file(done.path).agrees


def test_a_detector_that_is_ruined_is_refused(
    float_file: Path, photos: BoxSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(network: Prepared, model: object, images: np.ndarray, *_: object) -> np.ndarray:
        moved = network.hold_out.reference[: len(images)].copy()
        moved[..., :4] += 40  # the right scores at the wrong place
        return moved

    monkeypatch.setattr(_search, "run_int8", run)
    monkeypatch.setattr(_search, "measure_layer_noise", lambda *given: [])
    monkeypatch.setattr(_search, "build_int8", lambda *given: None)
    others = replace(photos, classes=("bicycle", "boat"))
    options = QuantizeOptions(calibrators=("minmax",))
    with pytest.raises(PrecisionLost, match="nothing was written"):
        quantize_onnx(float_file, others, tmp_path / "a.onnx", options)
    assert not (tmp_path / "a.onnx").exists()


def hold_out(rows: np.ndarray) -> BoxHoldOut:
    """Return images of 100 px, of which each first cell is the box to find."""
    boxes = [np.concatenate((r[:1, :2], r[:1, 2:4] - r[:1, :2]), axis=1) for r in rows]
    images = BoxSet(
        samples=(),
        classes=NAMES,
        boxes=boxes,
        labels=[np.zeros(1, np.intp)] * len(rows),
        ignored=[np.zeros(1, bool)] * len(rows),
        source="",
        sizes=[(100, 100)] * len(rows),
    )
    images = replace(
        images, samples=tuple(Sample(path=str(n), name=str(n), label=-1) for n in range(len(rows)))
    )
    place = Placement(100, 100, scale=(1, 1), offset=(0, 0))
    pixels = np.zeros((len(rows), 1, 1, 3), np.uint8)
    return BoxHoldOut(pixels, images, [place] * len(rows), rows)


def test_rows_are_compared_by_what_they_find() -> None:
    row = np.array([[10, 10, 50, 50, 0.9, 0.1], [60, 60, 90, 90, 0.05, 0.0]], np.float32)
    rows = np.repeat(row[None], 4, axis=0)
    held = hold_out(rows)
    assert held.accuracy(rows).map == 1
    assert held.agreement(rows) == 4
    assert judge(held, rows, 0) is None
    other = rows.copy()
    other[0, 0, :4] += 30  # one of four is found elsewhere
    assert held.agreement(other) == 3
    assert isinstance(judge(held, other, 1), PrecisionLost)
    assert judge(held, other, 80) is None
    assert held.agreement(np.zeros_like(rows)) == 0
    assert held.accuracy(np.full_like(rows, np.nan)).map == 0
    near, far = rows + np.float32(0.01), rows + np.float32(0.1)
    assert held.signal_to_noise_db(near) == pytest.approx(
        20 + held.signal_to_noise_db(far), abs=0.1
    )
    unseen = rows.copy()
    unseen[:, 1, :4] += 5  # the box of an empty cell
    seen = rows.copy()
    seen[:, 0, :4] += 5
    assert held.signal_to_noise_db(unseen[:2]) > held.signal_to_noise_db(seen[:2]) + 10


def test_images_must_be_of_the_kind_that_the_network_answers(
    float_file: Path, photos: BoxSet, tmp_path: Path
) -> None:
    plain = ImageSet(samples=tuple(photos.samples), classes=NAMES, source="a")
    with pytest.raises(SpecError, match="without boxes"):
        quantize_onnx(float_file, plain, tmp_path / "a.onnx", QUICK)
    with pytest.raises(SpecError, match="with boxes"):
        quantize_onnx(write_float_file(tmp_path), photos, tmp_path / "a.onnx", QUICK)
