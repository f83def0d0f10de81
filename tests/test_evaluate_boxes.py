"""COCO's measures of found boxes, held to those of COCO's own program."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from shufflenet.data import Sample
from shufflenet.data.boxes import BoxSet
from shufflenet.evaluate import judge_boxes, match_boxes, measure_boxes
from shufflenet.spec import Detection

_Box = tuple[float, float, float, float]
_Truth = tuple[_Box, int, bool]  # a box, its class, and whether it is ignored
_NAMES = ("cat", "dog", "bird")

_sides = st.sampled_from([4.0, 20.0, 31.5, 32.0, 60.0, 96.0, 140.0])  # small, medium, large
_places = st.sampled_from([0.0, 3.0, 10.0, 50.0])
_boxes = st.tuples(_places, _places, _sides, _sides)


@st.composite
def _sets(draw: st.DrawFn) -> tuple[list[list[_Truth]], list[list[Detection]], int]:
    """Draw boxes of up to three images, what was found in them, and the number of classes."""
    classes = draw(st.integers(1, len(_NAMES)))
    labels = st.integers(0, classes - 1)
    truth = draw(
        st.lists(
            st.lists(st.tuples(_boxes, labels, st.booleans()), max_size=5), min_size=1, max_size=3
        )
    )
    scores = st.sampled_from([0.001, 0.2, 0.5, 0.9, 1.0])  # few: there are equal ones
    found = []
    for _ in truth:
        each = draw(st.lists(st.tuples(_boxes, labels, scores), max_size=6))
        found.append([Detection(box, i, _NAMES[i], score) for box, i, score in each])
    return truth, found, classes


def _box_set(truth: Sequence[Sequence[_Truth]], classes: int) -> BoxSet:
    return BoxSet(
        samples=tuple(Sample(f"{i}.png", -1, f"{i}.png") for i in range(len(truth))),
        classes=_NAMES[:classes],
        boxes=tuple(np.array([b for b, _, _ in t], np.float32).reshape(-1, 4) for t in truth),
        labels=tuple(np.array([i for _, i, _ in t], np.intp) for t in truth),
        ignored=tuple(np.array([x for _, _, x in t], np.bool_) for t in truth),
        source="drawn",
    )


def _of_pycocotools(
    truth: Sequence[Sequence[_Truth]], found: Sequence[Sequence[Detection]], classes: int
) -> COCOeval:
    """Judge by COCO's own program, which says on stdout what it does."""
    both = [COCO(), COCO()]
    marks: list[dict[str, Any]] = [
        {"image_id": n, "bbox": list(box), "category_id": i, "iscrowd": int(ignored)}
        for n, each in enumerate(truth)
        for box, i, ignored in each
    ]
    rows: list[dict[str, Any]] = [
        {"image_id": n, "bbox": list(d.box), "category_id": d.index, "score": d.score, "iscrowd": 0}
        for n, each in enumerate(found)
        for d in each
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        for coco, entries in zip(both, (marks, rows), strict=True):
            coco.dataset = {
                "images": [{"id": n} for n in range(len(truth))],
                "categories": [{"id": i} for i in range(classes)],
                "annotations": [
                    {**entry, "id": i + 1, "area": entry["bbox"][2] * entry["bbox"][3]}
                    for i, entry in enumerate(entries)
                ],
            }
            coco.createIndex()
        judge = COCOeval(*both, "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge


@settings(max_examples=150, deadline=None)
@given(_sets())
def test_measures_are_those_of_pycocotools(
    drawn: tuple[list[list[_Truth]], list[list[Detection]], int],
) -> None:
    truth, found, classes = drawn
    measures = judge_boxes(found, _box_set(truth, classes))
    judge = _of_pycocotools(truth, found, classes)
    accuracy = measures.accuracy
    expected = [None if value < 0 else pytest.approx(value, abs=1e-12) for value in judge.stats[:6]]
    sizes = [accuracy.map_small, accuracy.map_medium, accuracy.map_large]
    assert sizes == expected[3:]
    assert [accuracy.map, accuracy.map50, accuracy.map75] == [
        each if each is not None else 0 for each in expected[:3]
    ]
    assert accuracy.images == len(truth)
    assert accuracy.boxes == sum(not ignored for each in truth for _, _, ignored in each)
    for each in measures.classes:
        precision = judge.eval["precision"][:, :, each.index, 0, -1]
        if (precision < 0).all():
            assert (each.boxes, each.ap, each.ap50, each.curve) == (0, None, None, None)
            continue
        assert each.ap == pytest.approx(precision.mean(), abs=1e-12)
        assert each.ap50 == pytest.approx(precision[0].mean(), abs=1e-12)
        assert each.by_iou == pytest.approx(precision.mean(axis=1).tolist(), abs=1e-12)
        assert each.curve == pytest.approx(precision[0].tolist(), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(_sets(), st.sampled_from([0.0, 0.3]))
def test_boxes_are_matched_as_by_pycocotools(
    drawn: tuple[list[list[_Truth]], list[list[Detection]], int], min_score: float
) -> None:
    truth, found, classes = drawn
    matches = match_boxes(found, _box_set(truth, classes), min_score=min_score)
    kept = [[each for each in image if each.score >= min_score] for image in found]
    judge = _of_pycocotools(truth, kept, classes)
    all_sizes = judge.params.areaRng[0]
    for each in filter(None, judge.evalImgs):
        if each["aRng"] != all_sizes:
            continue
        by, ignored = each["dtMatches"][0] > 0, each["dtIgnore"][0]
        key = each["image_id"], each["category_id"]
        own = [match for match in matches if (match.place, match.label) == key]
        kinds = [match.kind for match in own]
        assert kinds.count("found") == (by & (ignored == 0)).sum()
        assert kinds.count("wrong") == (~by & (ignored == 0)).sum()
        assert kinds.count("missed") == sum(
            label == key[1] and not hidden for _, label, hidden in truth[key[0]]
        ) - kinds.count("found")
        scores = [match.found.score for match in own if match.found]
        assert sorted(scores) == sorted(np.array(each["dtScores"])[ignored == 0].tolist())
        assert all((match.iou >= 0.5) == (match.kind == "found") for match in own if match.box)


def test_a_wrong_box_says_which_class_is_there() -> None:
    images = _box_set([[((0, 0, 40, 40), 0, False), ((50, 0, 9, 9), 1, True)]], 2)
    found = [[
        Detection((0, 0, 40, 38), 1, "dog", 0.9),
        Detection((51, 1, 4, 4), 1, "dog", 0.8),
        Detection((90, 90, 4, 4), 0, "cat", 0.7),
    ]]  # fmt: skip
    missed, other, nothing = match_boxes(found, images, min_score=0.3)
    assert (missed.kind, missed.label, missed.box) == ("missed", 0, (0, 0, 40, 40))
    assert (other.kind, other.label, other.label_there) == ("wrong", 1, 0)
    assert other.iou == pytest.approx(0.95)
    assert (nothing.kind, nothing.label_there, nothing.iou) == ("wrong", None, 0)


def test_a_box_found_and_a_wrong_one() -> None:
    images = _box_set([[((0, 0, 40, 40), 0, False)], []], 2)
    found = [[Detection((0, 0, 40, 36), 0, "cat", 0.9)], [Detection((0, 0, 9, 9), 1, "dog", 0.5)]]
    accuracy = measure_boxes(found, images)
    assert (accuracy.images, accuracy.boxes, accuracy.map50, accuracy.map75) == (2, 1, 1, 1)
    assert accuracy.map == pytest.approx(0.9)  # an IoU of 0.9 is not one of 0.95
    assert (accuracy.map_small, accuracy.map_large) == (None, None)
    assert accuracy.map_medium == pytest.approx(0.9)
    nothing = measure_boxes([[], []], images)
    assert (nothing.map, nothing.map_small, nothing.map_medium) == (0, None, 0)


def test_nothing_is_printed_or_logged(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    images = _box_set([[((0, 0, 40, 40), 0, False)]], 1)
    measure_boxes([[Detection((0, 0, 40, 40), 0, "cat", 1.0)]], images)
    assert capfd.readouterr() == ("", "")
    assert not [each for each in caplog.records if each.levelname in ("WARNING", "ERROR")]
