import numpy as np
import pytest
from PIL import Image

from seeded import photo
from shufflenet.augment import random_crop_and_flip


def test_the_same_generator_gives_the_same_crop() -> None:
    image = Image.fromarray(photo("crop", 50, 70))
    crops = [
        random_crop_and_flip(image, 32, 0.2, np.random.default_rng(seed)) for seed in (1, 1, 2)
    ]
    assert crops[0].shape == (32, 32, 3)
    assert crops[0].dtype == np.uint8
    assert np.array_equal(crops[0], crops[1])
    assert not np.array_equal(crops[0], crops[2])


def test_crops_keep_at_least_the_smallest_area_and_half_are_mirrored() -> None:
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (200, 200, 3))
    image = Image.fromarray(np.ascontiguousarray(ramp))
    widths, mirrored = [], 0
    for seed in range(300):
        row = random_crop_and_flip(image, 32, 0.5, np.random.default_rng(seed))[0, :, 0].astype(int)
        mirrored += row[0] > row[-1]
        widths.append(abs(row[-1] - row[0]) * 32 / 31)
    # area 0.5 to 1 at aspect ratios 3:4 to 4:3: widths of 0.61 to 1 of the image's.
    assert min(widths) > 0.6 * 200
    assert max(widths) > 0.97 * 200
    assert 110 < mirrored < 190


@pytest.mark.parametrize("size", [(1, 900), (900, 1), (1, 1)])
def test_an_image_that_no_crop_fits_gives_its_centre(size: tuple[int, int]) -> None:
    crop = random_crop_and_flip(Image.new("RGB", size, "red"), 32, 0.9, np.random.default_rng(0))
    assert crop.reshape(-1, 3).tolist() == [[255, 0, 0]] * 32 * 32
