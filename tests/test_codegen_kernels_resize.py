"""The kernel that resizes and crops, alone, against ``preprocess``, to the gray level."""

import ctypes
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
from shufflenet.codegen.kernels import Resize, aligned
from shufflenet.data import open_images
from shufflenet.errors import SpecError
from shufflenet.machine import host_target
from shufflenet.preprocess import decode, resize_and_crop, resized_size
from shufflenet.preprocess._axis import Axis
from shufflenet.preprocess._crop import _crop_start
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


@cache
def resizer(
    how: Preprocess, size: tuple[int, int], *, has_doubles: bool = True
) -> Callable[[Pixels], Pixels]:
    """The kernel for one way of resizing, with its scratch, for ``(height, width, bytes)``."""
    kernels = float_kernels(HOST)
    resize = Resize(kernels.library, has_doubles=has_doubles)
    call = compiled(kernels, resize.kernel(how, size, MOST_PX), HOST)
    scratch_bytes = resize.scratch_bytes(how, size, MOST_PX)
    scratch, output_bytes = aligned(scratch_bytes + GUARD, np.uint8), size[0] * size[1] * 3

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
        return output[:output_bytes].reshape(*size, 3)

    return run


def expected(image: Pixels, how: Preprocess) -> Pixels:
    """What ``preprocess`` computes; where Pillow 13 would take columns first, rows first."""
    height, width, _ = image.shape
    if how.resizer == "opencv" or height <= 2 * width:
        return resize_and_crop(Image.fromarray(image), how)
    resized = resized_size(width, height, how.resize_px, how.longer_side)
    across, down = (
        Axis(source, to, _crop_start(to, how.crop_px, how.crop_offset), how.crop_px)
        for source, to in zip((width, height), resized, strict=True)
    )
    columns = _weighted_sum(np.ascontiguousarray(image.swapaxes(0, 1)), *_taps(across))
    return _weighted_sum(np.ascontiguousarray(columns.swapaxes(0, 1)), *_taps(down))


def check(image: Pixels, how: Preprocess, *, has_doubles: bool = True) -> None:
    found = resizer(how, (how.crop_px, how.crop_px), has_doubles=has_doubles)(image)
    assert np.array_equal(found, expected(np.ascontiguousarray(image[..., :3]), how))


@pytest.mark.parametrize("how", WAYS, ids=lambda how: f"{how.resizer} {how.resize_px}")
def test_every_size_is_resized_as_preprocess_does(how: Preprocess) -> None:
    rng = np.random.default_rng(how.resize_px)
    sides = (1, 2, 3, 5, 6, 7, 31, 64, 256, 300)
    sizes = [*product(sides, sides), (MOST_PX, 1), (1, MOST_PX), (MOST_PX, 17), (17, MOST_PX)]
    sizes += [(int(h), int(w)) for h, w in rng.integers(1, 400, (10, 2))]
    for number, (height, width) in enumerate(sizes):
        check(rng.integers(0, 256, (height, width, 3 + number % 2), np.uint8), how)


@pytest.mark.parametrize("how", WAYS, ids=lambda how: f"{how.resizer} {how.resize_px}")
def test_a_processor_without_float64_resizes_the_same(how: Preprocess) -> None:
    rng = np.random.default_rng(how.resize_px)
    for number, size in enumerate([*rng.integers(1, 400, (25, 2)), (1, 1), (3, 300), (300, 3)]):
        check(rng.integers(0, 256, (*size, 3 + number % 2), np.uint8), how, has_doubles=False)


@pytest.mark.parametrize("value", [0, 255])
def test_one_color_stays_that_color(value: int) -> None:
    for how in WAYS:
        for size in ((1, 1), (40, 300), (500, 331)):
            found = resizer(how, (how.crop_px, how.crop_px))(np.full((*size, 3), value, np.uint8))
            assert np.all(found == value)


def test_rows_may_be_far_apart_or_upside_down() -> None:
    big = photo("strides", 150, 200)
    for how in WAYS[:4]:
        check(big[::2, :90], how)
        check(big[::-1], how)
        check(big[::-3, :, :], how)


@pytest.mark.parametrize("pixel_bytes", [3, 4])
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
        for how, width, at_end in product(WAYS, (1, 2, 5, 8, 60), (True, False)):
            height = min(64, len(inside) // (width * pixel_bytes))
            size = height * width * pixel_bytes
            part = inside[-size:] if at_end else inside[:size]
            check(part.reshape(height, width, pixel_bytes), how)
    finally:
        for address in guarded:
            libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(page), 3)


def test_a_crop_may_be_wider_than_high() -> None:
    how = Preprocess(resize_px=64, crop_px=64)
    image = photo("wide", 90, 130)
    square = resizer(how, (64, 64))(image)
    assert np.array_equal(resizer(how, (40, 64))(image), square[12:52])
    assert np.array_equal(resizer(how, (64, 30))(image), square[:, 17:47])


def test_more_than_the_resized_image_cannot_be_kept() -> None:
    resize = Resize(float_kernels(HOST).library)
    with pytest.raises(SpecError, match="at most resize_px, 64"):
        resize.kernel(Preprocess(resize_px=64, crop_px=64), (64, 65), MOST_PX)


def test_scratch_does_not_grow_with_the_area_of_images() -> None:
    resize = Resize(float_kernels(HOST).library)
    how = Preprocess(resize_px=256, crop_px=224)
    sizes = [resize.scratch_bytes(how, (224, 224), px) for px in (256, 512, 4096, 8192)]
    assert sizes == sorted(sizes)
    assert sizes[-1] < 120_000
    by_opencv = replace(how, resizer="opencv")
    assert resize.scratch_bytes(by_opencv, (224, 224), 8192) < 10_000


def test_photos_are_resized_as_preprocess_does(real_data: Path) -> None:
    photos = open_images(real_data / "imagenet-samples.tar.gz")  # holds the file that is read
    for how, file in product(WAYS[:3], photos.samples[::25]):
        image = np.asarray(decode(file.read(), exif=how.exif))
        if max(image.shape) <= MOST_PX:
            check(image, how)
