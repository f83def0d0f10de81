import numpy as np
import pytest

from shufflenet.augment import random_crop


def test_the_same_generator_gives_the_same_crop() -> None:
    crops = [random_crop(70, 50, 0.2, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert crops[0] == crops[1]
    assert crops[0] != crops[2]


def test_crops_keep_at_least_the_smallest_area_and_half_are_mirrored() -> None:
    crops = [random_crop(200, 200, 0.5, np.random.default_rng(seed)) for seed in range(300)]
    widths = [crop.right - crop.left for crop in crops]
    heights = [crop.bottom - crop.top for crop in crops]
    areas = [w * h / 200**2 for w, h in zip(widths, heights, strict=True)]
    assert 0.49 < min(areas) < 0.55
    assert max(areas) > 0.95
    assert all(0.74 < w / h < 1.35 for w, h in zip(widths, heights, strict=True))
    assert all(0 <= c.left < c.right <= 200 and 0 <= c.top < c.bottom <= 200 for c in crops)
    assert [c.shorter_px for c in crops] == list(map(min, widths, heights))
    assert 110 < sum(crop.mirrored for crop in crops) < 190


@pytest.mark.parametrize(
    ("size", "box"),
    [((1, 900), (0, 449, 1, 450)), ((900, 1), (449, 0, 450, 1)), ((1, 1), (0, 0, 1, 1))],
)
def test_an_image_that_no_crop_fits_gives_its_centre(
    size: tuple[int, int], box: tuple[int, ...]
) -> None:
    crop = random_crop(*size, 0.9, np.random.default_rng(0))
    assert (crop.left, crop.top, crop.right, crop.bottom) == box
