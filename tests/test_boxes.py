"""Overlaps, suppression and found boxes, each against a slow and plain reference."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shufflenet.boxes import Placement, Search, find_detections, iou, suppress
from shufflenet.errors import SpecError
from shufflenet.spec import Detection

Box = tuple[float, ...]
edges = st.integers(-3, 12).map(float)
boxes = st.tuples(edges, edges, edges, edges)


def slow_iou(one: Box, other: Box) -> float:
    """Count small squares: every edge is a whole number."""

    def squares(box: Box) -> set[tuple[int, int]]:
        left, top, right, bottom = map(int, box)
        return {(x, y) for x in range(left, right) for y in range(top, bottom)}

    union = squares(one) | squares(other)
    return len(squares(one) & squares(other)) / len(union) if union else 0.0


def slow_suppress(
    found: list[tuple[Box, float, int]], max_iou: float, k: int
) -> list[tuple[Box, float, int]]:
    kept: list[tuple[Box, float, int]] = []
    for box, score, label in sorted(found, key=lambda each: -each[1]):
        rivals = (other for other, _, its in kept if its == label)
        if all(slow_iou(box, other) <= max_iou for other in rivals):
            kept.append((box, score, label))
    return kept[:k]


@given(st.lists(boxes, min_size=1, max_size=5), st.lists(boxes, min_size=1, max_size=5))
def test_overlaps_are_counted_squares(first: list[Box], second: list[Box]) -> None:
    expected = [[slow_iou(one, other) for other in second] for one in first]
    np.testing.assert_allclose(iou(np.array(first), np.array(second)), expected, atol=1e-12)


shares = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])  # equal scores too, and equal overlaps
candidates = st.lists(st.tuples(boxes, shares, st.integers(0, 2)), max_size=30)


@given(candidates, shares, st.integers(1, 6))
def test_the_best_of_overlapping_boxes_stay(
    found: list[tuple[Box, float, int]], max_iou: float, k: int
) -> None:
    corners = np.array([box for box, _, _ in found]).reshape(-1, 4)
    scores = np.array([score for _, score, _ in found], np.float32)
    classes = np.array([label for _, _, label in found], np.intp)
    kept = suppress(corners, scores, classes, max_iou=max_iou, k=k)
    assert [found[i] for i in kept] == slow_suppress(found, max_iou, k)


def test_many_candidates_are_compared_across_groups() -> None:
    corners = np.tile([[0.0, 0, 4, 4]], (3000, 1))
    corners[2500:] += 8
    kept = suppress(corners, np.ones(3000), np.zeros(3000, np.intp), max_iou=0.5, k=100)
    assert kept.tolist() == [0, 2500]


def slow_detections(
    rows: npt.NDArray[np.float32], place: Placement, search: Search
) -> list[Detection]:
    (scale, _), (x, y) = place.scale, place.offset
    found: list[tuple[Box, float, int]] = []
    for row in rows.tolist():
        left, right = (min(max((edge - x) / scale, 0), place.width) for edge in (row[0], row[2]))
        top, bottom = (min(max((edge - y) / scale, 0), place.height) for edge in (row[1], row[3]))
        if right > left and bottom > top:
            box = left, top, right, bottom
            found += [(box, s, i) for i, s in enumerate(row[4:]) if s >= search.min_score]
    kept = slow_suppress(found, search.max_iou, search.k)
    return [
        Detection((left, top, right - left, bottom - top), i, "ab"[i], score)
        for (left, top, right, bottom), score, i in kept
    ]


@settings(max_examples=60)
@given(st.lists(st.tuples(boxes, shares, shares), max_size=12), shares, shares, st.integers(1, 9))
def test_found_boxes_are_those_of_the_image(
    cells: list[tuple[Box, float, float]], min_score: float, max_iou: float, k: int
) -> None:
    rows = np.array([(*box, *scores) for box, *scores in cells], np.float32).reshape(-1, 6)
    place = Placement(10, 6, scale=(0.5, 0.5), offset=(2, 1))
    search = Search(min_score, max_iou, k)
    assert find_detections(rows, "ab", place, search) == slow_detections(rows, place, search)


def test_of_very_many_boxes_the_best_are_looked_at() -> None:
    cells = 12_000
    rows = np.zeros((cells, 5), np.float32)
    rows[:, 2:4] = 8
    rows[:, 4] = np.linspace(0.1, 0.9, cells)
    rows[0, :4] = 20, 20, 28, 28  # alone, but the worst
    place = Placement(64, 64, scale=(1, 1), offset=(0, 0))
    found = find_detections(rows, "a", place, Search(0.0))
    assert [each.box for each in found] == [(0, 0, 8, 8)]
    found = find_detections(rows[:10_000], "a", place, Search(0.0))
    assert [each.box for each in found] == [(0, 0, 8, 8), (20, 20, 8, 8)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_score", -0.1),
        ("min_score", float("nan")),
        ("min_score", True),
        ("max_iou", 1.5),
        ("max_iou", "0.5"),
        ("k", 0),
        ("k", 2.0),
        ("k", True),
        ("k", 10**9),
    ],
)
def test_what_cannot_be_looked_for_is_refused(field: str, value: object) -> None:
    with pytest.raises(SpecError, match=rf"^{field} is "):
        Search(**{field: value})  # type: ignore[arg-type]  # that is what is refused
