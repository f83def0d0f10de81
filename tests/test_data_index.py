import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from seeded import photo
from shufflenet.data import ImageSet, _archives, open_images
from shufflenet.data._archives import list_members
from shufflenet.data._index import write_index
from shufflenet.data.packing import Encoding, pack

CLASSES = ("ant", "bee, of honey", "Käfer")


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Shards of photos whose names are long, are not ASCII, and have white space in them."""
    names = ("a b", "ü" * 90, "x" * 150, "tab\there", "1.2", "z")
    for number, name in enumerate(names * 2):
        path = tmp_path / "photos" / CLASSES[number % 3] / f"{name}{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(name, 20, 20 + number)).save(path)
    pack(open_images(tmp_path / "photos"), tmp_path / "packed", Encoding(20), shard_bytes=20_000)
    assert len(list((tmp_path / "packed").glob("*.tar"))) > 1
    return tmp_path / "packed"


def scanned(packed: Path) -> ImageSet:
    for index in packed.glob("*.idx"):
        index.unlink()
    return open_images(packed)


def test_by_its_index_a_shard_holds_what_it_does_without(
    packed: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(_archives, "list_members", None)  # which would go through it
        indexed = open_images(packed)
    assert len(indexed) == 12
    assert indexed == scanned(packed)
    assert not caplog.text


def test_an_index_is_what_dali_reads(packed: Path) -> None:
    """Source: NVIDIA DALI, tools/wds2idx.py."""
    for shard in packed.glob("*.tar"):
        version, *lines = shard.with_suffix(".idx").read_text().splitlines()
        with tarfile.open(shard) as archive:
            members = list(list_members(archive))
        assert version == f"v1.2 {len(members) // 2}"
        for line, image, label in zip(lines, members[::2], members[1::2], strict=True):
            at = f"ppm {image.offset} {image.size} {image.name}"
            assert line == f"{at} cls {label.offset} {label.size} {label.name}"


def _text(change: Callable[[str], str]) -> Callable[[Path], None]:
    def changed(packed: Path) -> None:
        index = packed / "000000.idx"
        index.write_text(change(index.read_text()))

    return changed


@pytest.mark.parametrize(
    "spoil",
    [
        _text(lambda text: text.replace("v1.2", "v1.1")),
        _text(lambda text: text.rpartition("ppm")[0]),
        _text(lambda text: text.replace(" cls ", " ")),
        _text(lambda text: text.replace("ppm 1", "ppm 9")),
        _text(lambda text: text.replace("ppm 1", "ppm -1")),
        _text(lambda text: text.replace("x", "y")),
        _text(lambda text: ""),
        lambda packed: (packed / "000000.idx").write_bytes(bytes(100)),
        lambda packed: (packed / "000001.idx").replace(packed / "000000.idx"),
        lambda packed: (packed / "000000.idx").write_text("v1.2 0\n"),
    ],
)
def test_an_index_that_does_not_fit_is_passed_over(
    spoil: Callable[[Path], object], packed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(packed)
    found = open_images(packed)
    assert "000000.idx' does not fit its archive and is ignored" in caplog.text
    assert found == scanned(packed)


def test_of_a_shard_that_grew_the_index_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shard = tmp_path / "a.tar"
    for number in range(2):
        with tarfile.open(shard, "a") as archive:
            for name in (f"{number}.png", f"{number}.cls"):
                member = tarfile.TarInfo(name)
                member.size = 1
                archive.addfile(member, io.BytesIO(b"%d" % number))
        if not number:
            with tarfile.open(shard) as archive:
                write_index(shard, [list(list_members(archive))])
            assert len(open_images(shard)) == 1
    assert not caplog.text
    assert len(open_images(shard)) == 2
    assert "does not fit" in caplog.text
