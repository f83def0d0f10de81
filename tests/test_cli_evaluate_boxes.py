"""``evaluate`` of a detector: its measures and tables, and what is not its kind of data."""

import csv
import json
import sys
from pathlib import Path

import pytest

from color_finder import color_card, write_color_finder, write_marked_squares
from conftest import Run
from shufflenet import open_model
from shufflenet.data.boxes import open_boxes
from shufflenet.evaluate import evaluate_detector, fit_boxes


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_color_finder(tmp_path_factory.mktemp("finder") / "colors.onnx", color_card(128))


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    return write_marked_squares(tmp_path / "marked")


def test_measures_are_printed_as_json(
    run: Run, finder: Path, marked: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code, out, err = run("evaluate", "--data", marked, "--model", finder, "--json")
    said = json.loads(out)
    assert code == 0
    assert (said["images"], said["boxes"]) == (3, 3)
    assert (said["unreadable"], said["left_out"], said["trained_on"]) == (1, 1, 0)
    # Half of the red boxes: precision is 1 up to a recall of 1/2, so at 51 of 101 recalls.
    assert said["map50"] == pytest.approx(51 / 101 / 2)
    assert [(each["label"], each["boxes"]) for each in said["classes"]] == [
        *(("red", 2), ("green", 1), ("blue", 0))
    ]
    assert said["classes"][2]["ap"] is None
    assert said["map_large"] is None
    assert "Its boxes count as missed." in caplog.text
    assert "violet" in err


def test_measures_are_printed_for_people(run: Run, finder: Path, marked: Path) -> None:
    lines = run("evaluate", "--data", marked, "--model", finder)[1].splitlines()
    assert lines[0].startswith("mAP ")
    assert "3 boxes in 3 images" in lines[0]
    assert "large  no such box" in lines
    assert [line.split()[0] for line in lines[-2:]] == ["green", "red"]


def test_every_box_is_written(run: Run, finder: Path, marked: Path, tmp_path: Path) -> None:
    files = tmp_path / "all.csv", tmp_path / "wrong.csv"
    arguments = ("evaluate", "--data", marked, "--model", finder)
    for _ in range(2):  # an earlier table is replaced
        assert run(*arguments, "--details", files[0], "--errors", files[1])[0] == 0
    every, wrong = (list(csv.DictReader(file.open(newline=""))) for file in files)
    assert wrong == [row for row in every if row["outcome"] != "found"]
    rows = [(Path(row["path"]).name, row["outcome"], row["label"]) for row in every]
    assert rows[:2] == [("a.png", "found", "red"), ("a.png", "missed", "red")]
    assert rows[-1] == ("c.jpg", "missed", "green")
    found = every[0]
    assert [found[side] for side in ("left", "top", "width", "height")] == [
        *("64.00", "0.00", "32.00", "32.00")
    ]
    assert [found[f"found_{side}"] for side in ("left", "width")] == ["64.00", "32.00"]
    assert float(found["iou"]) == 1
    other = next(row for row in every if row["outcome"] == "wrong" and row["label"] == "green")
    assert (other["label_there"], other["left"]) == ("red", "")
    assert every[-1]["error"]
    assert not found["error"]
    code, _, err = run(*arguments, "--details", marked / "annotations.json")
    assert code == 1
    assert "annotations.json" in err


def test_data_of_the_other_kind_are_refused_in_a_sentence(
    run: Run, finder: Path, marked: Path, checkpoint: Path, class_folders: Path, tmp_path: Path
) -> None:
    code, out, err = run("evaluate", "--data", class_folders, "--model", finder)
    assert (code, out) == (1, "")
    assert "holds no boxes" in err
    code, out, err = run("evaluate", "--data", marked, "--model", checkpoint)
    assert (code, out) == (1, "")
    assert "is a classifier, which finds no boxes" in err
    record = tmp_path / "run"
    record.mkdir()
    (record / "run.json").write_text("{}")
    (record / "held-out.csv").write_text(f"path,label,within\n{marked / 'images' / 'a.png'},red,\n")
    code, out, err = run("evaluate", "--data", record, "--model", finder)
    assert (code, out) == (1, "")
    assert "without their boxes" in err


def test_what_measures_may_be_missing(
    run: Run, finder: Path, marked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    code, out, err = run("evaluate", "--data", marked, "--model", finder)
    assert (code, out) == (1, "")
    assert "pip install 'shufflenet[detect]'" in err
    assert "images" not in err


def test_a_detector_is_measured_in_python(finder: Path, marked: Path) -> None:
    detector = open_model(finder)
    images = fit_boxes(open_boxes(marked), detector.card)
    assert images.classes == ("red", "green", "blue")
    done: list[int] = []
    accuracy = evaluate_detector(detector, images, on_progress=done.append)
    assert accuracy.map50 == pytest.approx(51 / 101 / 2)
    assert sum(done) == 3
