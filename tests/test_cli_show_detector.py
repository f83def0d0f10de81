"""``show`` of a detector: its parts, its cost and its accuracy, without torch."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import Run
from detectors import detector_card, seeded_detector
from shufflenet.files import Checkpoint, write_checkpoint
from shufflenet.networks import state_arrays
from shufflenet.report import describe_card
from shufflenet.spec import DetectionAccuracy, Int8

FOUND = DetectionAccuracy(
    images=87,
    boxes=1_234,
    map=0.5678,
    map50=0.8901,
    map75=0.6,
    map_small=None,
    map_medium=0.5,
    map_large=0.6,
)


def test_show_tells_the_parts_and_the_cost_of_a_detector(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, path = seeded_detector(), tmp_path / "cats.safetensors"
    card = replace(detector_card(net, (64, 96)), detection=FOUND)
    write_checkpoint(path, Checkpoint(card, state_arrays(net)))
    parameters = sum(each.numel() for each in net.parameters())
    monkeypatch.setitem(sys.modules, "torch", None)
    code, out, _ = run("show", path)
    text = " ".join(out.split())
    assert code == 0
    assert "neck path aggregation of maps of stride 8, 16 and 32, 12 channels" in text
    assert "task detection: boxes, each of one class" in text
    assert "accuracy mAP 56.78 %, AP50 89.01 % (1,234 boxes of 87 images)" in text
    assert "average pool" not in text
    shown = json.loads(run("show", path, "--json", "--layers")[1])
    assert shown["parameters"] == parameters
    assert shown["card"]["detector"] == {"neck_channels": 12, "bins": 4, "head_layers": 1}
    assert shown["layers"][-1]["name"] == "heads.2.output"
    twice = json.loads(run("show", path, "--json", "--size", "128,96")[1])
    assert twice["multiply_adds"] == 2 * shown["multiply_adds"]
    code, _, err = run("show", path, "--size", "100")
    assert (code, "multiples of 32 px" in err) == (1, True)


def test_show_tells_what_int8_cost_a_detector() -> None:
    card = detector_card(seeded_detector())
    int8 = Int8(
        weight_range="portable",
        calibrator="percentile",
        calibration_images=56,
        judged_by="labels",
        float_accuracy=FOUND,
        int8_accuracy=replace(FOUND, map=0.56),
    )
    facts = describe_card(replace(card, int8=int8))
    assert facts["int8 accuracy"] == "mAP 56.00 %, in float 56.78 %"
