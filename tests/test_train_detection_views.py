"""Random views of photos with boxes: what lies in a box before lies in it afterwards."""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shufflenet.data import Sample, load
from shufflenet.preprocess import placement
from shufflenet.recipes import Recipe, find_recipe, preprocess_for
from shufflenet.spec import Preprocess
from shufflenet.train.detection import Boxed, collate_views, load_view
from shufflenet.train.detection._colors import jitter_colors
from shufflenet.train.detection._view import view_of

PLAIN: Recipe = dataclasses.replace(
    find_recipe("detection"), zoom=1, jitter=0, mosaic=0, mirror=False
)
HEIGHT, WIDTH = 90, 120
INK = (250, 10, 10)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def boxed(tmp_path_factory: pytest.TempPathFactory) -> Boxed:
    """Four gray photos with a red rectangle each, which is the one box."""
    folder, samples, boxes = tmp_path_factory.mktemp("photos"), [], []
    for number in range(4):
        pixels = np.full((HEIGHT, WIDTH, 3), 60 + 20 * number, np.uint8)
        left, top, right, bottom = 20 + 5 * number, 15, 70, 50 + 8 * number
        pixels[top:bottom, left:right] = INK
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        samples.append(Sample(path.name, -1, str(path)))
        boxes.append(np.array([[number, left, top, right, bottom]], np.float32))
    return Boxed(tuple(samples), tuple(boxes))


def preprocess(fit: str = "pad", size: tuple[int, int] = (64, 96)) -> Preprocess:
    return preprocess_for(size, fit)  # type: ignore[arg-type]  # of its type


def view(
    boxed: Boxed, recipe: Recipe, seed: int, how: Preprocess, number: int = 0
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    pixels, boxes = load_view(boxed, number, how, recipe, np.random.default_rng(seed))
    return pixels.numpy(), boxes.numpy()


def ink(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return (pixels[..., 0].astype(int) - pixels[..., 1]) > 120


@pytest.mark.parametrize("fit", ["pad", "squash"])
def test_a_view_of_all_is_what_validation_sees(boxed: Boxed, fit: str) -> None:
    how = preprocess(fit)
    pixels, boxes = view(boxed, PLAIN, 0, how)
    expected = load(boxed.samples[0], how)
    assert isinstance(expected, np.ndarray)
    assert int(np.abs(pixels.astype(int) - expected).max()) <= 1
    place = placement(WIDTH, HEIGHT, how)
    np.testing.assert_allclose(boxes[:, 1:], place.to_input(boxed.boxes[0][:, 1:]), atol=1e-4)


@given(seeds, st.sampled_from(["pad", "squash"]), st.sampled_from([0.0, 1.0]))
def test_boxes_are_where_their_pixels_are(boxed: Boxed, seed: int, fit: str, mosaic: float) -> None:
    recipe = dataclasses.replace(PLAIN, zoom=2.0, mirror=True, mosaic=mosaic)
    how = preprocess(fit)
    pixels, boxes = view(boxed, recipe, seed, how, number=seed % 4)
    again = view(boxed, recipe, seed, how, number=seed % 4)
    assert np.array_equal(pixels, again[0])
    assert np.array_equal(boxes, again[1])
    assert pixels.shape == (64, 96, 3)
    covered = np.zeros(pixels.shape[:2], bool)
    for label, left, top, right, bottom in boxes.tolist():
        assert label in range(4)
        assert 0 <= left < right <= 96
        assert 0 <= top < bottom <= 64
        assert min(right - left, bottom - top) >= 1
        covered[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))] = True
        inside = ink(pixels)[
            round(top + 1.5) : round(bottom - 1.5), round(left + 1.5) : round(right - 1.5)
        ]
        assert inside.all()
    if len(boxes) == (4 if mosaic else 1):  # else less than a share of a box is to be seen
        grown = covered.copy()
        grown[1:] |= covered[:-1]
        grown[:-1] |= covered[1:]
        grown[:, 1:] |= grown[:, :-1].copy()
        grown[:, :-1] |= grown[:, 1:].copy()
        assert not (ink(pixels) & ~grown).any()


@given(seeds)
def test_boxes_hardly_seen_are_left_out(seed: int) -> None:
    """Against each box by itself: its part inside of what is shown, over all of it."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 80, (6, 2))
    boxes = np.column_stack([np.arange(6), corners, corners + rng.uniform(0.1, 40, (6, 2))])
    boxes = boxes.clip(0, [6, WIDTH, HEIGHT, WIDTH, HEIGHT]).astype(np.float32)
    part = int(rng.integers(10, HEIGHT)), int(rng.integers(10, WIDTH))
    corner = int(rng.integers(0, HEIGHT - part[0] + 1)), int(rng.integers(0, WIDTH - part[1] + 1))
    shown = view_of((HEIGHT, WIDTH), corner, part, preprocess("squash"))
    kept = shown.boxes(boxes)
    expected = []
    for label, left, top, right, bottom in boxes.astype(float):
        across = min(right, corner[1] + part[1]) - max(left, corner[1])
        down = min(bottom, corner[0] + part[0]) - max(top, corner[0])
        share = max(0.0, across) * max(0.0, down) / ((right - left) * (bottom - top))
        sides = across * 96 / part[1], down * 64 / part[0]
        if share > 0.3 and min(sides) > 1:
            expected.append(int(label))
    assert kept[:, 0].astype(int).tolist() == expected


def test_a_mosaic_does_without_what_cannot_be_read(boxed: Boxed, tmp_path: Path) -> None:
    broken = Sample("broken.png", -1, str(tmp_path / "broken.png"))
    partly = Boxed((boxed.samples[0], broken), (boxed.boxes[0], boxed.boxes[1]))
    recipe = dataclasses.replace(PLAIN, mosaic=1)
    for seed in range(8):
        _, boxes = view(partly, recipe, seed, preprocess())
        assert set(boxes[:, 0].tolist()) <= {0}


@given(seeds)
def test_colors_vary_within_their_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (8, 9, 3), np.uint8)
    assert np.array_equal(jitter_colors(pixels, 0.0, rng), pixels) or (
        np.abs(jitter_colors(pixels, 0.0, rng).astype(int) - pixels).max() <= 1
    )
    gray = np.full((4, 4, 1), 100, np.uint8)
    assert 69 <= jitter_colors(gray, 0.3, rng).mean() <= 130
    deep = rng.integers(0, 65536, (4, 4, 4), np.uint16)
    assert jitter_colors(deep, 0.3, rng, 65535).dtype == np.uint16


def test_a_batch_pads_what_has_fewer_boxes() -> None:
    views = [(torch.zeros(4, 4, 3, dtype=torch.uint8), torch.ones(count, 5)) for count in (0, 2, 1)]
    pixels, boxes = collate_views(views)
    assert pixels.shape == (3, 4, 4, 3)
    assert boxes[:, :, 0].tolist() == [[-1, -1], [1, 1], [1, -1]]
    assert collate_views(views[:1])[1].shape == (1, 1, 5)
