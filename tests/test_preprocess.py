"""Preprocessing against the sources' own, and what becomes of every odd kind of file."""

import hashlib
import io
import os
import struct
import time
import zlib
from collections.abc import Callable, Mapping
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
from shufflenet.checkpoint import read_card
from shufflenet.data import Sample, load, open_images
from shufflenet.errors import CheckpointError, ImageError
from shufflenet.preprocess import cropped, decode, normalised, prepare, resized
from shufflenet.preprocess._normalise import mean_image
from shufflenet.spec import Preprocess

GOLDEN = Path(__file__).parent / "golden"
TORCHVISION = np.load(GOLDEN / "torchvision.npz")
SYNTHETIC = np.load(GOLDEN / "preprocess-synthetic.npz")
RED = (200, 30, 40)

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
    """Whether Pillow resizes another way since golden files were written; see ``_as_pillow``."""
    return (
        how.resizer == "pillow" and int(PIL.__version__.split(".")[0]) > 12 and height > 2 * width
    )


def column(file: Mapping[str, npt.NDArray[np.generic]], source: str) -> int:
    return int(np.flatnonzero(file["sources"] == source)[0])


@pytest.mark.parametrize("name", [key for key in TORCHVISION if key.startswith("preprocess")])
def test_resize_and_crop_are_torchvisions(name: str) -> None:
    height, width, resize, crop = map(int, name.split()[1:5])
    how = Preprocess(resize_px=resize, crop_px=crop)
    pixels = cropped(Image.fromarray(photo(f"{height}x{width}", height, width)), how)
    assert np.array_equal(pixels[::3, ::3], TORCHVISION[name])


@pytest.mark.parametrize("size", IMAGES, ids=str)
@pytest.mark.parametrize("source", SOURCES)
def test_every_pixel_is_the_sources_own(source: str, size: tuple[int, int]) -> None:
    if turned_round(SOURCES[source], size[1], size[0]):
        pytest.skip("written with a Pillow below 13; the next test holds it against the present")
    row = column(SYNTHETIC, source), IMAGES.index(size)
    image = Image.fromarray(photo("{}x{}".format(*size), *size))
    for number, (resize, crop) in enumerate(SIZES):
        pixels = cropped(image, replace(SOURCES[source], resize_px=resize, crop_px=crop))
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
        width, height = resized(*image.size, resize)
        left, top = round((width - resize) / 2), round((height - resize) / 2)
        whole = image.resize((width, height), Image.Resampling.BILINEAR)
        got = cropped(image, replace(BY_PILLOW, resize_px=resize, crop_px=resize))
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


def loaded(file: Path | Sample, how: Preprocess) -> npt.NDArray[np.uint8]:
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
        width, height = resized(size[1], size[0], resize, "round")
        left, top = (width - resize) // 2, (height - resize) // 2
        expected = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
        how = replace(PADDLECLAS, resize_px=resize, crop_px=resize)
        got = cropped(Image.fromarray(pixels), how)
        assert np.array_equal(got, expected[top : top + resize, left : left + resize])


def test_the_longer_side_is_rounded_as_each_source_does() -> None:
    for shorter in (*range(1, 100), 375, 480, 511, 512, 513, 1024, 1536):
        for longer in range(shorter, 4 * shorter + 9, 1 + shorter // 60):
            torchvision = int(256 * longer / shorter)
            paddleclas = int(round(longer * (256.0 / shorter)))  # noqa: RUF046  # as it stands there
            megvii = int(256 / shorter * longer + 0.5)
            assert resized(longer, shorter, 256) == (torchvision, 256)
            assert resized(shorter, longer, 256, "round") == (256, paddleclas)
            assert resized(longer, shorter, 256, "half-up") == (megvii, 256)
    assert resized(512, 513, 256, "round") == (256, 256)
    assert resized(512, 513, 256, "half-up") == (256, 257)


@pytest.mark.parametrize("how", [BY_PILLOW, PADDLECLAS], ids=["pillow", "opencv"])
def test_what_has_its_size_already_is_only_cropped(how: Preprocess) -> None:
    pixels = photo("as it is", 256, 300)
    assert np.array_equal(cropped(Image.fromarray(pixels), how), pixels[16:240, 38:262])


def test_normalising_is_to_tensor_and_normalize() -> None:
    how = Preprocess(resize_px=8, crop_px=8)
    pixels = photo("normalise", 8, 8)
    expected = (pixels / 255 - how.mean) / how.std
    got = normalised(pixels, how)
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
    got = normalised(pixels, how)
    assert got.dtype == np.float32
    assert got.shape == (2, 3, 5, 4)
    for i in range(3):
        expected = (ordered[..., i] * value_range / 255 - mean[i]) / std[i]
        assert np.abs(got[:, i] - expected).max() < 1e-6 * value_range


PLAIN = replace(MEGVII, channels="bgr", value_range=255, mean=(0.0,) * 3, std=(1.0,) * 3)


def test_megviis_values_are_the_pixels_blue_first_and_nothing_else() -> None:
    pixels = photo("megvii", 6, 7)
    assert np.array_equal(normalised(pixels, PLAIN), pixels[:, :, ::-1].transpose(2, 0, 1))


def test_the_mean_image_is_megviis_to_the_last_bit() -> None:
    image = mean_image("megvii-imagenet-224")
    assert image.shape == (224, 224, 3)
    assert image.dtype == np.float32
    # Of the values that its XML file holds, as little-endian float32, in their order.
    expected = "a2d0d25b811ee97ad38f3e458402ab2a15363ae6ea0cd78c1dad239e5b2aee66"
    assert hashlib.sha256(image.astype("<f4").tobytes()).hexdigest() == expected
    first = np.array([114.421082, 123.886177, 125.102142], np.float32)  # so the file begins
    assert np.array_equal(image[0, 0], first)
    means = image.mean((0, 1), dtype=np.float64)
    assert np.allclose(means, (103.063, 115.903, 123.152), atol=1e-3)  # blue first
    assert mean_image("megvii-imagenet-224") is image
    assert not image.flags.writeable


def test_the_mean_image_is_subtracted_from_values_to_255() -> None:
    how = replace(PLAIN, mean_image="megvii-imagenet-224")
    pixels = photo("large", 224, 224)
    image = mean_image("megvii-imagenet-224")
    expected = pixels[:, :, ::-1].astype(np.float32) - image
    assert np.array_equal(normalised(pixels, how), expected.transpose(2, 0, 1))
    batch = normalised(np.stack([pixels, pixels[::-1]]), how)
    assert np.array_equal(batch[0], expected.transpose(2, 0, 1))
    other = replace(how, channels="rgb", value_range=1)
    expected = (pixels - image[:, :, ::-1]).transpose(2, 0, 1) / 255
    assert np.abs(normalised(pixels, other) - expected).max() < 1e-6


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(mode: str, colour: object, kind: str = "PNG") -> bytes:
    return encoded(Image.new(mode, (40, 30), colour), kind)  # type: ignore[arg-type]  # any colour


def transparent_palette() -> bytes:
    image = Image.new("P", (40, 30), 0)
    image.putpalette([0, 0, 0, *RED])
    return encoded(image, "PNG", transparency=0)


def sixteen_bit_grey() -> bytes:
    return encoded(Image.fromarray(np.full((30, 40), 0x80FF, np.uint16)), "PNG")


def animation() -> bytes:
    frames = [Image.new("RGB", (40, 30), colour) for colour in (RED, "blue", "green")]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def sixteen_bit_colour() -> bytes:
    """A PNG of 16 bits a channel, which Pillow reads but does not write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    row = b"\0" + struct.pack(">HHH", *(value * 257 for value in RED)) * 40
    header = struct.pack(">IIBBBBB", 40, 30, 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * 30)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    ("content", "colour"),
    [
        pytest.param(lambda: plain("RGB", RED), RED, id="RGB"),
        pytest.param(lambda: plain("L", 77), (77, 77, 77), id="grey is widened"),
        pytest.param(lambda: plain("1", 1), (255, 255, 255), id="one bit is black or white"),
        pytest.param(lambda: plain("P", 0), (0, 0, 0), id="a palette is looked up"),
        pytest.param(transparent_palette, (255, 255, 255), id="what is transparent shows white"),
        pytest.param(lambda: plain("LA", (9, 0)), (255, 255, 255), id="grey with alpha likewise"),
        pytest.param(lambda: plain("RGBA", (*RED, 255)), RED, id="opaque alpha plays no part"),
        pytest.param(lambda: plain("RGBA", (0, 0, 0, 51)), (204, 204, 204), id="alpha is blended"),
        pytest.param(sixteen_bit_grey, (0x80, 0x80, 0x80), id="16-bit grey keeps its high byte"),
        pytest.param(sixteen_bit_colour, RED, id="16-bit colour keeps its high byte"),
        pytest.param(lambda: plain("CMYK", (0, 255, 255, 0), "JPEG"), (254, 0, 0), id="CMYK"),
        pytest.param(animation, RED, id="of an animation, the first frame"),
    ],
)
def test_every_kind_of_image_becomes_what_a_viewer_shows(
    content: Callable[[], bytes], colour: tuple[int, int, int]
) -> None:
    pixels = cropped(decode(content()), Preprocess(resize_px=32, crop_px=32))
    assert pixels.shape == (32, 32, 3)
    assert np.abs(pixels.astype(int) - colour).max() <= 2  # JPEG and palettes round


def test_a_photo_is_turned_upright_by_its_exif_orientation() -> None:
    upright = Image.fromarray(photo("exif", 60, 90))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the top is at the right
    turned = encoded(upright.rotate(90, expand=True), "PNG", exif=exif)
    assert np.array_equal(np.asarray(decode(turned)), np.asarray(upright))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_is_heeded_as_opencv_does_or_left_alone_as_pillow_does(orientation: int) -> None:
    content = SYNTHETIC[f"jpeg {orientation}"].tobytes()
    upright, stored = (np.asarray(decode(content, exif=exif)) for exif in (True, False))
    assert np.array_equal(digest(upright), SYNTHETIC["upright"][orientation - 1])
    assert np.array_equal(digest(stored), SYNTHETIC["stored"][orientation - 1])


@pytest.mark.parametrize("exif", [True, False])
def test_every_way_in_asks_the_preprocessing_about_exif(exif: bool, tmp_path: Path) -> None:
    content = SYNTHETIC["jpeg 3"].tobytes()  # upside down
    path = tmp_path / "turned.jpg"
    path.write_bytes(content)
    how = Preprocess(resize_px=24, crop_px=24, exif=exif)
    expected = cropped(decode(content, exif=exif), how)
    assert np.array_equal(prepare(content, how), normalised(expected, how))
    for source in (path, Sample("turned.jpg", 0, str(path))):
        assert np.array_equal(loaded(source, how), expected)


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (1, 1), (1, 65_000), (65_000, 1)])
@pytest.mark.parametrize("resizer", ["pillow", "opencv"])
def test_the_thinnest_image_costs_no_more_than_a_square_one(
    resizer: Literal["pillow", "opencv"], size: tuple[int, int]
) -> None:
    image = Image.new("RGB", size, RED)
    how = Preprocess(resize_px=224, crop_px=224, resizer=resizer)
    started = time.perf_counter()
    pixels = cropped(image, how)
    assert time.perf_counter() - started < 1  # 14 million columns would take more
    assert np.unique(pixels.reshape(-1, 3), axis=0).tolist() == [list(RED)]


def photo_bytes() -> bytes:
    return encoded(Image.fromarray(photo("cut", 90, 120)), "JPEG")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(b"", "it is empty or not an image", id="empty"),
        pytest.param(b"words, not pixels" * 9, "it is empty or not an image", id="text"),
        pytest.param(photo_bytes()[:900], "image file is truncated", id="a JPEG cut short"),
        pytest.param(photo_bytes()[:20], "it is empty or not an image", id="a header cut short"),
        pytest.param(sixteen_bit_colour()[:60], "", id="a PNG cut short"),
        pytest.param(
            plain("F", 0.5, "TIFF"), "floating-point numbers of unknown range", id="floats"
        ),
        pytest.param(
            encoded(Image.new("I", (9, 9), 1 << 20), "TIFF"),
            "32-bit numbers of unknown range",
            id="32 bits",
        ),
        pytest.param(
            encoded(Image.new("1", (20_000, 10_000)), "PNG"),
            "more than 89 million pixels; scale it down first",
            id="200 megapixels",
        ),
        pytest.param(
            encoded(Image.new("1", (9_500, 9_500)), "PNG"),
            "more than 89 million pixels; scale it down first",
            id="90 megapixels",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_no_image_is_refused_in_one_sentence_with_its_name(
    content: bytes, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "a photo.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        decode(path)
    text = str(caught.value)
    assert text.startswith(f"Cannot read '{path}' as an image: ")
    assert sentence in text
    assert text.count("\n") == 0
    assert text.endswith(".")


def test_what_is_not_there_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="there is no such file"):
        decode(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="it is a folder"):
        decode(tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_no_damage_to_a_file_escapes_as_another_error() -> None:
    """Bytes are flipped at random: an image comes back, or an ImageError, and nothing else."""
    rng = np.random.default_rng(0)
    how = Preprocess(resize_px=32, crop_px=32)
    kinds = ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM")
    image = Image.fromarray(photo("fuzz", 24, 20))
    outcomes = set[bool]()
    for kind in kinds:
        whole: npt.NDArray[np.uint8] = np.frombuffer(encoded(image, kind), np.uint8)
        for _ in range(60):
            damaged = whole.copy()
            places = rng.integers(len(damaged), size=rng.integers(1, 9))
            damaged[places] = rng.integers(256, size=len(places))
            try:
                outcomes.add(prepare(damaged.tobytes(), how).shape == (3, 32, 32))
            except ImageError:
                outcomes.add(False)
    assert outcomes == {True, False}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match="it is a pipe"):
        decode(tmp_path / "a.jpg")
    os.mkfifo(tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="is a pipe"):
        read_card(tmp_path / "a.safetensors")
