"""What becomes of every odd kind of file."""

import io
import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from preprocessed import digest
from seeded import photo
from shufflenet.data import Sample, load
from shufflenet.errors import CheckpointError, ImageError
from shufflenet.files import read_card
from shufflenet.preprocess import decode, normalize, prepare, resize_and_crop
from shufflenet.spec import Preprocess

SYNTHETIC = np.load(Path(__file__).parent / "golden" / "preprocess-synthetic.npz")
RED = (200, 30, 40)


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
    pixels = resize_and_crop(decode(content()), Preprocess(resize_px=32, crop_px=32))
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
    expected = resize_and_crop(decode(content, exif=exif), how)
    assert np.array_equal(prepare(content, how), normalize(expected, how))
    for source in (path, Sample("turned.jpg", 0, str(path))):
        pixels = load(source, how)
        assert not isinstance(pixels, ImageError)
        assert np.array_equal(pixels, expected)


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (1, 1), (1, 65_000), (65_000, 1)])
@pytest.mark.parametrize("resizer", ["pillow", "opencv"])
def test_the_thinnest_image_needs_no_more_memory_than_a_square_one(
    resizer: Literal["pillow", "opencv"],
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resized_px: list[int] = []  # of images that Pillow resizes, whose memory Python does not trace
    resize = Image.Image.resize

    def counted(self: Image.Image, to: tuple[int, int], resample: Image.Resampling) -> Image.Image:
        resized_px.append(to[0] * to[1])
        return resize(self, to, resample)

    monkeypatch.setattr(Image.Image, "resize", counted)
    image = Image.new("RGB", size, RED)
    how = Preprocess(resize_px=224, crop_px=224, resizer=resizer)
    tracemalloc.start()
    pixels = resize_and_crop(image, how)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert max(resized_px, default=0) <= 1 << 20
    assert peak_bytes <= 1 << 26  # 65,000 pixels of a side would become 14 million columns
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
