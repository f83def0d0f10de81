import json
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import webdataset
from PIL import Image

from conftest import Run
from seeded import photo
from shufflenet.data import ImageSet, open_images
from shufflenet.data.packing import Encoding, Packed, pack
from shufflenet.errors import DataError, SpecError, WriteError
from shufflenet.files import PARTIAL
from shufflenet.preprocess import Pixels, decode, resize_and_crop
from shufflenet.spec import Preprocess

HOW = Preprocess(resize_px=48, crop_px=40)


@pytest.fixture
def photo_folders(tmp_path: Path) -> Path:
    """Three classes of photos of any shape and kind, one file of them broken."""
    sizes = [(90, 120), (120, 90), (48, 64), (30, 40), (200, 50)]
    for number, (height, width) in enumerate(sizes * 2):
        folder = tmp_path / "photos" / ("ant", "bee, of honey", "cat")[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(photo(str(number), height, width))
        image.save(folder / f"p.{number}.{'jpg' if number % 2 else 'png'}")
    (tmp_path / "photos" / "cat" / "broken.jpg").write_bytes(b"no image")
    return tmp_path / "photos"


def seen(images: ImageSet) -> list[Pixels]:
    return [resize_and_crop(decode(s.read(), s.name), HOW) for s in images.samples]


def readable(images: ImageSet) -> ImageSet:
    kept = tuple(s for s in images.samples if "broken" not in s.name)
    return ImageSet(images.source, images.classes, kept)


def left_in(folder: Path) -> Sequence[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("to", ["small.tar", "small"])
def test_what_is_packed_answers_as_its_source(
    to: str, photo_folders: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images, done = open_images(photo_folders), list[int]()
    packed = pack(images, tmp_path / to, Encoding(48), shard_bytes=30_000, on_progress=done.append)
    assert packed.images == 10
    assert packed.unreadable == 1
    assert packed.classes == 3
    assert (packed.shards > 1) == (to == "small")
    assert len(done) == 11
    assert "cat/broken.jpg" in caplog.text
    assert "It is left out." in caplog.text
    found, source = open_images(tmp_path / to), readable(images)
    assert found.classes == images.classes
    assert [s.label for s in found.samples] == [s.label for s in source.samples]
    for ours, theirs in zip(seen(found), seen(source), strict=True):
        assert np.array_equal(ours, theirs)
    shorter = [min(decode(s.read()).size) for s in found.samples]
    assert sorted(shorter) == [30, 30] + [48] * 8  # none is made larger
    assert left_in(tmp_path) == ["photos", to]


def test_webdataset_reads_what_is_packed(photo_folders: Path, tmp_path: Path) -> None:
    images = readable(open_images(photo_folders))
    pack(images, tmp_path / "small.tar", Encoding(48))
    rows = list(
        webdataset.WebDataset(str(tmp_path / "small.tar"), shardshuffle=False).decode("pil")
    )
    assert [row["cls"] for row in rows] == [s.label for s in images.samples]
    assert [row["__key__"][9:] for row in rows][:2] == ["p_0", "p_3"]
    assert rows[0]["ppm"].size == (64, 48)


def test_a_pack_tells_its_source_and_how_many_it_holds(photo_folders: Path, tmp_path: Path) -> None:
    pack(open_images(photo_folders), tmp_path / "a.tar", Encoding(48))
    with tarfile.open(tmp_path / "a.tar") as archive:
        assert archive.pax_headers == {
            "SHUFFLENET.classes": '["ant", "bee, of honey", "cat"]',
            "SHUFFLENET.source": "photos",
            "SHUFFLENET.images": "000000000010",
        }
        offset = archive.getmembers()[8].offset
    content = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "b.tar").write_bytes(content[:offset] + bytes(1024))
    with pytest.raises(DataError, match="is truncated: it holds 4 images of 10. Copy or pack it"):
        open_images(tmp_path / "b.tar")


def test_shards_of_different_packs_do_not_mix(
    photo_folders: Path, class_folders: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "both"
    folder.mkdir()
    pack(open_images(photo_folders), folder / "000000.tar", Encoding(48))
    pack(open_images(class_folders), folder / "000001.tar", Encoding(48))
    with pytest.raises(DataError, match="holds shards that list different classes"):
        open_images(folder)


def test_of_a_quality_it_is_jpeg(photo_folders: Path, tmp_path: Path) -> None:
    images = readable(open_images(photo_folders))
    raw = pack(images, tmp_path / "raw.tar", Encoding(48))
    packed = pack(images, tmp_path / "jpeg.tar", Encoding(48, quality=90))
    assert packed.bytes < raw.bytes
    found = open_images(tmp_path / "jpeg.tar")
    assert all(s.name.endswith(".jpg") for s in found.samples)
    for ours, theirs in zip(seen(found), seen(images), strict=True):
        assert np.abs(ours.astype(int) - theirs).mean() < 10


@pytest.mark.parametrize(
    ("size", "quality", "sentence"),
    [
        (0, None, "size is 0, but must be at least 1"),
        (48, 0, "quality is 0, but must be 1 to 95"),
        (48, 96, "quality is 96, but must be 1 to 95"),
    ],
)
def test_sizes_and_qualities_that_are_none_are_refused(
    size: int, quality: int | None, sentence: str, photo_folders: Path, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=sentence):
        pack(open_images(photo_folders), tmp_path / "a.tar", Encoding(size, quality))


def test_nothing_is_written_over(photo_folders: Path, tmp_path: Path) -> None:
    images = open_images(photo_folders)
    (tmp_path / "a.tar").write_text("mine")
    for to in (tmp_path / "a.tar", photo_folders):
        with pytest.raises(WriteError, match="it exists already"):
            pack(images, to, Encoding(48))
    assert (tmp_path / "a.tar").read_text() == "mine"


@pytest.mark.parametrize("to", ["a.tar", "a"])
def test_a_full_disk_leaves_nothing_behind(
    to: str, photo_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    with pytest.raises(WriteError, match="No space left on device. What was there"):
        pack(open_images(photo_folders), tmp_path / to, Encoding(48))
    assert left_in(tmp_path) == ["photos"]


def test_an_interrupt_leaves_nothing_behind(photo_folders: Path, tmp_path: Path) -> None:
    def interrupt(done: int) -> None:
        assert any(name.endswith(PARTIAL) for name in os.listdir(tmp_path))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(open_images(photo_folders), tmp_path / "a.tar", Encoding(48), on_progress=interrupt)
    assert left_in(tmp_path) == ["photos"]


def test_images_that_all_are_broken_are_not_packed(photo_folders: Path, tmp_path: Path) -> None:
    images = open_images(photo_folders)
    broken = tuple(s for s in images.samples if "broken" in s.name)
    with pytest.raises(DataError, match="holds no image that can be read"):
        pack(ImageSet("x", images.classes, broken), tmp_path / "a.tar", Encoding(48))
    assert left_in(tmp_path) == ["photos"]


def test_the_command_packs_and_others_read_it(
    class_folders: Path, checkpoint: Path, tmp_path: Path, run: Run
) -> None:
    (class_folders / "red" / "broken.png").write_bytes(b"no image")
    code, out, err = run("pack", class_folders, "--to", tmp_path / "small", "--size", 32, "--json")
    assert code == 0
    packed = Packed(**json.loads(out))
    assert (packed.images, packed.unreadable, packed.shards) == (24, 1, 1)
    assert "1 of 25 images could not be read and are left out." in err
    code, _, err = run("pack", class_folders, "--to", tmp_path / "small")
    assert code == 1
    assert "it exists already" in err
    code, out, _ = run("pack", tmp_path / "small", "--to", tmp_path / "again.tar")
    assert code == 0
    assert "24 images of 3 classes" in out
    fields = ["--epochs", 1, "--batch-size", 4, "--train-px", 32, "--image-px", 32, "--workers", 0]
    model = ["--model", "shufflenet_v2_x0_25", "--accelerator", "cpu", "--out", tmp_path / "run"]
    code, out, _ = run("train", "--data", tmp_path / "small", *model, *fields, "--json")
    assert code == 0
    assert json.loads(out)["images"] == 3
    best = tmp_path / "run" / "best.safetensors"
    code, out, _ = run("evaluate", "--data", tmp_path / "again.tar", "--model", best, "--json")
    assert code == 0
    assert json.loads(out)["images"] == 24


def test_an_image_that_cannot_be_written_is_left_out(
    photo_folders: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Image.new("L", (65_530, 10)).save(photo_folders / "cat" / "long.png")  # a JPEG has 65,500
    packed = pack(open_images(photo_folders), tmp_path / "a.tar", Encoding(48, quality=90))
    assert (packed.images, packed.unreadable) == (10, 2)
    assert "Cannot read 'cat/long.png' as an image: " in caplog.text
