"""Preprocessing against the sources' own."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import PIL
import pytest
from PIL import Image

from preprocessed import IMAGES, SIZES, digest, sample
from seeded import photo
from shufflenet.data import Sample, load, open_images
from shufflenet.errors import ImageError
from shufflenet.preprocess import (
    Pixels,
    affine,
    decode,
    mean_image,
    normalize,
    resize_and_crop,
    resized_size,
)
from shufflenet.preprocess._mean_image import read_mean_image
from shufflenet.spec import Preprocess
from shufflenet.zoo import WEIGHTS

GOLDEN = Path(__file__).parent / "golden"
TORCHVISION = np.load(GOLDEN / "torchvision.npz")
SYNTHETIC = np.load(GOLDEN / "preprocess-synthetic.npz")

BY_PILLOW = Preprocess(resize_px=256, crop_px=224)
PADDLECLAS = replace(BY_PILLOW, resizer="opencv", longer_side="round", crop_offset="floor")
MEGVII = replace(PADDLECLAS, longer_side="half-up", crop_offset="round", exif=False)
SOURCES = {
    "torchvision": replace(BY_PILLOW, exif=False),
    "torchvision 232": replace(BY_PILLOW, resize_px=232, exif=False),
    "mmpretrain": BY_PILLOW,
    "paddleclas": PADDLECLAS,
    "megvii": MEGVII,
}


def turned_round(how: Preprocess, width: int, height: int) -> bool:
    """Whether Pillow 13 or later resizes this image along columns first; golden files do not."""
    return (
        how.resizer == "pillow" and int(PIL.__version__.split(".")[0]) > 12 and height > 2 * width
    )


def column(file: Mapping[str, npt.NDArray[np.generic]], source: str) -> int:
    return int(np.flatnonzero(file["sources"] == source)[0])


@pytest.mark.parametrize("name", [key for key in TORCHVISION if key.startswith("preprocess")])
def test_resize_and_crop_are_torchvisions(name: str) -> None:
    height, width, resize, crop = map(int, name.split()[1:5])
    how = Preprocess(resize_px=resize, crop_px=crop)
    pixels = resize_and_crop(Image.fromarray(photo(f"{height}x{width}", height, width)), how)
    assert np.array_equal(pixels[::3, ::3], TORCHVISION[name])


@pytest.mark.parametrize("size", IMAGES, ids=str)
@pytest.mark.parametrize("source", SOURCES)
def test_every_pixel_is_the_sources_own(source: str, size: tuple[int, int]) -> None:
    if turned_round(SOURCES[source], size[1], size[0]):
        pytest.skip("written with a Pillow below 13; the next test holds it against the present")
    row = column(SYNTHETIC, source), IMAGES.index(size)
    image = Image.fromarray(photo("{}x{}".format(*size), *size))
    for number, (resize, crop) in enumerate(SIZES):
        pixels = resize_and_crop(image, replace(SOURCES[source], resize_px=resize, crop_px=crop))
        assert pixels.shape == (crop, crop, 3)
        assert np.array_equal(sample(pixels), SYNTHETIC["samples"][*row, number])
        assert np.array_equal(digest(pixels), SYNTHETIC["digests"][*row, number])


@pytest.mark.parametrize("scale", [0.3, 0.5, 1, 1.7, 6])
def test_pillow_itself_resizes_so(scale: float) -> None:
    """The golden files hold for one version of Pillow, this for the one that is installed."""
    for size in IMAGES:
        if max(size) > 16 * min(size):
            continue  # rows first, as the golden files say
        image = Image.fromarray(photo("{}x{}".format(*size), *size))
        resize = max(1, round(min(size) / scale))
        width, height = resized_size(*image.size, resize)
        left, top = round((width - resize) / 2), round((height - resize) / 2)
        whole = image.resize((width, height), Image.Resampling.BILINEAR)
        got = resize_and_crop(image, replace(BY_PILLOW, resize_px=resize, crop_px=resize))
        kept = whole.crop((left, top, left + resize, top + resize))
        assert np.array_equal(got, np.asarray(kept))


@pytest.mark.parametrize("source", SOURCES)
def test_every_pixel_of_real_photos_is_the_sources_own(source: str, real_data: Path) -> None:
    archive = real_data / "imagenet-samples.tar.gz"
    if not archive.exists():
        pytest.skip(f"{archive} is not there")
    with np.load(GOLDEN / "preprocess-photos.npz") as golden:
        names, digests = str(golden["names"]).split("\n"), golden["digests"]
        number = column(golden, source)
    expected = {name: digests[i, number].tolist() for i, name in enumerate(names)}
    photos = open_images(archive)
    assert [file.name for file in photos.samples] == names
    got = {file.name: digest(loaded(file, SOURCES[source])).tolist() for file in photos.samples}
    different = [file for file in photos.samples if got[file.name] != expected[file.name]]
    assert [file.name for file in different if not is_turned_round(file, SOURCES[source])] == []


def is_turned_round(file: Sample, how: Preprocess) -> bool:
    return turned_round(how, *decode(file.read(), exif=how.exif).size)


def loaded(file: Path | Sample, how: Preprocess) -> Pixels:
    pixels = load(file, how)
    assert not isinstance(pixels, ImageError)
    return pixels


@pytest.mark.parametrize("scale", [0.3, 0.5, 1, 1.7, 6])
def test_opencv_itself_resizes_so(scale: float) -> None:
    """The golden files hold for one version of OpenCV, this for the one that is installed."""
    cv2 = pytest.importorskip("cv2")
    for size in IMAGES:
        pixels = photo("{}x{}".format(*size), *size)
        resize = max(1, round(min(size) / scale))
        width, height = resized_size(size[1], size[0], resize, "round")
        left, top = (width - resize) // 2, (height - resize) // 2
        expected = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
        how = replace(PADDLECLAS, resize_px=resize, crop_px=resize)
        got = resize_and_crop(Image.fromarray(pixels), how)
        assert np.array_equal(got, expected[top : top + resize, left : left + resize])


def test_the_longer_side_is_rounded_as_each_source_does() -> None:
    for shorter in (*range(1, 100), 375, 480, 511, 512, 513, 1024, 1536):
        for longer in range(shorter, 4 * shorter + 9, 1 + shorter // 60):
            torchvision = int(256 * longer / shorter)
            paddleclas = int(round(longer * (256.0 / shorter)))  # noqa: RUF046  # as it stands there
            megvii = int(256 / shorter * longer + 0.5)
            assert resized_size(longer, shorter, 256) == (torchvision, 256)
            assert resized_size(shorter, longer, 256, "round") == (256, paddleclas)
            assert resized_size(longer, shorter, 256, "half-up") == (megvii, 256)
    assert resized_size(512, 513, 256, "round") == (256, 256)
    assert resized_size(512, 513, 256, "half-up") == (256, 257)


@pytest.mark.parametrize("how", [BY_PILLOW, PADDLECLAS], ids=["pillow", "opencv"])
def test_what_has_its_size_already_is_only_cropped(how: Preprocess) -> None:
    pixels = photo("as it is", 256, 300)
    assert np.array_equal(resize_and_crop(Image.fromarray(pixels), how), pixels[16:240, 38:262])


def test_normalising_is_to_tensor_and_normalize() -> None:
    how = Preprocess(resize_px=8, crop_px=8)
    pixels = photo("normalise", 8, 8)
    expected = (pixels / 255 - how.mean) / how.std
    got = normalize(pixels, how)
    assert got.dtype == np.float32
    assert got.shape == (3, 8, 8)
    assert got.flags["C_CONTIGUOUS"]
    assert np.abs(got - expected.transpose(2, 0, 1)).max() < 1e-6


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("value_range", [1, 255])
def test_mean_and_deviation_are_in_the_order_and_the_range_of_values(
    channels: Literal["rgb", "bgr"], value_range: Literal[1, 255]
) -> None:
    mean, std = (0.1 * value_range, 0.2 * value_range, 0.3 * value_range), (0.5, 2.0, 3.0)
    how = replace(BY_PILLOW, channels=channels, value_range=value_range, mean=mean, std=std)
    pixels = np.stack([photo("one", 5, 4), photo("two", 5, 4)])
    ordered = {"rgb": pixels, "bgr": pixels[..., ::-1]}[channels].astype(float)
    got = normalize(pixels, how)
    assert got.dtype == np.float32
    assert got.shape == (2, 3, 5, 4)
    for i in range(3):
        expected = (ordered[..., i] * value_range / 255 - mean[i]) / std[i]
        assert np.abs(got[:, i] - expected).max() < 1e-6 * value_range


PLAIN = replace(MEGVII, channels="bgr", value_range=255, mean=(0.0,) * 3, std=(1.0,) * 3)


def test_megviis_values_are_the_pixels_blue_first_and_nothing_else() -> None:
    pixels = photo("megvii", 6, 7)
    assert np.array_equal(normalize(pixels, PLAIN), pixels[:, :, ::-1].transpose(2, 0, 1))


def test_the_mean_image_is_megviis_to_the_last_bit() -> None:
    image = read_mean_image("megvii-imagenet-224")
    assert image.shape == (224, 224, 3)
    assert image.dtype == np.float32
    # Of the values that its XML file holds, as little-endian float32, in their order.
    expected = "a2d0d25b811ee97ad38f3e458402ab2a15363ae6ea0cd78c1dad239e5b2aee66"
    assert hashlib.sha256(image.astype("<f4").tobytes()).hexdigest() == expected
    first = np.array([114.421082, 123.886177, 125.102142], np.float32)  # so the file begins
    assert np.array_equal(image[0, 0], first)
    means = image.mean((0, 1), dtype=np.float64)
    assert np.allclose(means, (103.063, 115.903, 123.152), atol=1e-3)  # blue first
    assert read_mean_image("megvii-imagenet-224") is image
    assert not image.flags.writeable


def test_the_mean_image_is_subtracted_from_values_to_255() -> None:
    how = replace(PLAIN, mean_image="megvii-imagenet-224")
    pixels = photo("large", 224, 224)
    image = read_mean_image("megvii-imagenet-224")
    expected = pixels[:, :, ::-1].astype(np.float32) - image
    assert np.array_equal(normalize(pixels, how), expected.transpose(2, 0, 1))
    batch = normalize(np.stack([pixels, pixels[::-1]]), how)
    assert np.array_equal(batch[0], expected.transpose(2, 0, 1))
    other = replace(how, channels="rgb", value_range=1)
    expected = (pixels - image[:, :, ::-1]).transpose(2, 0, 1) / 255
    assert np.abs(normalize(pixels, other) - expected).max() < 1e-6


@pytest.mark.parametrize("how", sorted({w.preprocess for w in WEIGHTS.values()}, key=repr), ids=str)
def test_affine_and_the_mean_image_are_the_normalization_of_every_checkpoint(
    how: Preprocess,
) -> None:
    pixels = photo("affine", *how.size_px)
    scale, offset = affine(how)
    image = mean_image(how)
    assert scale.shape == offset.shape == (3,)
    assert (image is not None) == bool(how.mean_image)
    planes = pixels.transpose(2, 0, 1)[:: {"rgb": 1, "bgr": -1}[how.channels]].astype(np.float64)
    planes -= 0 if image is None else image
    expected = planes * scale[:, None, None] + offset[:, None, None]
    assert np.abs(normalize(pixels, how) - expected).max() < 1e-6 * how.value_range


def test_the_mean_image_follows_the_order_of_the_channels() -> None:
    bgr = replace(PLAIN, mean_image="megvii-imagenet-224")
    blue_first, red_first = mean_image(bgr), mean_image(replace(bgr, channels="rgb"))
    assert blue_first is not None
    assert red_first is not None
    assert blue_first.shape == (3, 224, 224)
    assert np.array_equal(blue_first, read_mean_image("megvii-imagenet-224").transpose(2, 0, 1))
    assert np.array_equal(red_first, blue_first[::-1])
    assert mean_image(PLAIN) is None
