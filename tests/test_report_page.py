"""The page about what a model gets wrong: what it says, of whom, and what it cannot say."""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from answered import HOSTILE, answered
from shufflenet.analyze import Answers, Duplicate, Suspect, Unread
from shufflenet.data import Sample
from shufflenet.errors import ImageError, WriteError
from shufflenet.report.metrics import read_metrics
from shufflenet.report.page import Subject, check_report_folder, draw_page, write_report
from shufflenet.report.page._html import element, name, shorten, text
from shufflenet.report.page._matrix import draw_confusion
from shufflenet.report.page._order import order_by_confusion
from shufflenet.report.page._svg import ticks

NO_HEAT = "There are no heat maps of a made-up model."


class Words(HTMLParser):
    """The words that a page shows, the elements that it has, and the addresses in it."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.styled: list[str] = []
        self._shown: list[str] = []
        self._inside = ""
        self.feed(page.decode())

    @property
    def shown(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self._shown))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._inside = tag
        for key, value in attrs:
            if key in ("src", "href", "data", "srcset", "action"):
                self.addresses.append(value or "")
            if key == "style" or key.startswith("on"):
                self.styled.append(key)

    def handle_data(self, data: str) -> None:
        if self._inside not in ("style", "script"):
            self._shown.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def names(count: int) -> list[str]:
    return [f"class {at}" for at in range(count)]


def subject_of(
    answers: Answers,
    suspects: Sequence[Suspect] = (),
    duplicates: Sequence[Duplicate] = (),
    leaked: Sequence[Duplicate] | str = "Not looked for.",
    *,
    other: Answers | None = None,
) -> Subject:
    return Subject(answers, NO_HEAT, suspects, duplicates, leaked, other)


def words(subject: Subject) -> Words:
    return Words(draw_page(subject))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    return answered(names(12), 20, tmp_path_factory.mktemp("photos"))


def test_the_page_says_how_often_the_model_is_right(answers: Answers) -> None:
    page = words(subject_of(answers))
    correct = int(answers.correct.sum())
    assert 0 < correct < 240
    assert f"correct: {correct} of 240 images" in page.shown
    assert f"{correct / 2.4:.1f} %" in page.shown
    assert NO_HEAT in page.shown
    assert "Model made up on made up ." in page.shown


def test_the_page_has_a_row_for_each_class_and_pair(answers: Answers) -> None:
    page = draw_page(subject_of(answers)).decode()
    table = page[page.index('<table id="class-table"') :]
    table = table[: table.index("</table>")]
    assert table.count("<tr>") == 13
    wrong = answers.predicted[~answers.correct], answers.labels[~answers.correct]
    pairs = page[page.index('<table id="pairs"') :]
    pairs = pairs[: pairs.index("</table>")]
    assert pairs.count("<tr>") == 1 + len(set(zip(*(each.tolist() for each in wrong), strict=True)))


def test_photos_are_inside_of_the_page(answers: Answers) -> None:
    page = words(replace(subject_of(answers), heat=lambda sample, index: Image.new("RGB", (9, 9))))
    pictures = [each for each in page.addresses if each.startswith("data:image/webp")]
    assert len(pictures) == 2 * min(48, int((~answers.correct).sum()))


def test_the_page_asks_nothing_of_a_network(answers: Answers) -> None:
    page = words(subject_of(answers, other=answers))
    assert all(each.startswith(("data:", "#")) for each in page.addresses)
    assert not page.styled  # its policy would refuse them
    content = draw_page(subject_of(answers)).decode()
    assert "@import" not in content
    assert not re.findall(r"url\(", content)


@pytest.mark.parametrize("count", [6, 40])
def test_labels_and_paths_cannot_become_markup(count: int) -> None:
    labels = [*HOSTILE, *names(count - len(HOSTILE))]
    hostile = answered(labels, 10)
    samples = tuple(replace(each, path=HOSTILE[0] + HOSTILE[5]) for each in hostile.samples)
    hostile = replace(hostile, samples=samples, source=HOSTILE[1])
    suspects = [Suspect(0, 0, 1, 0.1, 0.9, True), Suspect(50, 5, 3, 0.1, 0.9, True)]
    twins = [Duplicate(samples[0], samples[40], 1.0, 0.0)]
    subject = Subject(hostile, HOSTILE[0], suspects, twins, HOSTILE[1], hostile, (), HOSTILE)
    plain = answered(names(count), 10)
    harmless = Subject(
        plain, "none", suspects, [Duplicate(plain.samples[0], plain.samples[40], 1.0, 0.0)],
        "none", plain, (), ("one",) * len(HOSTILE),
    )  # fmt: skip
    page = draw_page(subject)
    assert words(subject).tags == words(harmless).tags
    assert b"\x1b" not in page
    assert "\u202e" not in page.decode()
    if count == 40:
        found = re.search(r'id="matrix-counts">(.*?)</script>', page.decode())
        assert found
        assert HOSTILE[0] in json.loads(found[1])["names"]


@given(st.text())
def test_any_text_is_shown_as_it_is(words: str) -> None:
    parser = Words(element("p", {"title": words}, text(words), name(words)).encode())
    assert parser.tags == ["p", "bdi"]


@given(st.text(min_size=1), st.integers(3, 50))
def test_what_is_shortened_is_short(words: str, longest: int) -> None:
    assert len(shorten(words, longest)) <= longest


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_and_inside(low: float, span: float) -> None:
    found = ticks(low, low + span)
    assert len(found) <= 8
    assert all(low - 1e-6 * span <= each <= low + span * (1 + 1e-6) for each in found)


@given(st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_an_order_has_each_class_once(classes: int, seed: int) -> None:
    counts = np.random.default_rng(seed).poisson(0.3, (classes, classes))
    assert sorted(order_by_confusion(counts)) == list(range(classes))


def test_classes_that_are_confused_lie_together() -> None:
    random = np.random.default_rng(1)
    groups = random.permutation(np.repeat(np.arange(30), 4))
    counts = np.where(groups[:, None] == groups, random.poisson(5, (120, 120)) + 1, 0)
    counts += random.poisson(0.05, (120, 120))
    ordered = groups[order_by_confusion(counts)]
    assert int((ordered[1:] != ordered[:-1]).sum()) == 29


def test_a_matrix_of_few_classes_is_a_table_and_of_many_a_picture() -> None:
    few, many = (draw_confusion(names(n), np.eye(n, dtype=int)) for n in (10, 21))
    assert few.count("<td") == 101
    assert "<canvas" not in few
    assert "<canvas" in many


def test_a_picture_has_at_most_a_thousand_classes_and_those_that_say_something() -> None:
    counts = np.eye(1200, dtype=int)
    counts[7, 1100] = 3
    counts[1199, 1199] = 0
    drawn = draw_confusion(names(1200), counts)
    assert "1 class is left out: no image is of them or answered so." in drawn
    assert "Shown are the 1,000 classes with the most errors, not 199 other classes." in drawn
    found = re.search(r'id="matrix-counts">(.*?)</script>', drawn)
    assert found
    data = json.loads(found[1])
    assert len(data["names"]) == 1000
    assert {"class 7", "class 1100"} < set(data["names"])
    assert data["names"].index("class 1100") == 1 + data["names"].index("class 7")


def test_nothing_is_said_of_no_images() -> None:
    none = answered(names(3), 0)
    page = words(subject_of(none, other=none))
    for sentence in (
        "There are no images.",
        "No image could be read, so none is confused.",
        "3 classes have no images here, so nothing is said of them.",
        "No image could be read, so nothing can be said of probabilities.",
        "No photo could be read, so nothing can be said of accuracy by size.",
        "The two models answered no image in common, so they cannot be compared.",
        "Every image that could be read is correct.",
    ):
        assert sentence in page.shown


def test_nothing_is_said_of_what_does_not_differ(answers: Answers) -> None:
    same = replace(
        answers,
        widths=np.full(240, 64, np.int32),
        heights=np.full(240, 64, np.int32),
        logits=np.eye(12, dtype=np.float32)[answers.labels] * 9,
    )
    page = words(subject_of(same, other=same, leaked=[]))
    for sentence in (
        "All photos have the same size, so nothing can be said of accuracy by size.",
        "No class is taken for another: every image that could be read is correct.",
        "No label is contradicted: every image that could be read is correct.",
        "No image is nearly the same as another of these images.",
        "No image is nearly the same as another that the model was trained on.",
        "No class is answered better by one of them than by the other.",
    ):
        assert sentence in page.shown


def test_images_that_cannot_be_read_count_as_wrong(answers: Answers) -> None:
    lost = Unread(3, Sample("x.png", 2, "x.png"), ImageError("x.png", "it is empty"))
    page = words(subject_of(replace(answers, unread=(lost,))))
    assert f"correct: {int(answers.correct.sum())} of 241 images" in page.shown
    assert "1 image cannot be read and counts as wrong; nothing else is said of them." in page.shown


def test_a_photo_that_is_gone_is_told() -> None:
    page = words(subject_of(answered(names(3), 9)))
    assert "The photo cannot be shown. Cannot read" in page.shown


def test_a_second_model_is_compared(answers: Answers) -> None:
    random = np.random.default_rng(3)
    noise = random.normal(0, 3, answers.logits.shape).astype(np.float32)
    card = replace(answers.card, name="the other")
    worse = replace(answers, logits=answers.logits + noise, card=card)
    page = words(subject_of(answers, other=worse))
    assert "They differ: were they equally good" in page.shown
    assert "McNemar's exact test, p under 0.001" in page.shown
    same = words(subject_of(answers, other=replace(answers, card=card)))
    assert "Whether they differ cannot be said of so few images" in same.shown
    assert "(the first)" not in same.shown


def test_groups_of_other_photos_are_not_drawn_together(answers: Answers) -> None:
    darker = replace(answers, brightness=answers.brightness / np.float32(2))
    page = words(subject_of(answers, other=darker))
    same = words(subject_of(answers, other=answers))
    shown = [each.shown.count("made up (the second)") for each in (page, same)]
    assert shown[1] == shown[0] + 1  # in the key of the chart of brightness


def test_labels_that_look_wrong_and_equal_photos_are_shown(answers: Answers) -> None:
    suspects = [
        Suspect(at, int(answers.labels[at]), 0, 0.01, 0.98, at % 2 == 0) for at in range(100, 160)
    ]
    twins = [Duplicate(answers.samples[1], answers.samples[at], 0.99, 1.0) for at in (2, 30)]
    page = words(subject_of(answers, suspects, twins, twins[:1]))
    assert "30 labels are contradicted as surely" in page.shown
    assert "Shown are the first 48." in page.shown
    assert "2 images are nearly the same as another of these images." in page.shown
    assert "Of them, 1 pair has two labels, of which one is wrong." in page.shown
    assert "Both labeled class 0 ." in page.shown


def test_a_run_has_curves(answers: Answers, tmp_path: Path) -> None:
    rows = [
        {"epoch": epoch, "loss": 2 / epoch, "top1": 10 * epoch, "top5": 50, "images": 100}
        for epoch in range(1, 6)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    page = words(replace(subject_of(answers), epochs=read_metrics(tmp_path)))
    assert "From 2.000 in epoch 1 to 0.400." in page.shown
    assert "At most 50.0 % top-1, in epoch 5." in page.shown
    alone = words(replace(subject_of(answers), epochs=read_metrics(tmp_path)[:1]))
    assert "At most 10.0 % top-1, in epoch 1." in alone.shown


def test_a_run_that_was_measured_before_it_was_trained_has_curves(
    answers: Answers, tmp_path: Path
) -> None:
    rows = [
        {"epoch": 0, "loss": None, "top1": 40, "top5": 50, "images": 100},
        {"epoch": 1, "loss": 0.5, "top1": 30, "top5": 50, "images": 100},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    page = words(replace(subject_of(answers), epochs=read_metrics(tmp_path)))
    assert "From 0.500 in epoch 1 to 0.500." in page.shown
    assert "At most 40.0 % top-1, in epoch 0." in page.shown
    alone = words(replace(subject_of(answers), epochs=read_metrics(tmp_path)[:1]))
    assert "At most 40.0 % top-1, in epoch 0." in alone.shown


JSON = st.none() | st.booleans() | st.integers(-9, 99) | st.text(max_size=3) | st.just([1])
NAMES = st.sampled_from(["epoch", "loss", "images", "top1", "top5", "map", "found"])


@given(st.lists(st.dictionaries(NAMES, JSON)), st.integers(0, 1))
def test_a_line_of_a_run_that_is_damaged_is_left_out(
    tmp_path_factory: pytest.TempPathFactory, damage: list[dict[str, object]], at: int
) -> None:
    run = tmp_path_factory.mktemp("run")
    sound: dict[str, object] = {"epoch": 3, "loss": 0.5, "top1": 1, "top5": 2, "images": 4}
    rows = [sound, *({**sound, **each} for each in damage)]
    lines = [json.dumps(row) for row in rows] + ["[]", "{", "1"][at:]
    (run / "metrics.jsonl").write_text("\n".join(lines))
    read = read_metrics(run)
    assert read[0] == sound
    for row in read:
        assert all(
            isinstance(row[name], int | float) and not isinstance(row[name], bool)
            for name in ("epoch", "loss", "top1", "top5", "images")
        )


def test_a_run_without_epochs_has_none(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_the_tables_name_every_error_and_class(answers: Answers, tmp_path: Path) -> None:
    lost = Unread(3, Sample("x.png", 2, "x.png"), ImageError("x.png", "it is empty"))
    right = int(np.flatnonzero(answers.correct)[0])
    suspects = [Suspect(right, int(answers.labels[right]), 7, 0.2, 0.8, True)]
    subject = subject_of(replace(answers, unread=(lost,)), suspects)
    page = write_report(tmp_path / "new" / "report", subject)
    assert page == tmp_path / "new" / "report" / "index.html"
    errors = rows_of(page.with_name("errors.csv"))
    assert len(errors) == int((~answers.correct).sum()) + 2
    assert errors[-1]["error"] == "it is empty"
    assert [row["probable_label"] for row in errors if row["probable_label"]] == ["class 7"]
    classes = rows_of(page.with_name("classes.csv"))
    assert sum(int(row["correct"]) for row in classes) == int(answers.correct.sum())
    assert sum(int(row["images"]) for row in classes) == 241
    assert [row["unreadable"] for row in classes][:4] == ["0", "0", "1", "0"]


def test_a_report_replaces_a_report_and_nothing_else(answers: Answers, tmp_path: Path) -> None:
    subject = subject_of(answers)
    (tmp_path / "notes.txt").write_text("mine")
    page = write_report(tmp_path, subject)
    before = page.read_bytes()
    assert write_report(tmp_path, replace(subject, notes=("again",))).read_bytes() != before
    (tmp_path / "classes.csv").write_text("class,student\n")
    before = page.read_bytes()
    with pytest.raises(WriteError) as caught:
        write_report(tmp_path, subject)
    assert "there is a file that `shufflenet report` did not write" in str(caught.value)
    assert page.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "classes.csv", "errors.csv", "index.html", "notes.txt",
    ]  # fmt: skip


def test_a_place_that_is_no_folder_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(WriteError):
        check_report_folder(tmp_path / "file")
    (tmp_path / "folder" / "index.html").mkdir(parents=True)
    with pytest.raises(WriteError):
        check_report_folder(tmp_path / "folder")
