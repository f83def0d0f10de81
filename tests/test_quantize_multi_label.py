"""A multi-label network in int8: judged by mean average precision and by what it answers."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from colored_squares import write_squares
from quantizing import QUICK, write_float_file
from shufflenet import open_model
from shufflenet.cli import _quantize  # what it prints of a value, without a command
from shufflenet.data import ImageSet, open_images
from shufflenet.errors import LabelsChanged, PrecisionLost, SpecError
from shufflenet.files import read_onnx_card
from shufflenet.quantize import (
    QuantizeOptions,
    _search,  # whose logits are replaced
    quantize_onnx,
)
from shufflenet.quantize._hold_out import HoldOut
from shufflenet.quantize._judge import judge
from shufflenet.quantize._prepare import Prepared
from shufflenet.report.catalogue import describe_card
from shufflenet.spec import Accuracy, Card, MultiLabelAccuracy


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return open_images(write_squares(tmp_path_factory.mktemp("squares"), 80, px=32))


@pytest.fixture(scope="module")
def float_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_float_file(tmp_path_factory.mktemp("float"), task="multi-label")


def test_a_multi_label_network_is_quantized(
    squares: ImageSet, float_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = quantize_onnx(float_file, squares, tmp_path / "a.onnx", QUICK)
    before, after = done.facts.float_accuracy, done.facts.int8_accuracy
    assert isinstance(before, MultiLabelAccuracy)
    assert isinstance(after, MultiLabelAccuracy)
    assert done.facts.judged_by == "labels"
    assert before.images == 40
    assert abs(before.map - after.map) < 0.1
    card = read_onnx_card(done.path)
    assert (card.task, card.int8) == ("multi-label", done.facts)
    assert Card.from_json(card.to_json()) == card
    assert describe_card(card)["int8 accuracy"].startswith(f"mAP {100 * after.map:.2f} %")
    _quantize._print_result(done, Namespace(layers=False, max_drop=1.0))
    assert f"int8   mAP {100 * after.map:.2f} %" in capsys.readouterr().out
    of_float, of_int8 = (
        open_model(path, runtime="onnxruntime").classify(squares.samples[0].path, k=3)[0]
        for path in (float_file, done.path)
    )
    for one in of_float:
        other = next(each for each in of_int8 if each.index == one.index)
        assert abs(one.probability - other.probability) < 0.2
    with pytest.raises(SpecError, match="int8_accuracy is .* measured as float_accuracy is"):
        replace(done.facts, int8_accuracy=Accuracy(images=1, top1=1, top5=1))


def test_without_its_labels_floats_answers_are_right(
    squares: ImageSet, float_file: Path, tmp_path: Path
) -> None:
    others = replace(squares, classes=("cyan", "magenta", "yellow"))
    facts = quantize_onnx(float_file, others, tmp_path / "a.onnx", QUICK).facts
    assert isinstance(facts.float_accuracy, MultiLabelAccuracy)
    assert facts.judged_by == "float"
    assert facts.float_accuracy.map == 1
    assert facts.float_accuracy.exact == facts.float_accuracy.images


def test_a_network_that_is_ruined_is_refused(
    squares: ImageSet, float_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(network: Prepared, model: object, images: np.ndarray, *_: object) -> np.ndarray:
        return network.hold_out.reference[: len(images)] - 100  # ranked as by float

    monkeypatch.setattr(_search, "run_int8", run)
    options = QuantizeOptions(calibrators=("minmax",))
    others = replace(squares, classes=("cyan", "magenta", "yellow"))  # judged by float's answers
    with pytest.raises(LabelsChanged, match="10 % of these may change, so nothing was written"):
        quantize_onnx(float_file, others, tmp_path / "a.onnx", options)
    assert not (tmp_path / "a.onnx").exists()


def test_one_answer_may_change_by_chance_and_no_number_is_no_answer() -> None:
    rng = np.random.default_rng(0)
    reference = rng.normal(0, 3, (50, 4)).astype(np.float32)
    hold_out = HoldOut(np.zeros((50, 1, 1, 3), np.uint8), reference >= 0, reference)
    assert judge(hold_out, reference, 0) is None
    changed = reference.copy()
    changed[np.unravel_index(np.abs(reference).argmin(), reference.shape)] *= -1
    assert hold_out.changed_answers(changed) == 1
    assert hold_out.agreement(changed) == 49
    assert judge(hold_out, changed, 1) is None
    smallest = np.argsort(np.abs(reference), axis=None)[:30]
    changed.ravel()[smallest] = -reference.ravel()[smallest]
    assert isinstance(judge(hold_out, changed, 5), LabelsChanged | PrecisionLost)
    assert isinstance(judge(hold_out, reference - 100, 1), LabelsChanged)
    assert isinstance(judge(hold_out, -reference, 1), PrecisionLost)
    assert isinstance(judge(hold_out, np.full_like(reference, np.nan), 1), PrecisionLost)
