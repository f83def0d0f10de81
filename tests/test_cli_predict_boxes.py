"""``shufflenet predict`` with a detector, and with a classifier that is asked for boxes."""

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from color_finder import write_color_finder
from conftest import Run
from shufflenet.draw import COLORS


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_color_finder(tmp_path_factory.mktemp("finder") / "colors.onnx")


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    """A folder with a photo that has a red square, a black one and a file that is no image."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    image = Image.new("RGB", (128, 128))
    Image.new("RGB", (96, 96)).save(folder / "b.png")
    image.paste("red", (64, 0, 128, 64))
    tags = Image.Exif()
    tags[0x0112] = 3
    image.transpose(Image.Transpose.ROTATE_180).save(folder / "a.png", exif=tags)
    (folder / "more" / "a.jpg").write_bytes(b"none")
    return folder


def test_boxes_are_printed_as_json_lines(run: Run, finder: Path, marked: Path) -> None:
    code, out, err = run("predict", marked, "--model", finder, "--json", "--min-score", 0.8)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [row.keys() for row in rows] == [{"path", "detections"}] * 2 + [{"path", "error"}]
    (found,) = rows[0]["detections"]
    assert found == {"box": [64, 0, 64, 64], "index": 0, "label": "red", "score": found["score"]}
    assert 0.8 < found["score"] <= 0.9
    assert rows[1]["detections"] == []
    assert "1 could not be read" in err


def test_boxes_are_printed_for_people(run: Run, finder: Path, marked: Path) -> None:
    arguments = ("predict", marked / "a.png", marked / "b.png", "--model", finder)
    code, out, _ = run(*arguments, "--min-score", 0.8)
    assert code == 0
    assert out.splitlines() == [
        str(marked / "a.png"),
        "   0.89  red  64x64 px, 64 from left, 0 from top",
        str(marked / "b.png"),
        "  no boxes",
    ]


def test_boxes_are_printed_as_csv_the_best_ones(run: Run, finder: Path, marked: Path) -> None:
    code, out, _ = run("predict", marked / "a.png", "--model", finder, "--csv", "--top", 2)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [row["rank"] for row in rows] == ["1", "2"]
    assert [rows[0][each] for each in ("left", "top", "width", "height")] == [
        *("64.00", "0.00", "64.00", "64.00")
    ]


def test_boxes_are_drawn_on_the_photo_as_it_is_shown(
    run: Run, finder: Path, marked: Path, tmp_path: Path
) -> None:
    drawn = marked / "drawn"
    arguments = ("predict", marked, "--model", finder, "--min-score", 0.8, "--draw", drawn)
    for _ in range(2):  # what was drawn is not looked at again
        code, out, _ = run(*arguments, "--json")
        rows = [json.loads(line) for line in out.splitlines()]
        assert code == 1
        assert [row.get("file") for row in rows] == [
            *(str(drawn / "a.jpg"), str(drawn / "b.jpg"), None)
        ]
        assert sorted(path.name for path in drawn.iterdir()) == ["a.jpg", "b.jpg"]
    with Image.open(drawn / "a.jpg") as picture:
        assert picture.size == (128, 128)
        edge, inside = picture.getpixel((64, 40)), picture.getpixel((96, 50))
    assert isinstance(edge, tuple)
    assert isinstance(inside, tuple)
    assert max(abs(a - b) for a, b in zip(edge, COLORS[0], strict=True)) < 90  # of a JPEG
    assert inside[0] > 200 > 60 > inside[2]


def test_a_classifier_that_is_asked_for_boxes_says_so(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    for option in (("--draw", tmp_path / "drawn"), ("--min-score", 0.5)):
        code, out, err = run("predict", photos / "a.jpg", *option)
        assert (code, out) == (1, "")
        assert "is a classifier, which finds no boxes." in err
    with pytest.raises(SystemExit, match="2"):
        run("predict", photos / "a.jpg", "--min-score", 1.5)


@pytest.mark.parametrize("runtime", ["llvm", "ncnn"])
def test_a_runtime_that_computes_no_detectors_says_so(
    runtime: str, run: Run, finder: Path, marked: Path
) -> None:
    arguments = ("predict", marked / "a.png", "--model", finder, "--runtime", runtime)
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    expected = {"llvm": "holds a detector, which the LLVM runtime does not compute"}
    assert expected.get(runtime, "is not a .param file") in err
