"""The kernel that resizes and crops, alone, against ``preprocess``, to the gray level."""

import ctypes
import math
import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

pytest.importorskip("llvmlite")

from kernel_calls import compiled, float_kernels
from seeded import photo
from shufflenet.codegen.kernels import Resize, aligned, photo_bytes
from shufflenet.data import open_images
from shufflenet.machine import host_target
from shufflenet.preprocess import decode, mean_color, resize_and_crop, scaled_size
from shufflenet.preprocess._axis import Axis
from shufflenet.preprocess._crop import crop_start
from shufflenet.preprocess._pillow_resize import _taps, _weighted_sum
from shufflenet.spec import Preprocess

HOST = host_target(int8=False)
MOST_PX = 900
GUARD = 64  # bytes beyond the scratch and the output, which must stay
Pixels = npt.NDArray[np.uint8]

WAYS = [
    Preprocess(resize_px=256, crop_px=224),
    Preprocess(resize_px=92, crop_px=80, longer_side="round", crop_offset="floor"),
    Preprocess(resize_px=33, crop_px=32, resizer="opencv", longer_side="half-up"),
    Preprocess(resize_px=9, crop_px=9, resizer="opencv", longer_side="round", crop_offset="floor"),
    Preprocess(resize_px=5, crop_px=2, longer_side="half-up", crop_offset="floor"),
    Preprocess(resize_px=16, crop_px=1, resizer="opencv"),
]
GRAY = Preprocess(resize_px=32, crop_px=28, channels="gray", mean=(0.4,), std=(0.2,))
FITS = [
    replace(WAYS[0], resize_px=44, crop_px=(40, 64)),
    replace(WAYS[1], resize_px=33, crop_px=(70, 33)),
    replace(WAYS[2], resize_px=20, crop_px=(20, 47)),
    replace(WAYS[0], resize_px=24, crop_px=24, fit="squash"),
    replace(WAYS[2], resize_px=24, crop_px=(24, 31), fit="squash"),
    replace(WAYS[0], resize_px=24, crop_px=24, fit="pad"),
    replace(WAYS[1], resize_px=17, crop_px=(30, 17), fit="pad", channels="bgr"),
    replace(WAYS[2], resize_px=24, crop_px=(24, 40), fit="pad"),
    GRAY,
    replace(GRAY, resize_px=20, crop_px=(20, 33), fit="pad", longer_side="round"),
    replace(GRAY, resizer="opencv", longer_side="half-up"),
]


@cache
def resizer(how: Preprocess, *, has_doubles: bool = True) -> Callable[[Pixels], Pixels]:
    """The kernel for one way of resizing, with its scratch, for ``(height, width, bytes)``."""
    kernels = float_kernels(HOST)
    resize = Resize(kernels.library, has_doubles=has_doubles)
    call = compiled(kernels, resize.kernel(how, MOST_PX), HOST)
    scratch_bytes = resize.scratch_bytes(how, MOST_PX)
    shape = (*how.size_px, how.in_channels)
    scratch, output_bytes = aligned(scratch_bytes + GUARD, np.uint8), math.prod(shape)

    def run(image: Pixels) -> Pixels:
        height, width, pixel_bytes = image.shape
        output = np.full(output_bytes + GUARD, 77, np.uint8)
        scratch[:] = 77
        call(
            pixels=image,
            row_bytes=image.strides[0],
            pixel_bytes=pixel_bytes,
            width=width,
            height=height,
            scratch=scratch,
            output=output,
        )
        assert np.all(scratch[scratch_bytes:] == 77)
        assert np.all(output[output_bytes:] == 77)
        return output[:output_bytes].reshape(shape)

    return run


def expected(image: Pixels, how: Preprocess) -> Pixels:
    """What ``preprocess`` computes; where Pillow 13 would take columns first, rows first."""
    height, width, _ = image.shape
    if how.resizer == "opencv" or (height <= 2 * width and how.fit != "squash"):
        given = image if how.in_channels == 1 else Image.fromarray(image)
        return np.asarray(resize_and_crop(given, how), np.uint8)
    resized = scaled_size(width, height, how)
    if how.fit == "pad":
        across, down = (
            Axis(px, to, 0, to) for px, to in zip(image.shape[1::-1], resized, strict=True)
        )
        inner = _by_rows_first(image, across, down)
        framed = np.empty((*how.size_px, how.in_channels), np.uint8)
        framed[:] = mean_color(how)
        top, left = (
            crop_start(px, to, how.crop_offset)
            for px, to in zip(how.size_px, resized[::-1], strict=True)
        )
        framed[top : top + resized[1], left : left + resized[0]] = inner
        return framed
    across, down = (
        Axis(source, to, crop_start(to, px, how.crop_offset), px)
        for source, to, px in zip((width, height), resized, how.size_px[::-1], strict=True)
    )
    return _by_rows_first(image, across, down)


def _by_rows_first(image: Pixels, across: Axis, down: Axis) -> Pixels:
    columns = _weighted_sum(np.ascontiguousarray(image.swapaxes(0, 1)), *_taps(across))
    return _weighted_sum(np.ascontiguousarray(columns.swapaxes(0, 1)), *_taps(down))


def check(image: Pixels, how: Preprocess, *, has_doubles: bool = True) -> None:
    found = resizer(how, has_doubles=has_doubles)(image)
    colors = np.ascontiguousarray(image[..., : how.in_channels])
    assert np.array_equal(found, expected(colors, how))


def name_of(how: Preprocess) -> str:
    return f"{how.channels} {how.resizer} {how.fit} {how.crop_px}"


def bytes_of(how: Preprocess, number: int) -> int:
    """The bytes of a pixel of the image of a number."""
    possible = photo_bytes(how)
    return possible[number % len(possible)]


@pytest.mark.parametrize("how", [*WAYS, *FITS], ids=name_of)
def test_every_size_is_resized_as_preprocess_does(how: Preprocess) -> None:
    rng = np.random.default_rng(how.resize_px)
    sides = (1, 2, 3, 5, 6, 7, 31, 64, 256, 300)
    sizes = [*product(sides, sides), (MOST_PX, 1), (1, MOST_PX), (MOST_PX, 17), (17, MOST_PX)]
    sizes += [(int(h), int(w)) for h, w in rng.integers(1, 400, (10, 2))]
    for number, (height, width) in enumerate(sizes):
        pixels = rng.integers(0, 256, (height, width, bytes_of(how, number)), np.uint8)
        check(pixels, how)


@pytest.mark.parametrize("how", [*WAYS, *FITS], ids=name_of)
def test_a_processor_without_float64_resizes_the_same(how: Preprocess) -> None:
    rng = np.random.default_rng(how.resize_px)
    for number, size in enumerate([*rng.integers(1, 400, (25, 2)), (1, 1), (3, 300), (300, 3)]):
        pixels = rng.integers(0, 256, (*size, bytes_of(how, number)), np.uint8)
        check(pixels, how, has_doubles=False)


@pytest.mark.parametrize("value", [0, 255])
def test_one_color_stays_that_color(value: int) -> None:
    for how in WAYS:
        for size in ((1, 1), (40, 300), (500, 331)):
            found = resizer(how)(np.full((*size, 3), value, np.uint8))
            assert np.all(found == value)


def test_rows_may_be_far_apart_or_upside_down() -> None:
    big = photo("strides", 150, 200)
    for how in WAYS[:4]:
        check(big[::2, :90], how)
        check(big[::-1], how)
        check(big[::-3, :, :], how)


@pytest.mark.parametrize("pixel_bytes", [1, 3, 4])
def test_nothing_outside_of_the_image_is_read(pixel_bytes: int) -> None:
    """The image ends where a page does, behind which reading ends the process."""
    page = os.sysconf("SC_PAGE_SIZE")
    libc = ctypes.CDLL(None, use_errno=True)
    block = np.zeros(9 * page, np.uint8)
    start = -block.ctypes.data % page
    guarded = [block.ctypes.data + start, block.ctypes.data + start + 7 * page]
    inside = block[start + page : start + 7 * page]
    inside[:] = np.random.default_rng(0).integers(0, 256, len(inside), np.uint8)
    for address in guarded:
        assert libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(page), 0) == 0
    try:
        ways = [how for how in (*WAYS, *FITS) if pixel_bytes in photo_bytes(how)]
        for how, width, at_end in product(ways, (1, 2, 5, 8, 60), (True, False)):
            height = min(64, len(inside) // (width * pixel_bytes))
            size = height * width * pixel_bytes
            part = inside[-size:] if at_end else inside[:size]
            check(part.reshape(height, width, pixel_bytes), how)
    finally:
        for address in guarded:
            libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(page), 3)


def test_no_photo_becomes_what_has_other_channels_or_bits() -> None:
    assert photo_bytes(replace(GRAY, bits=16)) == ()
    assert photo_bytes(replace(GRAY, channels="stored", mean=(0, 0), std=(1, 1))) == ()


def test_scratch_does_not_grow_with_the_area_of_images() -> None:
    resize = Resize(float_kernels(HOST).library)
    how = Preprocess(resize_px=256, crop_px=224)
    sizes = [resize.scratch_bytes(how, px) for px in (256, 512, 4096, 8192)]
    assert sizes == sorted(sizes)
    assert sizes[-1] < 120_000
    by_opencv = replace(how, resizer="opencv")
    assert resize.scratch_bytes(by_opencv, 8192) < 10_000


def test_photos_are_resized_as_preprocess_does(real_data: Path) -> None:
    photos = open_images(real_data / "imagenet-samples.tar.gz")  # holds the file that is read
    for how, file in product(WAYS[:3], photos.samples[::25]):
        image = np.asarray(decode(file.read(), exif=how.exif))
        if max(image.shape) <= MOST_PX:
            check(image, how)
