"""The page about what a detector gets wrong: what it says, of whom, and what it cannot say."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from answered import HOSTILE
from color_finder import color_card, write_color_finder, write_marked_squares
from conftest import Run
from found_boxes import found_boxes
from shufflenet import open_model
from shufflenet.analyze import answer
from shufflenet.data import open_images
from shufflenet.errors import FindsBoxes, ImageError
from shufflenet.evaluate import compute_logits, evaluate, judge_boxes
from shufflenet.report.page import BoxSubject, write_report
from shufflenet.report.page._box_draw import draw_box_page
from shufflenet.report.page._box_photos import _around, _outline
from shufflenet.runtimes import answering
from test_report_page import Words


def names(count: int) -> list[str]:
    return [f"class {at}" for at in range(count)]


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> BoxSubject:
    return found_boxes(names(5), 12, tmp_path_factory.mktemp("photos"))


def test_the_page_says_how_well_boxes_are_found(subject: BoxSubject) -> None:
    page = Words(draw_box_page(subject))
    accuracy = subject.measures.accuracy
    found, wrong = subject.count("found"), subject.count("wrong")
    assert 0 < found < 32
    assert found + wrong == 32
    for value in (accuracy.map, accuracy.map50, accuracy.map75):
        assert f" {value:.3f} " in page.shown
    assert f"{found} of 48 boxes in 12 images are found, and {wrong} boxes are found" in page.shown
    assert "Model made up on made up ." in page.shown
    assert "large: no boxes." in page.shown
    for each in subject.measures.classes:
        assert f"{each.label}: average precision {each.ap50:.3f} at an IoU of 0.5" in page.shown


def test_photos_are_inside_of_the_page_which_asks_nothing_of_a_network(
    subject: BoxSubject,
) -> None:
    page = Words(draw_box_page(subject))
    assert all(each.startswith(("data:", "#")) for each in page.addresses)
    assert not page.styled
    pictures = [each for each in page.addresses if each.startswith("data:image/webp")]
    shown = sum(min(24, subject.count(kind)) for kind in ("missed", "wrong"))
    assert len(pictures) == 2 * shown
    assert "there is" in page.shown


def test_files_are_written_together_and_replace_those_of_either_kind(
    subject: BoxSubject, tmp_path: Path
) -> None:
    (tmp_path / "errors.csv").write_text(
        "path,label,predicted,probability,label_probability,rank,probable_label,error\n"
    )
    for _ in range(2):
        write_report(tmp_path, subject)
    errors = list(csv.DictReader((tmp_path / "errors.csv").open(newline="")))
    assert [each["outcome"] for each in errors] == [
        each.kind for each in subject.matches if each.kind != "found"
    ]
    classes = list(csv.DictReader((tmp_path / "classes.csv").open(newline="")))
    assert [each["class"] for each in classes] == names(5)
    for kind in ("found", "missed", "wrong"):
        assert sum(int(each[kind]) for each in classes) == subject.count(kind)


def test_whatever_classes_are_called_the_page_is_the_same(tmp_path: Path) -> None:
    hostile = found_boxes(HOSTILE, 12, tmp_path, HOSTILE)
    places = tuple(replace(each, name=HOSTILE[0]) for each in hostile.images.samples)
    hostile = replace(hostile, images=replace(hostile.images, samples=places, source=HOSTILE[1]))
    plain = found_boxes(names(len(HOSTILE)), 12, tmp_path, ("one",) * len(HOSTILE))
    assert Words(draw_box_page(hostile)).tags == Words(draw_box_page(plain)).tags
    page = draw_box_page(hostile)
    assert b"\x1b" not in page
    assert "\u202e" not in page.decode()


def test_of_many_classes_those_found_least_well_are_drawn() -> None:
    page = Words(draw_box_page(found_boxes(names(30), 20)))
    assert "18 classes with a higher average precision are not drawn." in page.shown
    assert page.tags.count("polyline") <= 12
    assert "The photo cannot be shown." in page.shown  # there are none


def test_nothing_is_said_of_no_boxes() -> None:
    some = found_boxes(names(2), 2)
    count = len(some.images)
    empty = replace(
        some.images,
        boxes=[np.zeros((0, 4), np.float32)] * count,
        labels=[np.zeros(0, np.intp)] * count,
        ignored=[np.zeros(0, np.bool_)] * count,
    )
    none = judge_boxes([[]] * count, empty)
    unread = {1: ImageError("b.png", "is no image")}
    page = Words(draw_box_page(BoxSubject(some.card, empty, none, [], 0.3, unread)))
    for sentence in (
        "There are no boxes to find, so nothing can be said of precision.",
        "1 image cannot be read; all boxes there count as missed.",
        "2 classes have no boxes here, so nothing is said of them.",
        "small: no boxes; medium: no boxes; large: no boxes.",
        "No box is found where there is none.",
    ):
        assert sentence in page.shown


@given(
    st.tuples(*[st.floats(-10, 900)] * 2, *[st.floats(0.01, 900)] * 2),
    st.integers(1, 800),
    st.integers(1, 800),
)
def test_a_part_of_a_photo_is_inside_of_it(
    box: tuple[float, float, float, float], width: int, height: int
) -> None:
    left, top, right, bottom = _around(box, Image.new("L", (width, height)))
    assert 0 <= left < right <= width + 1e-6
    assert 0 <= top < bottom <= height + 1e-6


def test_boxes_found_are_dashed_so_that_not_color_alone_tells_them() -> None:
    drawn = []
    for is_found in (False, True):
        picture = Image.new("RGB", (60, 60))
        _outline(ImageDraw.Draw(picture), (5, 5, 49, 49), is_found=is_found, thick=False)
        drawn.append(int((np.asarray(picture)[5, 5:55].sum(axis=1) > 0).sum()))
    whole, dashed = drawn
    assert whole == 50
    assert 20 < dashed < 40


# --- the command ---


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_color_finder(tmp_path_factory.mktemp("finder") / "colors.onnx", color_card(128))


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    return write_marked_squares(tmp_path / "marked")


def test_a_report_measures_as_evaluate_does(
    run: Run, finder: Path, marked: Path, tmp_path: Path
) -> None:
    given = ("--data", marked, "--model", finder, "--json")
    measured = json.loads(run("evaluate", *given, "--errors", tmp_path / "errors.csv")[1])
    code, out, err = run("report", *given, "--to", tmp_path / "report")
    written = json.loads(out)
    assert code == 0
    assert written.pop("path") == str(tmp_path / "report" / "index.html")
    assert written == {name: measured[name] for name in written}
    assert {"images", "boxes", "map", "map50", "unreadable", "model"} <= set(written)
    assert "violet" in err
    page = (tmp_path / "report" / "index.html").read_text()
    assert "1 image cannot be read; all boxes there count as missed." in page
    assert "violet" in page
    errors = (tmp_path / "report" / "errors.csv").read_bytes()
    assert errors == (tmp_path / "errors.csv").read_bytes()
    out = run("report", *given[:-1], "--to", tmp_path / "report")[1]
    assert out.startswith("mAP50 ")
    assert out.endswith(f"1 of 3 boxes are found: open {tmp_path / 'report' / 'index.html'}\n")


def test_what_a_report_of_a_detector_cannot_do_is_said(
    run: Run, finder: Path, marked: Path, checkpoint: Path, class_folders: Path, tmp_path: Path
) -> None:
    to = tmp_path / "report"
    for option, sentence in (
        (("--compare", finder), "cannot be compared"),
        (("--train", marked), "cannot be looked for in training data"),
    ):
        code, out, err = run("report", "--data", marked, "--model", finder, "--to", to, *option)
        assert (code, out) == (1, "")
        assert sentence in err
    for data, model, sentence in (
        (class_folders, finder, "holds no boxes"),
        (marked, checkpoint, "is a classifier, which finds no boxes"),
    ):
        code, out, err = run("report", "--data", data, "--model", model, "--to", to)
        assert (code, out) == (1, "")
        assert sentence in err
    assert not to.exists()


def test_a_detector_does_not_answer_images_of_classes(finder: Path, class_folders: Path) -> None:
    images = open_images(class_folders)
    detector = open_model(finder)
    with pytest.raises(FindsBoxes, match="cannot answer images of classes"):
        answer(answering(detector), images)
    with pytest.raises(FindsBoxes, match="cannot answer images of classes"):
        evaluate(detector, images)
    with pytest.raises(FindsBoxes, match="cannot answer images of classes"):
        compute_logits(detector, images)
