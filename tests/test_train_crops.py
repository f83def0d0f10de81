"""Training crops against Pillow: what is decoded in part, or smaller, shows the same."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from seeded import photo
from shufflenet.data import Sample, open_images
from shufflenet.errors import ImageError
from shufflenet.preprocess import decode
from shufflenet.recipes import preprocess_for
from shufflenet.train import _jpeg
from shufflenet.train._jpeg import upright_jpeg
from shufflenet.train._load_crop import load_crop
from shufflenet.train.augment import random_crop

AREA = 0.08


def jpeg(height: int, width: int, mode: str = "RGB", **options: object) -> bytes:
    content = io.BytesIO()
    image = Image.fromarray(photo(f"{height}x{width}", height, width)).convert(mode)
    image.save(content, "JPEG", **options)
    return content.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def sample(path: Path, content: bytes) -> Sample:
    path.write_bytes(content)
    return Sample(path.name, 0, str(path))


def crop_of(image: Sample, size_px: int, seed: int) -> npt.NDArray[np.int64]:
    found = load_crop(image, preprocess_for(size_px), AREA, np.random.default_rng(seed))
    assert found.shape == (size_px, size_px, 3)
    return found.numpy().astype(np.int64)


def by_pillow(image: Image.Image, size_px: int, seed: int) -> npt.NDArray[np.int64]:
    crop = random_crop(*image.size, AREA, np.random.default_rng(seed))
    part = image.crop((crop.left, crop.top, crop.right, crop.bottom))
    pixels = np.asarray(part.resize((size_px, size_px), Image.Resampling.BILINEAR))
    return (pixels[:, ::-1] if crop.mirrored else pixels).astype(np.int64)


KINDS = {
    "4:2:0": jpeg(301, 403, subsampling="4:2:0"),
    "4:2:2": jpeg(301, 403, subsampling="4:2:2"),
    "4:4:4": jpeg(301, 403, subsampling="4:4:4"),
    "progressive": jpeg(301, 403, progressive=True),
    "gray": jpeg(301, 403, "L"),
    "restart markers": jpeg(301, 403, restart_marker_rows=1),
    "in RGB": jpeg(301, 403, keep_rgb=True),
    "upright by EXIF": jpeg(301, 403, exif=turned(1)),
    "turned by EXIF": jpeg(301, 403, exif=turned(6)),
    "CMYK": jpeg(301, 403, "CMYK"),
}
FAST = set(KINDS) - {"turned by EXIF", "CMYK"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_jpeg_is_as_pillow_makes_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = sample(tmp_path / "a.jpg", KINDS[kind])
    assert (upright_jpeg(KINDS[kind], "a") is not None) == (kind in FAST)
    for seed in range(10):
        found = crop_of(image, 128, seed)
        expected = by_pillow(decode(KINDS[kind]), 128, seed)
        assert np.abs(found - expected).max() <= 1
        with monkeypatch.context() as patch:
            patch.setattr(_jpeg, "simplejpeg", None)
            assert np.array_equal(found, crop_of(image, 128, seed))


@pytest.mark.parametrize("kind", sorted(FAST))
@pytest.mark.parametrize("shrink", [1, 2, 4, 8])
def test_rows_above_the_bottom_are_those_of_the_whole(kind: str, shrink: int) -> None:
    found = upright_jpeg(KINDS[kind], "a")
    assert found
    whole = np.asarray(decode(KINDS[kind], shrink=shrink))
    assert whole.shape[:2] == (-(-301 // shrink), -(-403 // shrink))
    for bottom in (1, 8, 15, 16, 17, 150, 288, 300, 301):
        rows = -(-bottom // shrink)
        assert np.array_equal(found.decode(bottom, shrink)[:rows], whole[:rows])


def test_large_photos_are_decoded_smaller_and_stay_close(tmp_path: Path) -> None:
    image = sample(tmp_path / "a.jpg", jpeg(901, 1203, quality=90))
    for seed in range(5):
        with_ = crop_of(image, 32, seed)
        expected = by_pillow(decode(image.read()), 32, seed)
        assert np.abs(with_ - expected).mean() < 3  # a part of a pixel to the side


@pytest.mark.parametrize("name", ["a.png", "a.ppm", "a.bmp", "a.gif"])
def test_other_formats_are_read_by_pillow_whatever_they_are_called(
    name: str, tmp_path: Path
) -> None:
    content = io.BytesIO()
    Image.fromarray(photo("a", 60, 80)).save(content, name[2:])
    image = sample(tmp_path / "a.JPEG", content.getvalue())
    assert np.abs(crop_of(image, 32, 3) - by_pillow(decode(image.read()), 32, 3)).max() <= 1


@pytest.mark.parametrize(
    "content",
    [
        KINDS["4:2:0"][:-500],
        KINDS["4:2:0"][:200],
        KINDS["4:2:0"][:2] + KINDS["4:2:0"][-2:],
        b"\xff\xd8\xff\xc0\x00\x0b\x08\xff\xd9",
        b"P6\n4 4\n255\nshort",
        b"",
    ],
)
def test_what_cannot_be_read_is_refused(content: bytes, tmp_path: Path) -> None:
    whole = sample(tmp_path / "a.jpg", content)
    part = Sample("a.ppm", 0, whole.path, 0, len(content))
    for image in (whole, part) if content else (whole,):
        with pytest.raises(ImageError, match=f"Cannot read '{image.name}' as an image"):
            load_crop(image, preprocess_for(32), AREA, np.random.default_rng(0))


def test_an_image_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = sample(tmp_path / "a.jpg", KINDS["4:2:0"])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)
    with pytest.raises(ImageError, match="more than 100,000 pixels"):
        load_crop(image, preprocess_for(32), AREA, np.random.default_rng(0))


def test_on_real_photos_the_crops_are_pillows(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = open_images(real_data / "imagenet-samples.tar.gz")
    for seed, image in enumerate(photos.samples[::5]):
        found = crop_of(image, 224, seed)
        assert np.abs(found - by_pillow(decode(image.read()), 224, seed)).max() <= 1
        with monkeypatch.context() as patch:
            patch.setattr(_jpeg, "simplejpeg", None)
            assert np.array_equal(found, crop_of(image, 224, seed))
