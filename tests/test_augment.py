import numpy as np
import pytest
from PIL import Image

from seeded import photo
from shufflenet.augment import OPERATIONS, erased, random_crop, trivially_changed


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


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_of_trivial_augment_grows_with_its_strength(name: str) -> None:
    image = Image.fromarray(photo("trivial", 48, 64))
    same = np.asarray(OPERATIONS[name](image, 0.0), int)
    assert same.shape == (48, 64, 3)
    if name in ("autocontrast", "equalize"):  # they know no strength
        return
    assert np.array_equal(same, np.asarray(image))
    for sign in (-1.0, 1.0):
        changes = [
            np.abs(np.asarray(OPERATIONS[name](image, sign * strength), int) - same).mean()
            for strength in (0.3, 1.0)
        ]
        assert name == "identity" or changes[1] > changes[0] > 0


def test_trivial_augment_is_a_function_of_its_generator_and_draws_everything() -> None:
    pixels = photo("trivial", 20, 20)
    results = {
        trivially_changed(pixels, np.random.default_rng(seed)).tobytes() for seed in range(300)
    }
    again = trivially_changed(pixels, np.random.default_rng(7))
    assert np.array_equal(again, trivially_changed(pixels, np.random.default_rng(7)))
    assert len(results) > 100


def test_a_box_of_a_fiftieth_to_a_third_is_erased_as_often_as_asked() -> None:
    pixels = photo("erase", 40, 60)
    kept = pixels.copy()
    shares = []
    for seed in range(400):
        result = erased(pixels, 0.25, np.random.default_rng(seed))
        shares.append(float((result != pixels).any(axis=2).mean()))
    assert np.array_equal(pixels, kept)
    boxes = [share for share in shares if share > 0]
    assert 60 < len(boxes) < 140
    assert 0.01 < min(boxes) < max(boxes) < 0.36
    assert erased(pixels, 0.0, np.random.default_rng(0)) is pixels
