"""Boxes drawn on images, and the pictures written."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shufflenet.draw import COLORS, draw_boxes, is_drawing, write_drawing
from shufflenet.spec import Detection

# Source: Machado, Oliveira and Fernandes 2009, A physiologically-based model for simulation of
# color vision deficiency, the matrices of severity 1.0, for linear RGB.
BLIND = {
    "to red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "to green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


@pytest.mark.parametrize("blind", BLIND)
def test_colors_are_told_apart_without_seeing_red_or_green(blind: str) -> None:
    linear = (np.array(COLORS) / 255) ** 2.2
    seen = 255 * np.clip(linear @ np.array(BLIND[blind]).T, 0, 1) ** (1 / 2.2)
    assert min(np.abs(one - other).sum() for one, other in combinations(seen, 2)) > 50


def test_a_box_is_drawn_where_it_is_and_the_rest_stays() -> None:
    photo = Image.new("RGB", (320, 240), "white")
    drawn = draw_boxes(photo, [Detection((100, 80, 60, 40), 1, "cat", 0.5)])
    assert drawn.size == photo.size
    for place in ((100, 80), (159, 119), (130, 80), (100, 100)):
        assert drawn.getpixel(place) == COLORS[1]
    assert drawn.getpixel((130, 100)) == drawn.getpixel((300, 200)) == (255, 255, 255)
    assert photo.getextrema() == ((255, 255),) * 3


def test_the_best_box_is_drawn_last() -> None:
    boxes = [Detection((20, 60, 90, 90), index, "a", 0.5) for index in (0, 1)]
    drawn = draw_boxes(Image.new("RGB", (200, 200)), boxes)
    assert drawn.getpixel((60, 60)) == COLORS[0]


numbers = st.floats(-50, 300)
sizes = st.tuples(st.integers(1, 200), st.integers(1, 200))


@settings(max_examples=40, deadline=None)
@given(sizes, st.tuples(numbers, numbers, numbers, numbers), st.text(max_size=60))
def test_any_box_and_any_label_is_drawn(
    size: tuple[int, int], box: tuple[float, float, float, float], label: str
) -> None:
    left, top, width, height = box
    found = Detection((left, top, abs(width), abs(height)), 12, label, 0.25)
    assert draw_boxes(Image.new("L", size), [found]).size == size


def test_pictures_are_replaced_and_other_files_stay(tmp_path: Path) -> None:
    picture, folder = Image.new("RGB", (8, 8)), tmp_path / "drawn"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"mine")
    paths = [write_drawing(folder, name, picture) for name in ("x/a.png", "y/a.png", "x/a.png")]
    assert [path.name for path in paths] == ["a-2.jpg", "a-3.jpg", "a-2.jpg"]
    assert (folder / "a.jpg").read_bytes() == b"mine"
    assert [is_drawing(path) for path in (paths[0], folder / "a.jpg")] == [True, False]
    assert b"x/" not in paths[0].read_bytes()
