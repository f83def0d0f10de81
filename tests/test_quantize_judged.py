"""What an int8 network may lose or change, and the sentences about it."""

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import card_for
from quantizing import CLASSES, pictures, write_float_file, written
from shufflenet.cli import _quantize, main
from shufflenet.errors import AnswersChanged
from shufflenet.quantize import Quantized, QuantizeOptions, _search, quantize_onnx
from shufflenet.quantize._allowance import allow
from shufflenet.quantize._hold_out import HoldOut
from shufflenet.quantize._prepare import Prepared
from shufflenet.report import describe_card
from shufflenet.spec import Accuracy, Int8
from shufflenet.zoo import NETWORKS


@pytest.mark.parametrize(
    ("images", "top1", "max_drop", "lost", "changed"),
    [
        (2000, 1172, 1.0, 11.72, 200),
        (57, 50, 1.0, 2, 5.7),
        (57, 50, 0.0, 0, 5.7),
        (57, 50, 20.0, 10, 11.4),
        (12, 7, 1.0, 1, 1.2),
        (3, 0, 1.0, 0, 1),
    ],
)
def test_one_or_two_images_count_as_chance(
    images: int, top1: int, max_drop: float, lost: float, changed: float
) -> None:
    allowed = allow(Accuracy(images=images, top1=top1, top5=top1), max_drop)
    assert allowed.lost == pytest.approx(lost)
    assert allowed.changed == pytest.approx(changed)


@pytest.mark.parametrize(("changed", "is_refused"), [(8, False), (9, True)])
def test_right_answers_alone_do_not_pass(
    changed: int, is_refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers change from wrong to wrong, so that as many are correct as before."""
    photos = written(tmp_path / "photos", pictures(160), CLASSES)

    def run(network: Prepared, model: object, images: np.ndarray, *rest: object) -> np.ndarray:
        logits = network.hold_out.reference[: len(images)].copy()
        assert isinstance(network.hold_out, HoldOut)
        labels = network.hold_out.labels[: len(images)]
        wrong = np.flatnonzero(logits.argmax(1) != labels)[:changed]
        assert len(images) == 80
        assert len(wrong) == changed
        for number in wrong:
            third = ({0, 1, 2} - {int(logits[number].argmax()), int(labels[number])}).pop()
            logits[number, third] = logits[number].max() + 1
        return logits

    monkeypatch.setattr(_search, "run_int8", run)
    source, target = write_float_file(tmp_path), tmp_path / "a.onnx"
    options = QuantizeOptions(calibrators=("minmax",))
    if is_refused:
        with pytest.raises(AnswersChanged, match="answers 9 of 80 images otherwise .* 10 % allow"):
            quantize_onnx(source, photos, target, options)
        assert not target.exists()
    else:
        done = quantize_onnx(source, photos, target, options)
        assert done.agreement == 80 - changed
        assert done.facts.kept_in_float == ()


def done_with(kept: int, *, images: int = 57, top1: int = 50, agreement: int = 57) -> Quantized:
    counts = Accuracy(images=images, top1=top1, top5=images)
    return Quantized(
        path="int8.onnx",
        bytes=4_730_000 if kept > 8 else 1_760_000,
        float_bytes=2_990_000,
        facts=Int8(
            weight_range="portable",
            calibrator="percentile",
            calibration_images=56,
            kept_in_float=tuple(f"layer {number}" for number in range(kept)),
            judged_by="labels",
            float_accuracy=counts,
            int8_accuracy=counts,
        ),
        agreement=agreement,
        signal_to_noise_db=20.0,
        calibrators={},
    )


def printed(done: Quantized, max_drop: float, capsys: pytest.CaptureFixture[str]) -> str:
    _quantize._print_result(done, Namespace(layers=False, max_drop=max_drop))
    return capsys.readouterr().out


def test_a_file_larger_than_floats_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(done_with(16), 1.0, capsys)
    assert "All 57 test answers unchanged.\nCalibrated on 56 images" in text
    assert (
        "16 layers stayed float, so the file is 4.73 MB, larger than float's 2.99 MB: give more "
        "images or --max-drop 3."
    ) in text
    assert "layer 15" in text
    larger = replace(done_with(0), bytes=3_000_000)
    assert "All layers are int8. Still the file is 3.00 MB, larger" in printed(larger, 1.0, capsys)


def test_too_few_images_to_judge_by_are_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    few = "Too few images to judge by: 1 % of float's 50 correct answers is less than one."
    assert few in printed(done_with(0), 1.0, capsys)
    assert "Too few" not in printed(done_with(0), 3.0, capsys)
    assert "Too few" not in printed(done_with(0, images=200, top1=150), 1.0, capsys)
    text = printed(done_with(1, top1=0, agreement=55), 1.0, capsys)
    assert "55 of 57 test answers unchanged." in text
    assert "1 layer stayed float. In float: layer 0." in text
    assert "none of the 57 test images correctly: only changed answers were judged" in text


def test_json_counts_the_answers_that_agree(
    class_folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["quantize", str(write_float_file(tmp_path)), "--data", str(class_folders)]
    command += ["--to", str(tmp_path / "a.onnx"), "--max-drop", "100", "--json"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["agree"] == {"images": 12, "top1": found["agreement"]}


def test_show_tells_of_int8_of_layers_in_float_and_of_accuracy() -> None:
    card = replace(card_for(NETWORKS["shufflenet_v2_x0_5"]), int8=done_with(2).facts)
    facts = describe_card(card)
    assert facts["int8"] == (
        "all but 2 layers: layer 0, layer 1; portable weights; ranges by percentile of 56 images"
    )
    assert facts["int8 accuracy"] == "top-1 87.72 % (50 of 57 correct), in float 87.72 % (50)"
    assert describe_card(replace(card, int8=done_with(0).facts))["int8"].startswith("all layers;")
    none = replace(done_with(0).facts, calibrator="torch", calibration_images=0)
    assert (
        "by torch; its accuracy was not measured" in describe_card(replace(card, int8=none))["int8"]
    )
