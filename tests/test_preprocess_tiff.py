"""TIFF files of many channels: bands, pages, and what a stranger may have written."""

import io
import struct
import sys
import zlib
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from shufflenet.errors import ImageError
from shufflenet.preprocess import decode, decode_as, decode_to_show, prepare, read_header
from shufflenet.spec import Preprocess
from test_preprocess_channels import like

tifffile = pytest.importorskip("tifffile")

BANDS = np.random.default_rng(0).integers(0, 65_536, (20, 30, 7), np.uint16)
CONTIGUOUS: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "contig"}


def tiff(values: npt.NDArray[Any], **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def read(content: bytes, how: Preprocess) -> npt.NDArray[Any]:
    return np.asarray(decode_as(content, how, "a.tif"))


def problem(content: bytes, how: Preprocess) -> str:
    """What the error says is wrong."""
    with pytest.raises(ImageError) as caught:
        decode_as(content, how, "a.tif")
    text = str(caught.value)
    assert text.startswith("Cannot read 'a.tif' as an image: ")
    return text.removeprefix("Cannot read 'a.tif' as an image: ")


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": 2},
        {"tile": (16, 16)},
        {"tile": (16, 16), "compression": "zlib"},
        {"rowsperstrip": 3},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"bigtiff": True, "byteorder": ">"},
        {"photometric": "miniswhite"},
    ],
)
def test_bands_are_read_in_their_order(bits: int, options: dict[str, Any]) -> None:
    values = BANDS if bits == 16 else (BANDS >> 8).astype(np.uint8)
    white = np.iinfo(values.dtype).max
    shown = white - values if options.get("photometric") == "miniswhite" else values
    content = tiff(values, **CONTIGUOUS | options)
    np.testing.assert_array_equal(read(content, like("stored", bits, 7)), shown)
    np.testing.assert_array_equal(read(content, like("stored", 8, 7)), shown >> (bits - 8))
    planes = np.moveaxis(values, -1, 0)
    for layout in ({"planarconfig": "separate"}, {}):  # one after the other, or pages
        content = tiff(planes, **{"photometric": "minisblack"} | options | layout)
        np.testing.assert_array_equal(read(content, like("stored", bits, 7)), shown)
        header = read_header(content, "a.tif")
        assert (header.channels, header.bits, header.pixels) == (7, bits, 1200)


def test_colors_of_16_bits_keep_them() -> None:
    content = tiff(BANDS[..., :3], photometric="rgb")
    np.testing.assert_array_equal(read(content, like("rgb", 16)), BANDS[..., :3])
    gray = np.dot(BANDS[..., :3], (0.299, 0.587, 0.114))
    assert np.abs(read(content, like("gray", 16))[..., 0] - gray).max() < 2
    opaque = read(content, like("rgba", 16))
    assert (opaque[..., 3] == 65_535).all()
    np.testing.assert_array_equal(read(content, like("rgb")), np.asarray(decode(content)))


def test_transparent_colors_of_16_bits_are_blended_with_white() -> None:
    content = tiff(BANDS[..., :4], photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read(content, like("rgba", 16)), BANDS[..., :4])
    share = BANDS[..., 3:4] / 65_535
    blended = 65_535 * (1 - share) + BANDS[..., :3] * share
    assert np.abs(read(content, like("rgb", 16)) - blended).max() <= 0.5001


def test_infrared_is_the_fourth_of_stored_channels() -> None:
    values = (BANDS[..., :4] >> 8).astype(np.uint8)
    content = tiff(values, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_array_equal(read(content, like("stored", count=4)), values)
    np.testing.assert_array_equal(read(content, like("rgba")), values)
    np.testing.assert_array_equal(read(content, like("rgb")), values[..., :3])


def test_smaller_copies_are_no_channels() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(BANDS, subfiletype=0, **CONTIGUOUS)
        file.write(BANDS[::2, ::2], subfiletype=1, **CONTIGUOUS)
    np.testing.assert_array_equal(read(buffer.getvalue(), like("stored", 16, 7)), BANDS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_bands_are_turned_upright(orientation: int) -> None:
    content = tiff(BANDS, extratags=[(274, 3, 1, orientation, True)], **CONTIGUOUS)
    found = read(content, like("stored", 16, 7))
    image = Image.fromarray(BANDS[..., 2])
    turned = image.getexif()
    turned[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=turned)
    np.testing.assert_array_equal(found[..., 2], read(buffer.getvalue(), like("gray", 16))[..., 0])
    unturned = read(content, like("stored", 16, 7, exif=False))
    np.testing.assert_array_equal(unturned, BANDS)


def test_people_are_shown_the_first_three_channels() -> None:
    shown = np.asarray(decode_to_show(tiff(BANDS, **CONTIGUOUS), "a.tif"))
    np.testing.assert_array_equal(shown, BANDS[..., :3] >> 8)
    gray = tiff(np.moveaxis(BANDS, -1, 0), photometric="minisblack")  # pages: the first is shown
    shown = np.asarray(decode_to_show(gray, "a.tif"))
    np.testing.assert_array_equal(shown, np.dstack([BANDS[..., 0] >> 8] * 3))
    for content in (b"no image", tiff(FLOATS[..., 0])):
        with pytest.raises(ImageError):
            decode_to_show(content, "a.tif")


def pages(*shapes: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        for shape in shapes:
            file.write(np.zeros(shape, np.uint8), photometric="minisblack")
    return buffer.getvalue()


STORED = like("stored", count=7)
FLOATS = BANDS.astype(np.float64)
SINGLE, SIGNED, LONG_ONES = FLOATS.astype("f4"), BANDS.astype("i2"), BANDS.astype("u4")
SEVEN = tiff(BANDS, **CONTIGUOUS)
NO_COLORS = "it is a TIFF of 7 channels of 16 bits, which is no gray or color image."
UNKNOWN = "numbers of unknown range."
FLOAT_64 = f"its pixels are 64-bit floating-point {UNKNOWN}"


@pytest.mark.parametrize(
    ("content", "how", "expected"),
    [
        (SEVEN, like("stored", 16, 6), "it has 7 channels, and the network takes 6."),
        (SEVEN, like("rgb"), NO_COLORS),
        (SEVEN, like("gray"), NO_COLORS),
        (SEVEN, like("rgb", 16), "it has 7 channels, and RGB has 3."),
        (SEVEN, like("gray", 16), "it has 7 channels, and GRAY has 1."),
        (tiff(FLOATS, **CONTIGUOUS), STORED, FLOAT_64),
        (tiff(FLOATS[..., 0]), STORED, FLOAT_64),
        (tiff(FLOATS[..., 0]), like("rgb"), FLOAT_64),
        (
            tiff(SINGLE[..., 0]),
            like("gray"),
            f"its pixels are floating-point {UNKNOWN}",
        ),
        (tiff(SIGNED, **CONTIGUOUS), STORED, f"its pixels are signed 16-bit {UNKNOWN}"),
        (tiff(LONG_ONES, **CONTIGUOUS), STORED, f"its pixels are 32-bit {UNKNOWN}"),
        (pages(*[(5, 5)] * 65), STORED, "it has more than 64 pages."),
        (pages((5, 5), (5, 6)), STORED, "its pages are of different sizes or kinds."),
        (
            tiff(np.zeros((4, 4, 65), np.uint8), **CONTIGUOUS),
            STORED,
            "it has 65 channels, and at most 64 are read.",
        ),
    ],
)
def test_what_is_not_read(content: bytes, how: Preprocess, expected: str) -> None:
    assert problem(content, how) == expected


def test_without_tifffile_a_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = tiff(BANDS, **CONTIGUOUS), tiff(np.moveaxis(BANDS, -1, 0), photometric="minisblack")
    gray = tiff(BANDS[..., 0])
    monkeypatch.setitem(sys.modules, "tifffile", None)
    needs = "which needs tifffile: pip install 'shufflenet[tiff]'."
    assert problem(contents[0], STORED) == f"it is a TIFF of 7 channels, {needs}"
    assert problem(contents[1], STORED) == f"it is a TIFF of 7 pages, {needs}"
    assert read(gray, like("gray", 16)).shape == (20, 30, 1)  # which Pillow reads


def test_a_compression_that_is_not_read_is_named() -> None:
    content = bytearray(SEVEN)
    at = content.index(struct.pack("<HHI", 259, 3, 1))
    content[at + 8 : at + 10] = struct.pack("<H", 5)
    if find_spec("imagecodecs") is None:
        expected = "its compression needs imagecodecs: pip install imagecodecs."
        assert problem(bytes(content), like("stored", 16, 7)) == expected
    content[at + 8 : at + 10] = struct.pack("<H", 34712)
    assert problem(bytes(content), like("stored", 16, 7)) == (
        "it is compressed by method 34712; save it with deflate, or uncompressed."
    )


def table(tags: dict[int, tuple[int, int, int]], after: int = 0, body: bytes = b"") -> bytes:
    """A TIFF of one page: tag to (type, count, value)."""
    entries = b"".join(struct.pack("<HHII", tag, *each) for tag, each in sorted(tags.items()))
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags))
    return head + entries + struct.pack("<I", after) + body


PAGE = {
    256: (3, 1, 8), 257: (3, 1, 8), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1),
    273: (4, 1, 200), 277: (3, 1, 7), 278: (3, 1, 8), 279: (4, 1, 448),
}  # fmt: skip


MANY = dict.fromkeys(range(300, 4500), (3, 1, 1))
LONG = "it has 70000 x 8 pixels, and a side may have 65535; cut it first."
HUGE = "it has more than 89 million pixels; scale it down first."


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (table(PAGE, after=8), "its pages follow each other in a circle."),
        (table(PAGE)[:40], "it is cut off."),
        (table(MANY), "a page of it has 4200 tags."),
        (table(PAGE | {258: (3, 7, 4000)}), "it is cut off."),
        (table(PAGE | {258: (5, 1, 4000)}), "its tag 258 is damaged."),
        (table(PAGE | {258: (3, 1 << 20, 9)}), "its tag 258 is damaged."),
        (table(PAGE | {258: (3, 2, 1 << 20 | 8)}), "its channels have numbers of different kinds."),
        (
            table(PAGE | {258: (3, 1, 4)}),
            "its values have 4 bits, and of several channels 8 or 16 are read.",
        ),
        (table(PAGE | {256: (3, 1, 0)}), "it has 0 x 8 pixels."),
        (table(PAGE | {256: (4, 1, 70_000)}), LONG),
        (table(PAGE | {256: (4, 1, 60_000), 257: (4, 1, 60_000)}), HUGE),
        (
            table(PAGE | {256: (3, 1, 9000), 257: (3, 1, 9000)}),
            "it has more than 512 MB of pixels; cut it first.",
        ),
        (table(PAGE | {273: (4, 1 << 20, 200)}), "it is stored in more than 65,536 pieces."),
        (b"II*\0" + struct.pack("<I", 0), "it has no pages."),
        (b"II*\0", "it is cut off."),
    ],
)
def test_a_stranger_s_tables_are_refused(content: bytes, expected: str) -> None:
    assert problem(content, STORED) == expected


def test_a_bomb_is_not_blown_up() -> None:
    """A strip of 448 bytes of pixels that decompresses to a gigabyte is refused at once."""
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    content = table({**PAGE, 259: (3, 1, 8), 279: (4, 1, len(bomb))}).ljust(200, b"\0") + bomb
    assert problem(content, STORED) == "it decompresses to more than its pixels."


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_no_damage_escapes_as_another_error(capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    small = BANDS[:9, :8]
    kinds = [
        tiff(small, **CONTIGUOUS),
        tiff(small, compression="zlib", predictor=2, tile=(16, 16), **CONTIGUOUS),
        tiff(np.moveaxis(small, -1, 0), photometric="minisblack", compression="zlib"),
        tiff(small, bigtiff=True, byteorder=">", **CONTIGUOUS),
    ]
    how, outcomes = like("stored", 16, 7), set[bool]()
    for number in range(400):
        damaged = np.frombuffer(kinds[number % len(kinds)], np.uint8).copy()
        reach = len(damaged) if number % 3 == 0 else 300  # tables lie first
        places = rng.integers(min(reach, len(damaged)), size=rng.integers(1, 6))
        damaged[places] = rng.integers(256, size=len(places))
        end = int(rng.integers(1, len(damaged) + 1)) if number % 7 == 0 else len(damaged)
        try:
            outcomes.add(prepare(damaged.tobytes()[:end], how).shape == (7, 8, 8))
        except ImageError:
            outcomes.add(False)
    assert outcomes == {True, False}
    assert capfd.readouterr().err == ""
