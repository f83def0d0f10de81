from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from seeded import photo
from shufflenet.train.augment import (
    OPERATIONS,
    Crop,
    apply_operation,
    rand_augment,
    random_crop,
    random_erase,
    trivial_augment,
)

Pixels: TypeAlias = npt.NDArray[np.uint8]
Values: TypeAlias = npt.NDArray[np.float64]


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
    assert [(c.width, c.height) for c in crops] == list(zip(widths, heights, strict=True))
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


@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    like=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    area=st.floats(0, 0.999),
    seed=st.integers(0, 2**32),
)
def test_crops_lie_inside_of_any_image_and_are_shaped_like_what_they_become(
    size: tuple[int, int], like: tuple[int, int], area: float, seed: int
) -> None:
    crop = random_crop(*size, area, np.random.default_rng(seed), like)
    assert 0 <= crop.left < crop.right <= size[0]
    assert 0 <= crop.top < crop.bottom <= size[1]
    wanted = like[0] / like[1]
    # rounding a side moves it by half a pixel
    widest, narrowest = (crop.width + 0.5) / max(0.5, crop.height - 0.5), crop.width - 0.5
    narrowest /= crop.height + 0.5
    slimmest = (min(1, size[0]) / size[1], size[0] / 1)  # of one pixel, no shape can be kept
    assert narrowest <= wanted * 4 / 3 or wanted < slimmest[0]
    assert widest >= wanted * 3 / 4 or wanted > slimmest[1]


@given(size=st.tuples(st.integers(1, 300), st.integers(1, 300)), seed=st.integers(0, 2**32))
def test_a_crop_like_its_image_that_covers_all_of_it_is_the_image(
    size: tuple[int, int], seed: int
) -> None:
    drawn = [random_crop(*size, 0.9999, np.random.default_rng((seed, n)), size) for n in range(4)]
    assert all(crop.width * crop.height >= 0.95 * size[0] * size[1] - sum(size) for crop in drawn)


def test_squares_are_drawn_as_they_were_before_there_were_other_shapes() -> None:
    crop = random_crop(403, 301, 0.08, np.random.default_rng(7))
    assert crop == random_crop(403, 301, 0.08, np.random.default_rng(7), (64, 64))
    assert crop == Crop(50, 39, 366, 290, mirrored=True)


def test_a_box_of_a_fiftieth_to_a_third_is_erased_as_often_as_asked() -> None:
    pixels = photo("erase", 40, 60)
    kept = pixels.copy()
    shares = []
    for seed in range(400):
        result = random_erase(pixels, 0.25, np.random.default_rng(seed))
        shares.append(float((result != pixels).any(axis=2).mean()))
    assert np.array_equal(pixels, kept)
    boxes = [share for share in shares if share > 0]
    assert 60 < len(boxes) < 140
    assert 0.01 < min(boxes) < max(boxes) < 0.36
    assert random_erase(pixels, 0.0, np.random.default_rng(0)) is pixels


# --- the operations, by the formulas that Pillow documents or computes ---


def by_formula(pixels: Pixels, name: str, much: float) -> Values:
    """Do an operation in NumPy, ``(h, w, 3)`` to the same; ``much`` in the operation's own unit."""
    values = pixels.astype(float)
    gray = np.floor(values @ np.array([19595, 38470, 7471]) / 2**16 + 0.5)
    match name:
        case "brightness":
            return away_from(np.zeros(1), values, much)
        case "contrast":
            return away_from(np.floor(gray.mean(keepdims=True) + 0.5), values, much)
        case "color":
            return away_from(gray[..., None], values, much)
        case "sharpness":
            return away_from(smoothed(values), values, much)
        case "posterize":
            step = 2 ** round(abs(much))
            return np.asarray(values // step * step, np.float64)
        case "solarize":
            return np.where(values < 256 - round(abs(much)), values, 255 - values)
        case "autocontrast":
            low, high = values.min(axis=(0, 1)), values.max(axis=(0, 1))
            return np.asarray((values - low) * 255 / (high - low), np.float64)
        case "equalize":
            return np.stack([equalized(pixels[..., channel]) for channel in range(3)], axis=2)
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]] + 0.5
    centre_y, centre_x = pixels.shape[0] / 2, pixels.shape[1] / 2
    cosine, sine = np.cos(np.radians(much)), np.sin(np.radians(much))
    from_x, from_y = {
        "identity": (x, y),
        "shear_x": (x + much * y, y),
        "shear_y": (x, y + much * x),
        "translate_x": (x + int(much), y),
        "translate_y": (x, y + int(much)),
        "rotate": (
            centre_x + cosine * (x - centre_x) - sine * (y - centre_y),
            centre_y + sine * (x - centre_x) + cosine * (y - centre_y),
        ),
    }[name]
    column, row = np.floor(from_x).astype(int), np.floor(from_y).astype(int)
    height, width = pixels.shape[:2]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return np.where(inside[..., None], values[row % height, column % width], 0)


def away_from(base: Values, values: Values, much: float) -> Values:
    return np.clip(base + (1 + much) * (values - base), 0, 255)


def smoothed(values: Values) -> Values:
    """Blur by (1 1 1, 1 5 1, 1 1 1) / 13, but for the border."""
    height, width = values.shape[:2]
    total = 4 * values[1:-1, 1:-1]
    for dy, dx in np.ndindex(3, 3):
        total = total + values[dy : height - 2 + dy, dx : width - 2 + dx]
    result = values.copy()
    result[1:-1, 1:-1] = np.floor(total / 13 + 0.5)
    return result


def equalized(channel: Pixels) -> Values:
    """Spread gray levels so that each has as many pixels below it as levels."""
    counts = np.bincount(channel.ravel(), minlength=256)
    step = (counts.sum() - counts[channel.max()]) // 255
    below = np.cumsum(counts) - counts
    return np.asarray(((below + step // 2) // step)[channel].clip(0, 255), np.float64)


SOME = {  # of each operation, in its own unit
    "identity": (0.0,),
    "shear_x": (0.1, -0.3, 0.99),
    "shear_y": (0.1, -0.3, 0.99),
    "translate_x": (3.9, -20.0),
    "translate_y": (3.9, -20.0),
    "rotate": (11.0, -30.0, 121.0),
    "brightness": (0.3, -0.6, 0.99),
    "color": (0.3, -0.6, 0.99),
    "contrast": (0.3, -0.6, 0.99),
    "sharpness": (0.3, -0.6, 0.99),
    "posterize": (1.0, -4.0, 6.0),
    "solarize": (1.0, -100.0, 256.0),
    "autocontrast": (0.0,),
    "equalize": (0.0,),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_its_formula(name: str) -> None:
    pixels = (photo("formula", 48, 64) * 0.7 + 20).astype(np.uint8)
    for much in SOME[name]:
        found = np.asarray(OPERATIONS[name](Image.fromarray(pixels), much), float)
        assert found.shape == (48, 64, 3)
        # Pillow cuts what blends and tables give to whole levels
        assert np.abs(found - by_formula(pixels, name, much)).max() <= 1


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_defined_for_any_number_of_channels(name: str) -> None:
    pixels = (photo("formula", 48, 64) * 0.7 + 20).astype(np.uint8)
    much = SOME[name][0]
    whole = apply_operation(name, pixels, much)
    assert np.array_equal(whole, np.asarray(OPERATIONS[name](Image.fromarray(pixels), much)))
    one, two = (apply_operation(name, pixels[..., :n], much) for n in (1, 2))
    for channel in range(2):  # each as a gray image
        alone = np.asarray(OPERATIONS[name](Image.fromarray(pixels[..., channel].copy()), much))
        assert np.array_equal(two[..., channel], alone)
    assert np.array_equal(one, two[..., :1])
    if name == "color":  # a gray image has none to change
        assert np.array_equal(one, pixels[..., :1])
    five = apply_operation(name, np.concatenate([pixels, pixels[..., :2]], axis=2), much)
    assert np.array_equal(five[..., :3], whole)
    moves = name in ("identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate")
    assert np.array_equal(five[..., 3:], (whole if moves else pixels)[..., :2])


# --- TrivialAugment and RandAugment ---

PIXELS = (photo("strengths", 24, 40) * 0.7 + 20).astype(np.uint8)
WIDEST = {
    "shear_x": 0.99,
    "shear_y": 0.99,
    "translate_x": 32,
    "translate_y": 32,
    "rotate": 135,
    "brightness": 0.99,
    "color": 0.99,
    "contrast": 0.99,
    "sharpness": 0.99,
    "posterize": 6,
    "solarize": 256,
}
HALF = {  # magnitude 15 of 30, of an image 40 px wide and 24 px high
    "shear_x": 0.15,
    "shear_y": 0.15,
    "translate_x": 9,
    "translate_y": 5,
    "rotate": 15,
    "brightness": 0.45,
    "color": 0.45,
    "contrast": 0.45,
    "sharpness": 0.45,
    "posterize": 2,
    "solarize": 128,
}


def outcomes(image: Image.Image, most: dict[str, float], part: float = 1.0) -> list[Image.Image]:
    """Do every operation by that part of the most, either way."""
    return [
        operation(image, most.get(name, 0) * sign * part)
        for name, operation in OPERATIONS.items()
        for sign in (1, -1)
    ]


def test_trivial_augment_does_every_operation_at_every_strength() -> None:
    kept = PIXELS.copy()
    expected = {
        image.tobytes()
        for step in range(31)
        for image in outcomes(Image.fromarray(PIXELS), WIDEST, step / 30)
    }
    found = [trivial_augment(PIXELS, np.random.default_rng(seed)).tobytes() for seed in range(4000)]
    assert set(found) <= expected
    assert len(set(found)) > 0.9 * len(expected) > 400
    assert found[7] == trivial_augment(PIXELS, np.random.default_rng(7)).tobytes()
    assert np.array_equal(PIXELS, kept)


def test_rand_augment_does_one_of_all_operations_of_the_given_strength() -> None:
    kept = PIXELS.copy()
    expected = {image.tobytes() for image in outcomes(Image.fromarray(PIXELS), HALF)}
    found = {
        rand_augment(PIXELS, 1, 15, np.random.default_rng(seed)).tobytes() for seed in range(400)
    }
    assert len(expected) == 3 + 2 * 9 + 2  # three know no strength, two one way
    assert found == expected
    assert np.array_equal(PIXELS, kept)
    still = {
        rand_augment(PIXELS, 1, 0, np.random.default_rng(seed)).tobytes() for seed in range(200)
    }
    assert len(still) == 3  # nothing, autocontrast and equalize


def test_rand_augment_does_the_given_number_of_operations_one_after_the_other() -> None:
    once = {image.tobytes(): image for image in outcomes(Image.fromarray(PIXELS), HALF)}
    twice = {image.tobytes() for first in once.values() for image in outcomes(first, HALF)}
    found = [
        rand_augment(PIXELS, 2, 15, np.random.default_rng(seed)).tobytes() for seed in range(300)
    ]
    assert set(found) <= twice
    assert len(set(found) - once.keys()) > 150
    assert found[7] == rand_augment(PIXELS, 2, 15, np.random.default_rng(7)).tobytes()
