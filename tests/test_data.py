import io
import json
import os
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from shufflenet.data import ImageSet, load, open_images, relabel, split
from shufflenet.errors import DataError, ImageError, MissingDependency
from shufflenet.spec import Preprocess
from test_data_shards import labels_of, png


def packed(folder: Path, to: Path, mode: str) -> Path:
    with tarfile.open(to, mode) as archive:  # type: ignore[call-overload]  # "w" or "w:gz"
        archive.add(folder, arcname=f"any/{folder.name}")
    return to


def test_a_folder_and_its_archives_are_the_same_set(class_folders: Path, tmp_path: Path) -> None:
    folder = open_images(class_folders)
    tar = open_images(packed(class_folders, tmp_path / "a.tar", "w"))
    gz = open_images(packed(class_folders, tmp_path / "a.tar.gz", "w:gz"))
    assert folder.classes == tar.classes == gz.classes == ("blue", "green", "red")
    assert len(folder) == 24
    for images in (tar, gz):
        assert [s.label for s in images.samples] == [s.label for s in folder.samples]
        assert [s.read() for s in images.samples] == [s.read() for s in folder.samples]


def test_the_temporary_file_of_a_compressed_archive_goes_with_the_set(
    class_folders: Path, tmp_path: Path
) -> None:
    images = open_images(packed(class_folders, tmp_path / "a.tgz", "w:gz"))
    spool = Path(images.samples[0].path)
    assert spool.exists()
    del images
    assert not spool.exists()


def test_classes_are_the_folders_below_the_one_that_holds_them_all(
    class_folders: Path, tmp_path: Path
) -> None:
    (class_folders / "red" / "nested").mkdir()
    (class_folders / "red" / "0.png").rename(class_folders / "red" / "nested" / "0.PNG")
    (class_folders / "red" / "notes.txt").write_text("not an image")
    (class_folders / "red" / ".hidden.png").touch()
    (class_folders / ".git").mkdir()
    (class_folders / ".git" / "x.png").touch()
    images = open_images(class_folders.parent)
    assert images.classes == ("blue", "green", "red")
    assert len(images) == 24


def test_a_single_class_folder_is_a_set_of_one_class(class_folders: Path) -> None:
    for name in ("blue", "green"):
        for path in (class_folders / name).iterdir():
            path.unlink()
    assert open_images(class_folders).classes == ("red",)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda p: p / "none", "does not exist"),
        (lambda p: p, "holds no images"),
        (
            lambda p: written(p / "a.zip", b"PK"),
            "is neither a folder nor a .tar, .tar.gz, .parquet or .csv",
        ),
        (lambda p: written(p / "a.tar", b"no archive"), "cannot be read as an archive"),
        (
            lambda p: written(p / "a.tar.gz", b"no archive"),
            "cannot be read as a compressed archive",
        ),
        (lambda p: written(p / "a.jpg", b"").parent, "no class folder, such as 'a.jpg'"),
    ],
)
def test_data_without_classes_are_refused(make: object, problem: str, tmp_path: Path) -> None:
    assert callable(make)
    with pytest.raises(DataError, match=problem):
        open_images(make(tmp_path))


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_an_archive_cut_short_is_refused(class_folders: Path, tmp_path: Path) -> None:
    whole = packed(class_folders, tmp_path / "a.tar.gz", "w:gz").read_bytes()
    with pytest.raises(DataError, match="cannot be read as a compressed archive"):
        open_images(written(tmp_path / "b.tar.gz", whole[:-100]))


@pytest.mark.parametrize("start", ["", "./", "/", "/t/", "./t/u/"])
def test_an_archive_may_hold_absolute_and_hidden_names(start: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in (f"{start}a/1.png", f"{start}b/2.png", f"{start}.cache/3.png"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert open_images(tmp_path / "a.tar").classes == ("a", "b")


def test_folders_that_link_in_a_circle_are_read_once(class_folders: Path) -> None:
    (class_folders / "red" / "up").symlink_to(class_folders, target_is_directory=True)
    assert len(open_images(class_folders)) == 24


def odd_name(folder: Path) -> None:
    try:
        folder.rename(folder.with_name(os.fsdecode(b"caf\xe9")))
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system keeps no such names")


def test_a_class_that_is_called_by_no_text_is_refused(class_folders: Path, tmp_path: Path) -> None:
    odd_name(class_folders / "blue")
    for source in (class_folders, packed(class_folders, tmp_path / "a.tar.gz", "w:gz")):
        with pytest.raises(DataError) as caught:
            open_images(source)
        assert str(caught.value) == (
            f"The data in {str(source)!r} has a class folder whose name is not UTF-8, b'caf\\xe9'. "
            "Rename it: models store the names of their classes in UTF-8."
        )


def test_labels_become_the_models(class_folders: Path) -> None:
    images = open_images(class_folders)
    index = {"red": 0, "green": 5, "blue": 2}
    renamed = relabel(images, list("abcdef"), index)
    assert [s.label for s in renamed.samples] == [2] * 8 + [5] * 8 + [0] * 8
    with pytest.raises(
        DataError, match="1 class folder that the model does not know, such as 'green'"
    ):
        relabel(images, ["red", "blue"], {"red": 0, "blue": 1})


def test_a_split_takes_its_part_of_every_class_and_depends_on_the_seed(class_folders: Path) -> None:
    images = open_images(class_folders)
    kept, held_out = split(images, 0.25, seed=0)
    assert [s.label for s in held_out.samples] == [0, 0, 1, 1, 2, 2]
    assert sorted(s.name for s in kept.samples + held_out.samples) == [
        s.name for s in images.samples
    ]
    assert split(images, 0.25, seed=0)[1] == held_out
    assert split(images, 0.25, seed=1)[1] != held_out


def test_a_class_of_one_image_cannot_be_split(class_folders: Path) -> None:
    for path in sorted((class_folders / "red").iterdir())[1:]:
        path.unlink()
    with pytest.raises(DataError, match="class 'red' has one image"):
        split(open_images(class_folders), 0.1, seed=0)


def test_an_image_is_loaded_or_the_reason_given_why_not(class_folders: Path) -> None:
    how = Preprocess(resize_px=32, crop_px=32)
    images = open_images(class_folders)
    from_sample = load(images.samples[0], how)
    from_path = load(class_folders / images.samples[0].name, how)
    assert isinstance(from_sample, np.ndarray)
    assert isinstance(from_path, np.ndarray)
    assert from_sample.shape == (32, 32, 3)
    assert np.array_equal(from_sample, from_path)
    assert isinstance(load(class_folders / "none.png", how), ImageError)


def test_a_file_that_vanished_is_reported(class_folders: Path) -> None:
    images: ImageSet = open_images(class_folders)
    Path(images.samples[0].path).unlink()
    with pytest.raises(ImageError, match="there is no such file"):
        images.samples[0].read()


def test_a_table_of_paths_and_labels_is_read(class_folders: Path) -> None:
    rows = ["colours/red/0.png,red", '"colours/blue/1.png", blue ', "colours/red/2.png,red"]
    table = class_folders.parent / "a.csv"
    table.write_text("\n".join(rows))
    images = open_images(table)
    assert images.classes == ("blue", "red")
    assert [s.label for s in images.samples] == [1, 0, 1]
    assert images.samples[1].read() == (class_folders / "blue" / "1.png").read_bytes()
    turned = [",".join(reversed([*row.split(","), "7"])) for row in rows]
    table.write_text("\ufeffsize,Label,Path\n" + "\n".join(turned) + "\n", encoding="utf-8")
    assert open_images(table).samples == images.samples
    absolute = f"{class_folders}/red/0.png,10\n{class_folders}/red/1.png,9\n"
    table.write_text(absolute)
    assert open_images(table).classes == ("9", "10")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            "path,label\na.png,1\nb.png,2",
            "names 2 images of which there is no file, such as 'a.png'",
        ),
        ("x,y,z\n1,2,3", "has no columns path and label"),
        ("a.csv,1\na.csv", "has 1 field in row 2, where the first row has 2"),
        ("a.csv,", "has an image without a label, 'a.csv'"),
        ("path,label\n", "holds no images"),
        ("", "has no columns path and label"),
        (b"\xff\xfe,1", "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(
    content: str | bytes, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError, match=sentence) as caught:
        open_images(path)
    assert "\n" not in str(caught.value)


def hub_parquet(
    path: Path, rows: Sequence[tuple[bytes | None, str | None, object]], names: object = None
) -> Path:
    images = [{"bytes": content, "path": name} for content, name, _ in rows]
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    table = pyarrow.table(
        {"image": pyarrow.array(images, kind), "label": [label for *_, label in rows]}
    )
    if names:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        table = table.replace_schema_metadata(metadata)
    pyarrow.parquet.write_table(table, path, row_group_size=2)
    return path


def two_lists(path: Path, first: object, second: object) -> Path:
    """A folder of two files that name their classes."""
    folder = path.with_suffix("")
    folder.mkdir()
    for number, names in enumerate((first, second)):
        hub_parquet(folder / f"train-{number}.parquet", [(png("x"), None, number)], names)
    return folder


def test_parquet_of_the_hub_is_read(tmp_path: Path) -> None:
    rows = [(png(str(n)), f"{n}.png", n % 2) for n in range(5)]
    folder = tmp_path / "data"
    folder.mkdir()
    hub_parquet(folder / "train-00000-of-00002.parquet", rows[:3], ["tench, Tinca", "a/b"])
    hub_parquet(folder / "train-00001-of-00002.parquet", rows[3:], ["tench, Tinca", "a/b"])
    for source in (folder, f"{folder}/train-{{00000..00001}}-of-00002.parquet"):
        images = open_images(source)
        assert images.classes == ("tench, Tinca", "a/b")
        assert [s.label for s in images.samples] == [0, 1, 0, 1, 0]
        assert [s.read() for s in images.samples] == [content for content, *_ in rows]
        assert images.samples[4].name == "train-00001-of-00002.parquet, row 2, 4.png"


def test_parquet_may_name_files_and_have_labels_without_names(class_folders: Path) -> None:
    rows = [(None, "red/0.png", 3), (png("x"), None, 12)]
    images = open_images(hub_parquet(class_folders / "a.parquet", rows))
    assert images.classes == ("3", "12")
    assert images.samples[0].read() == (class_folders / "red" / "0.png").read_bytes()
    texts = [(png("x"), None, "dog"), (png("y"), None, "cat")]
    assert labels_of(open_images(hub_parquet(class_folders / "b.parquet", texts))) == ["dog", "cat"]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda p: written(p, b"no parquet"), "cannot be read as parquet"),
        (lambda p: written(p, b""), "cannot be read as parquet"),
        (
            lambda p: written(p, hub_parquet(p, [(png("x") * 9, None, 1)]).read_bytes()[:5000]),
            "cannot be read as parquet",
        ),
        (lambda p: other_columns(p, {"image": [b"x"], "label": [1]}), "'image' without bytes and"),
        (lambda p: other_columns(p, {"img": [b"x"], "label": [1]}), "has no column 'image'"),
        (lambda p: other_columns(p, {"image": [b"x"]}), "has no column 'label'"),
        (lambda p: hub_parquet(p, [(None, None, 1)]), "has no image in row 1"),
        (lambda p: hub_parquet(p, [(b"", None, None)]), "an image without a label, 'a.parquet, r"),
        (lambda p: hub_parquet(p, [(b"", None, -1)], ["a"]), "an image without a label"),
        (lambda p: hub_parquet(p, [(b"", None, 2)], ["a", "b"]), "row 1' 2, but names 2 classes"),
        (lambda p: hub_parquet(p, []), "holds no images"),
        (lambda p: two_lists(p, ["a", "b"], ["b", "a"]), "list different classes"),
        (lambda p: two_lists(p, ["a", "b"], None), "list different classes"),
        (lambda p: two_lists(p, None, ["a", "b"]), "list different classes"),
    ],
)
def test_parquet_that_cannot_be_used_is_refused(
    make: Callable[[Path], Path], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        open_images(make(tmp_path / "a.parquet"))
    assert "\n" not in str(caught.value)


def other_columns(path: Path, columns: dict[str, list[Any]]) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def test_without_pyarrow_parquet_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = hub_parquet(tmp_path / "a.parquet", [(b"", None, 1)])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "shufflenet.data._parquet", raising=False)
    with pytest.raises(MissingDependency, match="needs the package 'pyarrow'"):
        open_images(path)
