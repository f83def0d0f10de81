"""Photos that are measured while they are loaded."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conftest import card_for
from seeded import photo
from shufflenet.data import Photo, Sample, load
from shufflenet.data._photo import shrink  # to compare it with a slow one
from shufflenet.errors import ImageError
from shufflenet.zoo import find_network

HOW = card_for(find_network("shufflenet_v2_x0_25")).preprocess


def sample(folder: Path, image: Image.Image, name: str = "a.png", **how: object) -> Sample:
    content = io.BytesIO()
    image.save(content, name.rpartition(".")[2].replace("jpg", "jpeg"), **how)
    (folder / name).write_bytes(content.getvalue())
    return Sample(name, 0, str(folder / name))


def test_a_photo_is_loaded_as_without_being_measured(tmp_path: Path) -> None:
    one = sample(tmp_path, Image.fromarray(photo("a", 61, 97)))
    seen = Photo(one)
    pixels, expected = seen.load(HOW), load(one, HOW)
    assert not isinstance(pixels, ImageError)
    assert not isinstance(expected, ImageError)
    assert np.array_equal(pixels, expected)
    assert (seen.width, seen.height) == (97, 61)
    assert seen.brightness == pytest.approx(pixels.mean())
    assert np.abs(seen.small - shrink(pixels, 8)).max() <= 0.5
    only = Photo(one, measured=False)
    again = only.load(HOW)
    assert not isinstance(again, ImageError)
    assert np.array_equal(again, expected)
    assert (only.width, only.height, only.brightness) == (97, 61, 0)
    assert not only.small.any()


def test_the_size_is_that_of_the_upright_photo(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    seen = Photo(sample(tmp_path, Image.fromarray(photo("a", 61, 97)), "a.jpg", exif=exif))
    seen.load(HOW)
    assert (seen.width, seen.height) == (61, 97)
    stored = Photo(seen.sample)
    stored.load(replace(HOW, exif=False))
    assert (stored.width, stored.height) == (97, 61)


def test_brightness_of_16_bits_and_of_gray_is_from_0_to_255(tmp_path: Path) -> None:
    levels = np.full((40, 40), 0x8080, np.uint16)
    how = replace(HOW, channels="gray", bits=16, mean=(0.5,), std=(0.5,))
    seen = Photo(sample(tmp_path, Image.fromarray(levels)))
    assert not isinstance(seen.load(how), ImageError)
    assert seen.brightness == pytest.approx(0x80)
    assert seen.small.shape == (8, 8, 1)
    assert (seen.small == 0x80).all()


def test_a_photo_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"junk")
    seen = Photo(Sample("a.png", 0, str(tmp_path / "a.png")))
    assert isinstance(seen.load(HOW), ImageError)
    assert (seen.width, seen.height, seen.brightness) == (0, 0, 0)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 9), st.integers(0, 9))
def test_blocks_are_means_of_their_pixels(height: int, width: int, side: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 2), np.uint8)
    found = shrink(pixels, side)
    for row in range(side):
        for column in range(side):
            top, left = row * height // side, column * width // side
            bottom = max(top + 1, (row + 1) * height // side)
            right = max(left + 1, (column + 1) * width // side)
            expected = pixels[top:bottom, left:right].mean(axis=(0, 1))
            assert found[row, column] == pytest.approx(expected)
