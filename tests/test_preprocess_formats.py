"""Which formats are read, and that whatever one image does, the others are answered."""

import io
import json
import re
import struct
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageFile

from conftest import Run
from seeded import photo
from shufflenet.errors import ImageError
from shufflenet.preprocess import IMAGE_FORMATS, IMAGE_SUFFIXES, decode, image_as, open_image
from shufflenet.preprocess._formats import HEIC  # which of them the others are not
from shufflenet.spec import Preprocess

PHOTO = Image.fromarray(photo("formats", 40, 52))
READ = tuple(form for form in IMAGE_FORMATS if form is not HEIC)
PILLOW = ("JPEG", "MPO", "PNG", "GIF", "BMP", "DIB", "PPM", "WEBP", "AVIF", "TIFF", "TGA")
HEIC_FILE = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def encoded(kind: str, image: Image.Image = PHOTO, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG that states a size, and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(9)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", [*PILLOW, "JPEG2000"])
@pytest.mark.parametrize("name", ["a.jpg", "A.PNG", "photo"])
def test_every_format_is_read_by_its_content(kind: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(encoded(kind))
    image = decode(tmp_path / name)
    assert (image.mode, image.size) == ("RGB", (52, 40))
    assert np.abs(np.asarray(image).astype(int) - np.asarray(PHOTO)).mean() < 25


def test_every_ending_that_pillow_has_for_them_is_known() -> None:
    Image.init()
    kinds = {name for form in READ for name in form.pillow} | {"MPO"}
    pillows = {ending for ending, kind in Image.registered_extensions().items() if kind in kinds}
    assert pillows <= IMAGE_SUFFIXES
    assert {".jfif", ".jpe", ".pgm", ".avif", ".jp2", ".heic"} <= IMAGE_SUFFIXES
    assert not IMAGE_SUFFIXES & {".eps", ".ps", ".pdf", ".wmf", ".svg"}


def test_the_docs_have_the_table_of_formats() -> None:
    page = (Path(__file__).parent.parent / "docs" / "using.md").read_text()
    rows = dict(re.findall(r"^\| ([\w ]+) \| ((?:`\.\w+` ?)+)\|", page, re.MULTILINE))
    assert {title: tuple(re.findall(r"`(\.\w+)`", cell)) for title, cell in rows.items()} == {
        form.title: form.suffixes for form in IMAGE_FORMATS
    }


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n",
            "a PostScript file",
        ),
        (b"\xc5\xd0\xd3\xc6" + bytes(40), "a PostScript file"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"\n <!DOCTYPE html><html>", "a web page"),
        (b"<svg xmlns=", "an SVG drawing"),
        (b"PK\x03\x04" + bytes(40), "a zip archive"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "a video or sound"),
    ],
)
def test_what_is_no_image_is_named_and_starts_no_program(
    content: bytes, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", None)
    with pytest.raises(ImageError, match=f"it is {kind}, not an image of a format that is read"):
        decode(content)


@pytest.mark.parametrize("size", [(1, 89_000_000), (89_000_000, 1), (65_536, 2)])
def test_an_image_with_too_long_a_side_is_refused_before_it_is_decoded(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    with pytest.raises(ImageError, match=f"it has {size[0]} x {size[1]} pixels, and a side may"):
        decode(png_of(*size))


@pytest.mark.parametrize("action", ["error", "ignore"])
def test_a_huge_image_is_one_sentence_whatever_warnings_do(action: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter(action)  # type: ignore[arg-type]  # a literal
        for size in ((10_000, 10_000), (60_000, 60_000)):
            with pytest.raises(ImageError, match="it has more than 89 million pixels; scale"):
                decode(png_of(*size))


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    """Each scan goes over all pixels, and may take three bytes."""
    whole = encoded("JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    assert decode(whole).size == PHOTO.size
    with pytest.raises(ImageError, match="it has more than 200 scans"):
        decode(whole[:-2] + whole[last:-2] * 300 + whole[-2:])


def test_a_gif_of_a_thousand_frames_is_its_first(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [Image.new("P", (8, 8), n % 256) for n in range(1000)]
    content = encoded("GIF", frames[0], save_all=True, append_images=frames[1:])
    monkeypatch.setattr(ImageFile.ImageFile, "seek", None)
    assert decode(content).size == (8, 8)


@pytest.mark.parametrize(
    "error",
    [
        *(RuntimeError("first\nsecond."), MemoryError(), RecursionError("deep"), AssertionError()),
        *(NotImplementedError("\x1b[2J"), UnicodeDecodeError("utf-8", b"", 0, 1, "x")),
        *(AttributeError("x"), ZeroDivisionError("x"), struct.error("x"), StopIteration()),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("where", ["open", "load"])
def test_whatever_a_decoder_raises_is_one_sentence(
    where: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    content = encoded("PNG")
    image = Image.open(io.BytesIO(content))
    monkeypatch.setattr(Image if where == "open" else ImageFile.ImageFile, where, fail)
    with pytest.raises(ImageError) as caught:
        decode(content, "a.png")
    text = str(caught.value)
    assert re.fullmatch(r"Cannot read 'a.png' as an image: .+\.", text)
    assert text.isprintable()
    if where == "load":
        with pytest.raises(ImageError):
            image_as(image, Preprocess(resize_px=8, crop_px=8))


def a_folder(folder: Path) -> Path:
    (folder / "x.jpg").mkdir()
    return folder / "x.jpg"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: folder / ("x" * 300 + ".jpg"), "file name too long"),
        (lambda folder: folder / "a\0b.jpg", "there is no such file"),
        (a_folder, "it is a folder in which no image can be found"),
        (lambda folder: Path("/dev/zero"), "it is a device"),
        (lambda folder: folder / "none" / "a.jpg", "there is no such file"),
    ],
)
def test_paths_that_lead_to_no_image_are_one_sentence(
    make: Callable[[Path], Path], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ImageError, match=sentence):
        decode(make(tmp_path))


def test_a_sparse_file_of_a_terabyte_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.write(encoded("JPEG"))
        file.truncate(1 << 40)
    with pytest.raises(ImageError, match="it is larger than 512 MB"):
        decode(tmp_path / "a.jpg")


def test_orientation_is_heeded_beside_damaged_exif() -> None:
    """Writing the other tags anew, as Pillow does to take out the one, may fail."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "name"
    content = encoded("JPEG", exif=exif)
    damaged = content.replace(b"name", b"\xff\xff\xff\xff")
    assert decode(damaged).size == PHOTO.size[::-1]


def test_heic_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for name in ("a.jpg", "b.HEIC"):
        (tmp_path / name).write_bytes(HEIC_FILE)
    PHOTO.save(tmp_path / "c.png")
    code, out, _ = run("predict", tmp_path, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert ["error" in row for row in rows] == [True, True, False]
    for row in rows[:2]:
        assert row["error"].endswith(
            "it is a HEIC image, which needs pillow-heif: pip install 'shufflenet[heic]'."
        )


def test_heic_is_read_where_its_package_registers_an_opener(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def register() -> None:
        monkeypatch.setitem(Image.OPEN, "HEIF", (lambda file, name: PHOTO.copy(), None))

    monkeypatch.setitem(sys.modules, "pillow_heif", SimpleNamespace(register_heif_opener=register))
    assert decode(HEIC_FILE).size == PHOTO.size


def test_heic_photos_are_read(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    (tmp_path / "IMG_0001.jpg").write_bytes(encoded("HEIF", quality=90))
    image = np.asarray(decode(tmp_path / "IMG_0001.jpg")).astype(int)
    assert np.abs(image - np.asarray(PHOTO)).mean() < 25


def test_bad_images_that_come_first_decide_for_none(tmp_path: Path, run: Run) -> None:
    for number, content in enumerate((b"", b"words", encoded("PNG")[:60], encoded("AVIF")[:200])):
        (tmp_path / f"{number}.png").write_bytes(content)
    (tmp_path / "4.avif").mkdir()
    for number in range(5, 25):
        PHOTO.save(tmp_path / f"{number:02}.png")
    code, out, err = run("predict", tmp_path, "--csv", "--top", 1)
    assert code == 1
    assert len(out.splitlines()) == 1 + 20
    assert err.count("Cannot read ") == 4


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_predict_reads_an_image_from_standard_input(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    PHOTO.save(tmp_path / "a.png")
    for content in (encoded("PNG"), b"words", None):
        stdin = None if content is None else SimpleNamespace(buffer=io.BytesIO(content))
        monkeypatch.setattr(sys, "stdin", stdin)
        code, out, _ = run("predict", name, tmp_path / "a.png", name, "--json", "--top", 1)
        rows = [json.loads(line) for line in out.splitlines()]
        assert [row["path"] for row in rows] == [name, str(tmp_path / "a.png"), name]
        assert code == (content != encoded("PNG"))
        if code:
            expected = f"Cannot read {name!r} as an image: it is empty or not an image."
            assert rows[0] == rows[2] == {"path": name, "error": expected}
        else:
            assert rows[0]["predictions"] == rows[1]["predictions"] == rows[2]["predictions"]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", [*PILLOW, "JPEG2000"])
def test_damage_to_any_format_leaves_an_image_or_one_sentence(kind: str) -> None:
    rng, outcomes = np.random.default_rng(1), set[bool]()
    whole = np.frombuffer(encoded(kind, PHOTO.resize((20, 16))), np.uint8)
    for _ in range(80):
        damaged = whole.copy()
        near = len(damaged) if rng.integers(2) else min(64, len(damaged))  # headers, half the time
        places = rng.integers(near, size=rng.integers(1, 9))
        damaged[places] = rng.integers(256, size=len(places))
        if not rng.integers(4):
            damaged = damaged[: rng.integers(len(damaged))]
        try:
            decode(damaged.tobytes())
        except ImageError:
            outcomes.add(False)
        else:
            outcomes.add(True)
    assert False in outcomes


def fax(rows: int) -> bytes:
    """A TIFF of group 3 (ITU-T T.4) of 8 px a row, whose data is no code of it."""
    data = b"\x00\xd8\xe7"
    tags = {256: 8, 257: rows, 258: 1, 259: 3, 262: 0, 273: 0, 277: 1, 278: rows, 279: len(data)}
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    tags[273] = len(head) + 12 * len(tags) + 4
    entries = (struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return head + b"".join(entries) + bytes(4) + data


@pytest.mark.skipif(sys.platform == "win32", reason="Pillow exports nothing of libtiff there")
def test_libtiff_writes_no_line_for_each_row_that_is_damaged(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with open_image(fax(5000), "a.tif") as image:
        image.load()
    assert capfd.readouterr().err == ""
