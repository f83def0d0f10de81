"""Shards of WebDataset: names, labels beside images, and what is refused."""

import io
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from seeded import photo
from shufflenet.data import ImageSet, open_images
from shufflenet.errors import DataError, SpecError


def png(name: str) -> bytes:
    content = io.BytesIO()
    Image.fromarray(photo(name, 40, 48)).save(content, "PNG")
    return content.getvalue()


def shard(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def labels_of(images: ImageSet) -> list[str]:
    return [images.classes[sample.label] for sample in images.samples]


def test_webdataset_shards_are_read_by_folder_and_by_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in range(12):
        key = f"x/{number}"
        members = {f"{key}.png": png(f"{number}"), f"{key}.cls": b"%d\n" % number}
        shard(folder / f"train-{number:03}.tar", members)
    by_folder = open_images(folder)
    by_pattern = open_images(f"{folder}/train-{{000..011}}.tar")
    assert by_folder.classes == tuple(map(str, range(12)))  # 2 before 10
    assert [s.label for s in by_folder.samples] == list(range(12))
    assert by_folder.samples == by_pattern.samples
    assert by_folder.samples[3].name == "train-003.tar/x/3.png"
    assert by_folder.samples[3].read() == png("3")
    assert bytes(by_folder.samples[3].view()) == png("3")
    assert len(open_images(folder / "train-005.tar")) == 1
    with pytest.raises(DataError, match=r"train-012.tar' does not exist"):
        open_images(f"{folder}/train-{{000..012}}.tar")
    shard(folder / "val-000.tar", {"0.png": png("0"), "0.cls": b"0"})
    with pytest.raises(
        DataError, match="several sets, such as 'train' and 'val'.* Name those of one"
    ):
        open_images(folder)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("", "does not exist"),
        ("x" * 300, "does not exist"),
        ("a\0b", "does not exist"),
        ("x" * 300 + ".tar", "does not exist"),
        ("a-{0..999999999}.tar", "number of shards is 1000000000, but must be at most 100,000"),
        ("a-{0..9999}{0..9999}.tar", "number of shards is 100000000"),
        ("a-{0..99999999999999999999}.tar", "does not exist"),
        ("a-{9..0}.tar", "does not exist"),
        ("/dev/null", "is neither a folder nor a regular file"),
    ],
)
def test_names_that_lead_to_no_data_are_refused(source: str, problem: str) -> None:
    with pytest.raises((DataError, SpecError), match=problem):
        open_images(source)


@pytest.mark.parametrize(
    ("first", "second", "classes"),
    [
        ({"a.cls": b"cat"}, {"b.cls": b"dog"}, ("cat", "dog")),
        ({"a.json": b'{"label": 1}'}, {"b.json": b'{"cls": 0, "x": 2}'}, ("0", "1")),
        ({"a.json": b'{"label": "owl"}'}, {"b.cls": b"ant", "b.txt": b"no"}, ("ant", "owl")),
        ({"a.cls": b"1", "a.json": b'{"label": "text"}'}, {"b.cls": b"0"}, ("0", "1")),
        ({"a.json": b'{"label": "text"}', "a.cls": b"1"}, {"b.cls": b"0"}, ("0", "1")),
    ],
)
def test_labels_stand_beside_the_images(
    first: dict[str, bytes], second: dict[str, bytes], classes: tuple[str, ...], tmp_path: Path
) -> None:
    images = {"a.png": png("a"), "b.seg.png": png("b")}
    found = open_images(shard(tmp_path / "a.tar", images | first | second))
    assert found.classes == classes
    assert len(found) == 2


def test_a_mask_beside_an_image_is_no_image(tmp_path: Path) -> None:
    members = {"0.seg.png": png("m"), "0.png": png("0"), "0.cls": b"3", "1.mask.png": png("1")}
    images = open_images(shard(tmp_path / "a.tar", members | {"1.cls": b"5"}))
    assert [sample.name for sample in images.samples] == ["0.png", "1.mask.png"]
    assert images.classes == ("3", "5")
    assert images.findings.sentences("a.tar") == [
        "1 image in 'a.tar' called as 0.seg.png is beside 0.jpg: left out."
    ]


def test_json_beside_class_folders_is_no_label(tmp_path: Path) -> None:
    members = {"a/1.png": png("1"), "b/2.png": png("2"), "a/1.json": b'{"w": 4}', "c.json": b"["}
    assert open_images(shard(tmp_path / "a.tar", members)).classes == ("a", "b")
    members["info.json"] = b'{"label": "the name of the whole set"}'
    assert open_images(shard(tmp_path / "b.tar", members)).classes == ("a", "b")


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"a.png": b""}, "are in no class folder and have no .cls or .json with a label"),
        ({"a.png": b"", "b.png": b"", "a.cls": b"1"}, "an image without a label, 'b.png'"),
        ({"a.png": b"", "a.cls": b"-1"}, "an image without a label, 'a.png'"),
        ({"a.txt": b"text"}, "holds no images"),
    ],
)
def test_shards_without_labels_are_refused(
    members: dict[str, bytes], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=sentence):
        open_images(shard(tmp_path / "a.tar", members))


def test_a_shard_cut_short_is_refused(tmp_path: Path) -> None:
    whole = shard(tmp_path / "a.tar", {"a.cls": b"1", "a.png": png("a")}).read_bytes()
    (tmp_path / "b.tar").write_bytes(whole[:2500])
    with pytest.raises(DataError, match="cannot be read as an archive .unexpected end of data"):
        open_images(tmp_path / "b.tar")


def test_an_archive_that_vanished_is_reported(tmp_path: Path) -> None:
    path = shard(tmp_path / "gone.tar", {"a.cls": b"1", "a.png": png("a")})
    sample = open_images(path).samples[0]
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        sample.view()
