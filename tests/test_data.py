import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from shufflenet.data import ImageSet, load, open_images, relabelled, split
from shufflenet.errors import DataError, ImageError
from shufflenet.spec import Preprocess


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
        (lambda p: p / "none", "is not there"),
        (lambda p: p, "holds no images"),
        (lambda p: written(p / "a.zip", b"PK"), "is neither a folder nor a .tar"),
        (lambda p: written(p / "a.tar", b"no archive"), "cannot be read as an archive"),
        (lambda p: written(p / "a.tar.gz", b"no archive"), "cannot be decompressed"),
        (lambda p: written(p / "a.jpg", b"").parent, "holds images that lie in no class folder"),
    ],
)
def test_what_holds_no_classes_is_refused(make: object, problem: str, tmp_path: Path) -> None:
    assert callable(make)
    with pytest.raises(DataError, match=problem):
        open_images(make(tmp_path))


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_an_archive_cut_short_is_refused(class_folders: Path, tmp_path: Path) -> None:
    whole = packed(class_folders, tmp_path / "a.tar.gz", "w:gz").read_bytes()
    with pytest.raises(DataError, match="cannot be decompressed"):
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
            f"The data in {str(source)!r} has a class folder whose name is no UTF-8, b'caf\\xe9'. "
            "Rename it, for models name their classes in UTF-8."
        )


def test_labels_become_the_models(class_folders: Path) -> None:
    images = open_images(class_folders)
    index = {"red": 0, "green": 5, "blue": 2}
    renamed = relabelled(images, list("abcdef"), index)
    assert [s.label for s in renamed.samples] == [2] * 8 + [5] * 8 + [0] * 8
    with pytest.raises(DataError, match="1 class folders the model does not know, such as 'green'"):
        relabelled(images, ["red", "blue"], {"red": 0, "blue": 1})


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


def test_a_file_that_vanished_is_told(class_folders: Path) -> None:
    images: ImageSet = open_images(class_folders)
    Path(images.samples[0].path).unlink()
    with pytest.raises(DataError, match="cannot be read"):
        images.samples[0].read()
