"""What images become for networks of gray, opacity, 16 bits and the channels of a file."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from seeded import photo
from shufflenet.errors import ImageError, SpecError
from shufflenet.preprocess import as_rgb, decode, decode_as, image_as, prepare, read_header
from shufflenet.runtimes import load_picture
from shufflenet.spec import Preprocess
from test_preprocess_files import sixteen_bit_colour

COLORS = photo("channels", 20, 30)
TRANSPARENT = np.dstack([COLORS, photo("opacity", 20, 30)[..., :1]])
WIDE = np.random.default_rng(0).integers(0, 65_536, (20, 30), np.uint16)
COUNTS = {"rgb": 3, "bgr": 3, "gray": 1, "rgba": 4}


def like(channels: str, bits: int = 8, count: int = 0, **more: object) -> Preprocess:
    """A preprocessing of such images, of 8 by 8 px."""
    numbers = (0.5,) * (count or COUNTS[channels])
    fields: dict[str, Any] = {"channels": channels, "bits": bits, "mean": numbers, "std": numbers}
    return Preprocess(resize_px=8, crop_px=8, **fields | more)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def read(content: bytes, how: Preprocess) -> npt.NDArray[Any]:
    return np.asarray(decode_as(content, how))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("bits", [8, 16])
def test_channels_become_those_that_a_network_takes(mode: str, bits: int) -> None:
    image = Image.fromarray(TRANSPARENT).convert(mode)
    content = encoded(image, "TIFF" if mode == "CMYK" else "PNG")
    plain = np.asarray(decode(content))  # blended with white
    scale = 1 if bits == 8 else 257
    near = 0 if bits == 8 else 257  # opacity is blended before or after widening
    for channels in ("rgb", "bgr"):
        found = read(content, like(channels, bits))
        assert found.dtype == np.dtype(f"u{bits // 8}")
        assert np.abs(found - plain.astype(float) * scale).max() <= near
    gray = np.asarray(Image.fromarray(plain).convert("L"), float) * scale
    assert np.abs(read(content, like("gray", bits))[..., 0] - gray).max() <= 2 * near
    opaque = np.asarray(image.convert("RGBA"), float) * scale
    np.testing.assert_array_equal(read(content, like("rgba", bits)), opaque)
    if mode not in ("1", "P"):
        stored = np.atleast_3d(np.asarray(image, float)) * scale
        count = stored.shape[2]
        np.testing.assert_array_equal(read(content, like("stored", bits, count)), stored)


def test_gray_of_16_bits_keeps_them_or_its_high_byte() -> None:
    content = encoded(Image.fromarray(WIDE))
    np.testing.assert_array_equal(read(content, like("gray", 16))[..., 0], WIDE)
    np.testing.assert_array_equal(read(content, like("stored", 16, 1))[..., 0], WIDE)
    np.testing.assert_array_equal(read(content, like("gray"))[..., 0], WIDE >> 8)
    np.testing.assert_array_equal(read(content, like("stored", 8, 1))[..., 0], WIDE >> 8)
    for at in range(3):
        np.testing.assert_array_equal(read(content, like("rgb", 16))[..., at], WIDE)


def test_8_bits_become_16_by_257() -> None:
    content = encoded(Image.fromarray(COLORS))
    np.testing.assert_array_equal(read(content, like("rgb", 16)), COLORS.astype(int) * 257)


def test_a_palette_s_colors_are_its_stored_channels() -> None:
    image = Image.fromarray(COLORS).quantize(16)
    colors = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read(encoded(image), like("stored", count=3)), colors)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", ["gray", "rgba"])
def test_every_kind_is_turned_upright(orientation: int, channels: str) -> None:
    image = Image.fromarray(TRANSPARENT)
    image.getexif()[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=image.getexif())
    for exif in (True, False):
        turned = image_as(decode(buffer.getvalue(), exif=exif), like("gray"))
        found = read(buffer.getvalue(), like(channels, exif=exif))
        assert found.shape[:2] == np.asarray(turned).shape[:2]


def test_images_of_pillow_are_converted_as_files_are() -> None:
    for mode in ("L", "LA", "RGB", "RGBA", "I;16"):
        image = Image.fromarray(WIDE if mode == "I;16" else TRANSPARENT)
        image = image if mode == "I;16" else image.convert(mode)
        for how in (like("gray"), like("rgba", 16), like("rgb", 16), like("rgb")):
            found = np.asarray(image_as(image, how))
            np.testing.assert_array_equal(found, read(encoded(image), how))


@pytest.mark.parametrize(
    ("image", "how", "problem"),
    [
        (Image.new("RGB", (9, 9)), like("stored", count=4), "it has 3 channels, and the network t"),
        (Image.new("L", (9, 9)), like("stored", count=3), "it has 1 channel, and the network tak"),
        (Image.new("F", (9, 9)), like("gray"), "its pixels are floating-point numbers of unknown"),
        (Image.new("F", (9, 9)), like("stored", 16, 1), "its pixels are floating-point numbers"),
        (Image.new("I", (9, 9)), like("gray", 16), "its pixels are 32-bit numbers of unknown ran"),
    ],
)
def test_other_channels_are_refused(image: Image.Image, how: Preprocess, problem: str) -> None:
    with pytest.raises(ImageError) as caught:
        image_as(image, how)
    assert f"Cannot read 'image' as an image: {problem}" in str(caught.value)


def test_bits_that_pillow_drops_are_not_made_up() -> None:
    content = sixteen_bit_colour()
    assert read(content, like("rgb")).shape == (30, 40, 3)
    for how in (like("rgb", 16), like("gray", 16), like("stored", 16, 3)):
        with pytest.raises(ImageError) as caught:
            decode_as(content, how, "a.png")
        assert str(caught.value) == (
            "Cannot read 'a.png' as an image: 16 bits are read of gray images and of TIFF, so save "
            "it as TIFF."
        )


def test_prepare_gives_the_card_s_channels(tmp_path: Path) -> None:
    Image.fromarray(COLORS).save(tmp_path / "a.png")
    assert prepare(tmp_path / "a.png", like("gray")).shape == (1, 8, 8)
    assert prepare(tmp_path / "a.png", like("rgba", 16)).shape == (4, 8, 8)


@pytest.mark.parametrize(
    ("array", "how"),
    [
        (COLORS, like("rgb")),
        (COLORS[..., 0], like("gray")),
        (COLORS[..., :1], like("gray")),
        (WIDE, like("gray", 16)),
        (TRANSPARENT, like("rgba")),
        (np.dstack([WIDE] * 7), like("stored", 16, 7)),
    ],
)
def test_arrays_are_images_of_their_channels(array: npt.NDArray[Any], how: Preprocess) -> None:
    found = load_picture(array, how)
    assert not isinstance(found, ImageError)
    assert found.shape == (8, 8, how.in_channels)
    assert found.dtype == array.dtype


ORDER = "in the order of the files that it was trained on"


def refused(actual: str, kind: str, rest: str) -> str:
    """What is said of an array."""
    return f"the image is '{actual}', but must be {kind} of shape (height, width, {rest}."


@pytest.mark.parametrize(
    ("array", "how", "sentence"),
    [
        (
            COLORS[..., 0],
            like("rgb"),
            refused("uint8 (20, 30)", "uint8", "3), RGB"),
        ),
        (
            COLORS,
            like("gray"),
            refused("uint8 (20, 30, 3)", "uint8", "1), gray"),
        ),
        (
            COLORS[..., 0],
            like("gray", 16),
            refused("uint8 (20, 30)", "uint16", "1), gray"),
        ),
        (
            COLORS,
            like("rgba"),
            refused("uint8 (20, 30, 3)", "uint8", "4), RGBA"),
        ),
        (
            COLORS,
            like("stored", count=7),
            refused("uint8 (20, 30, 3)", "uint8", f"7), {ORDER}"),
        ),
        (
            np.zeros((0, 3, 1), np.uint8),
            like("gray"),
            refused("uint8 (0, 3, 1)", "uint8", "1), gray"),
        ),
    ],
)
def test_other_arrays_are_refused(array: npt.NDArray[Any], how: Preprocess, sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_picture(array, how)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (encoded(Image.fromarray(COLORS)), (3, 8)),
        (encoded(Image.fromarray(COLORS), "JPEG"), (3, 8)),
        (encoded(Image.fromarray(TRANSPARENT)), (4, 8)),
        (encoded(Image.fromarray(COLORS).quantize(9)), (3, 8)),
        (encoded(Image.fromarray(WIDE)), (1, 16)),
        (encoded(Image.fromarray(WIDE), "TIFF"), (1, 16)),
        (encoded(Image.fromarray(COLORS).convert("1")), (1, 8)),
    ],
)
def test_a_header_says_what_is_stored(content: bytes, expected: tuple[int, int]) -> None:
    header = read_header(content, "a")
    assert (header.width, header.height) == (30, 20)
    assert (header.channels, header.bits) == expected
    assert header.pixels == 600
    count, bits = expected
    assert read(content, like("stored", bits, count)).shape == (20, 30, count)


def test_what_people_are_shown_of_other_channels() -> None:
    bands = np.dstack([WIDE, WIDE // 2, WIDE // 3, WIDE // 4])
    stored = np.asarray(as_rgb(bands, like("stored", 16, 4)))
    np.testing.assert_array_equal(stored, bands[..., :3] >> 8)
    gray = np.asarray(as_rgb(bands[..., :2], like("stored", 16, 2)))
    np.testing.assert_array_equal(gray, np.dstack([WIDE >> 8] * 3))
    image = Image.fromarray(TRANSPARENT)
    shown = np.asarray(as_rgb(TRANSPARENT, like("rgba")), int)
    assert np.abs(shown - np.asarray(decode(encoded(image)), int)).max() <= 1
    rgb = Image.fromarray(COLORS)
    assert as_rgb(rgb, like("rgb")) is rgb
