"""Inputs of runtimes: normalized images and pixels."""

import numpy as np
import pytest

from shufflenet.preprocess import normalize
from shufflenet.runtimes._inputs import to_pixels
from shufflenet.spec import Preprocess

UNCHANGED = Preprocess(
    resize_px=32, crop_px=32, channels="bgr", value_range=255, mean=(0, 0, 0), std=(1, 1, 1)
)


@pytest.mark.parametrize("how", [Preprocess(resize_px=32, crop_px=32), UNCHANGED])
def test_normalized_images_turn_back_into_pixels(how: Preprocess) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    assert np.array_equal(to_pixels(normalize(images, how), how), np.moveaxis(images, -1, 1))
