"""The kernels that read images, alone: pixels become what ``preprocess`` computes, bit for bit."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("llvmlite")

from kernel_calls import compiled, float_kernels, int8_kernels, offsets
from shufflenet.codegen.kernels import Kernels, aligned
from shufflenet.machine import host_target
from shufflenet.preprocess import affine, normalize
from shufflenet.spec import Preprocess, Target
from shufflenet.zoo import WEIGHTS

SCALE, ZERO = 1 / 0.018658, 114.0  # of an int8 network: ImageNet's range in 256 steps

HOST = host_target(int8=True)
WAYS = {
    (how.channels, how.value_range, how.mean, how.std): replace(how, resize_px=8, crop_px=8)
    for how in (weights.preprocess for weights in WEIGHTS.values())
    if not how.mean_image
}


def read_pixels(
    kernels: Kernels, target: Target, pixels: npt.NDArray[np.uint8], how: Preprocess
) -> npt.NDArray[np.generic]:
    """Planes, ``(3, height, width)``, of pixels, ``(height, width, 3)``."""
    height, width, colors = pixels.shape
    planes = aligned(colors * height * width, kernels.layout.dtype)
    order = (0, 1, 2) if how.channels == "rgb" else (2, 1, 0)
    compiled(kernels, kernels.input.pixels(order), target)(
        source=pixels,
        output=planes,
        output_offsets=offsets(width, colors * height),
        rows=height,
        columns=width,
        colors=np.concatenate(affine(how)).astype(np.float32),
        scale=SCALE,
        zero=ZERO,
    )
    return planes.reshape(colors, height, width)


def read_images(
    kernels: Kernels, target: Target, images: npt.NDArray[np.float32]
) -> npt.NDArray[np.generic]:
    """Planes, ``(3, height, width)``, of an image of that shape."""
    colors, height, width = images.shape
    planes = aligned(images.size, kernels.layout.dtype)
    compiled(kernels, kernels.input.images(), target)(
        source=images,
        source_offsets=offsets(width, colors * height),
        output=planes,
        output_offsets=offsets(width, colors * height),
        rows=colors * height,
        elements=width,
        scale=SCALE,
        zero=ZERO,
    )
    return planes.reshape(images.shape)


def every_byte() -> npt.NDArray[np.uint8]:
    """All values of each color, in rows of 43 pixels: two groups of 16, and 11 left."""
    values = np.resize(np.arange(256, dtype=np.uint8), 6 * 43)
    return np.stack([values, values[::-1], np.roll(values, 85)], axis=-1).reshape(6, 43, 3)


@pytest.mark.parametrize("how", WAYS.values(), ids=map(str, WAYS))
def test_pixels_become_the_floats_of_preprocess(how: Preprocess) -> None:
    pixels = every_byte()
    planes = read_pixels(float_kernels(HOST), HOST, pixels, how)
    assert np.array_equal(planes, normalize(pixels, how))


@pytest.mark.parametrize("how", WAYS.values(), ids=map(str, WAYS))
def test_pixels_become_the_bytes_that_their_floats_become(
    instructions: Target, how: Preprocess
) -> None:
    pixels = every_byte()
    from_pixels = read_pixels(int8_kernels(instructions), instructions, pixels, how)
    floats = normalize(pixels, how)
    from_floats = read_images(int8_kernels(instructions), instructions, floats)
    assert np.array_equal(from_pixels, from_floats)
    exact = floats.astype(float) * SCALE + ZERO
    assert np.abs(from_pixels - exact.clip(0, 255)).max() <= 0.5001


@pytest.mark.parametrize("width", [1, 7, 8, 33])
def test_float_images_are_copied(width: int) -> None:
    images = np.random.default_rng(width).standard_normal((3, 5, width), np.float32)
    target = replace(HOST, vector_bytes=16, registers=16)
    assert np.array_equal(read_images(float_kernels(target), target, images), images)


def test_what_no_byte_holds_is_limited(instructions: Target) -> None:
    values = np.array([np.inf, -np.inf, 1e30, -1e30, 3e9, 0.0, 1.0, -0.5, np.nan], np.float32)
    images = np.tile(values, (1, 1, 1))
    planes = read_images(int8_kernels(instructions), instructions, images)
    assert planes.ravel().tolist() == [255, 0, 255, 0, 255, 114, 168, 87, 255]


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 9])
def test_pixels_of_any_channels_become_planes(instructions: Target, channels: int) -> None:
    rng = np.random.default_rng(channels)
    pixels = rng.integers(0, 256, (3, 43, channels), np.uint8)
    numbers = rng.uniform(0.5, 2, (2, channels)).astype(np.float32)
    planes = aligned(pixels.size, np.float32)
    kernels = float_kernels(instructions)
    compiled(kernels, kernels.input.pixels(range(channels)), instructions)(
        source=pixels,
        output=planes,
        output_offsets=offsets(43, 3 * channels),
        rows=3,
        columns=43,
        colors=numbers.ravel(),
        scale=1.0,
        zero=0.0,
    )
    expected = pixels.astype(np.float32) * numbers[0] + numbers[1]
    assert np.array_equal(planes.reshape(channels, 3, 43), np.moveaxis(expected, -1, 0))
