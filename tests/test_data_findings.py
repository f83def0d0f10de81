"""What a data set is taken for: splits or classes, which files are used and which are not."""

import shutil
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from conftest import Run
from shufflenet.data import Findings, PassedOver, open_images
from shufflenet.errors import DataError

IMAGE = Image.new("RGB", (40, 40), (200, 30, 40))


def files(root: Path, *names: str) -> Path:
    """Images of these names, and files of other endings that hold text."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in (".png", ".jfif", ".jpg"):
            IMAGE.save(path, "JPEG" if path.suffix != ".png" else "PNG")
        else:
            path.write_text("no image")
    return root


def in_tar(folder: Path) -> Path:
    with tarfile.open(folder.with_suffix(".tar"), "w") as archive:
        archive.add(folder, arcname=folder.name)
    return folder.with_suffix(".tar")


@pytest.mark.parametrize("prefix", ["", "images/", "a/b/"])
@pytest.mark.parametrize(
    ("train", "val", "other"),
    [
        ("train", "val", "test"),
        ("TRAIN", "Valid", "unlabelled"),
        ("training_set", "test_set", "notes"),
        ("1_train", "2_validation", "3-test"),
        ("train2017", "val2017", "annotations"),
        ("seg_train", "seg_test", "seg_pred"),
        ("trainImages", "testimages", "more"),
        ("trainval", "test", "train-test"),
        ("Asl Alphabet Train", "asl_alphabet_VAL", "asl alphabet"),
    ],
)
def test_of_splits_the_one_that_is_meant_is_read(
    train: str, val: str, other: str, prefix: str, tmp_path: Path
) -> None:
    names = [f"{prefix}{s}/{c}/0.png" for s in (train, val, other) for c in ("cat", "dog")]
    folder = files(tmp_path / "photos", *names)
    for source in (folder, in_tar(folder)):
        inside = prefix if source is folder else f"photos/{prefix}"
        for part, used in (("train", train), ("val", val)):
            images = open_images(source, part)  # type: ignore[arg-type]  # a literal of two
            assert images.classes == ("cat", "dog")
            assert images.source == f"{source}/{inside}{used}"
            assert [sample.name for sample in images.samples] == ["cat/0.png", "dog/0.png"]
            assert images.findings.split == used
            assert images.findings.validation == val
            assert set(images.findings.other_splits) == {train, val, other} - {used}
            assert images.samples[0].read() == (folder / names[0]).read_bytes()
        give = "Give one of them" if source is folder else "Unpack it"
        with pytest.raises(DataError, match=f"are splits with classes inside. {give}"):
            open_images(source)


def test_a_test_folder_without_labels_is_no_validation_set(tmp_path: Path) -> None:
    folder = files(tmp_path / "p", "train/cat/0.png", "train/dog/0.png", "test/0.png", "test/1.png")
    images = open_images(folder, "train")
    assert images.classes == ("cat", "dog")
    assert images.findings.validation == ""


def test_folders_that_may_be_splits_or_classes_are_refused(tmp_path: Path) -> None:
    folder = files(tmp_path / "p", "train/0.png", "val/0.png")
    for source in (folder, in_tar(folder)):
        with pytest.raises(DataError, match="may be splits or classes"):
            open_images(source, "train")


@pytest.mark.parametrize("names", [("bus", "train", "tram"), ("train", "bus"), ("test", "val")])
def test_a_class_may_be_called_train(names: tuple[str, ...], tmp_path: Path) -> None:
    folder = files(tmp_path / "p", *(f"{name}/0.png" for name in names))
    assert open_images(folder, "train").classes == tuple(sorted(names))


@pytest.mark.parametrize("names", [("night_train", "test_bench"), ("steam_train", "night_test")])
def test_classes_of_other_words_are_no_splits(names: tuple[str, ...], tmp_path: Path) -> None:
    folder = files(tmp_path / "p", *(f"{name}/{view}/0.png" for name in names for view in "ab"))
    assert open_images(folder, "train").classes == tuple(sorted(names))


def test_splits_of_each_class_are_refused(tmp_path: Path) -> None:
    names = ("cat/train/0.png", "cat/Test/1.png", "dog/train/0.png", "owl/0.png")
    folder = files(tmp_path / "p", *names)
    for source in (folder, in_tar(folder)):
        with pytest.raises(DataError, match="splits inside of 'cat': 'train' and 'Test'"):
            open_images(source, "train")
    assert open_images(files(tmp_path / "q", *names[2:]), "train").classes == ("dog", "owl")


@pytest.mark.parametrize("others", [("cat", "dog"), ("unlabelled",)])
@pytest.mark.parametrize("name", ["val", "Train"])
def test_a_split_among_class_folders_is_refused(
    name: str, others: tuple[str, ...], tmp_path: Path
) -> None:
    inside = [f"{name}/{each}/0.png" for each in ("cat", "dog")]
    folder = files(tmp_path / "p", *(f"{other}/0.png" for other in others), *inside)
    for source in (folder, in_tar(folder)):
        with pytest.raises(DataError, match=f"holds '{name}', a split with folders inside"):
            open_images(source, "train")


def test_two_training_folders_are_refused(tmp_path: Path) -> None:
    folder = files(tmp_path / "p", *(f"{s}/c/0.png" for s in ("train_1", "train_2", "val")))
    assert open_images(folder, "val").findings.split == "val"
    with pytest.raises(DataError, match="'train_1' and 'train_2', of which either may be meant"):
        open_images(folder, "train")


def test_what_is_passed_over_is_counted_and_told(tmp_path: Path) -> None:
    folder = files(
        tmp_path / "photos",
        *("cat/0.JFIF", "cat/1.raw", "cat/2.RAW", "dog/0.png", "dog/clip.mp4", "pig/0.cr2"),
        *("cat/notes.txt", "README", "Thumbs.db", "dog/.DS_Store", "__MACOSX/cat/._0.jpg"),
        "dog/@eaDir/0.jpg",
    )
    (folder / "cow").mkdir()
    images = open_images(folder)
    assert images.classes == ("cat", "dog")
    assert len(images) == 2
    assert images.findings == Findings(
        passed_over=(
            PassedOver("cat", ".raw", 2),
            PassedOver("dog", ".mp4", 1),
            PassedOver("pig", ".cr2", 1),
        ),
        empty_classes=("cow", "pig"),
    )
    assert images.findings.sentences("photos") == [
        "4 files in 'photos' passed over, of no image's ending: 2 .raw in 'cat', 1 .mp4 in 'dog', "
        "1 .cr2 in 'pig'.",
        "Class folders without an image in 'photos': 'cow', 'pig'.",
    ]
    archived = open_images(in_tar(folder)).findings
    assert archived.empty_classes == ("pig",)  # an archive lists files
    assert [each.files for each in archived.passed_over] == [2, 1, 1]


def test_a_split_that_alone_holds_images_is_told(tmp_path: Path) -> None:
    folder = files(tmp_path / "p", "train/cat/0.raw", "val/cat/0.png", "val/dog/0.png")
    for source in (folder, in_tar(folder)):
        images = open_images(source, "train")
        assert images.classes == ("cat", "dog")
        inside = "val" if source is folder else "p/val"
        assert f"All images in 'p' are in '{inside}'." in images.findings.sentences("p")


def test_folders_that_every_class_holds_are_told(tmp_path: Path) -> None:
    names = [f"fold{n}/{c}/0.png" for n in (1, 2) for c in ("cat", "dog", "owl")[: n + 1]]
    images = open_images(files(tmp_path / "p", *names))
    assert images.classes == ("fold1", "fold2")
    assert images.findings.sentences("p") == [
        "Each class in 'p' holds the folders 'cat', 'dog', which are not taken for classes."
    ]


def test_where_everything_is_used_there_is_nothing_to_tell(class_folders: Path) -> None:
    assert open_images(class_folders).findings == Findings()
    assert Findings().sentences("photos") == []


def test_long_lists_are_cut() -> None:
    findings = Findings(
        empty_classes=tuple("abcdefgh"),
        passed_over=tuple(PassedOver(name, ".x", 2) for name in "abcdefgh"),
        unreadable={"locked": "Permission denied"},
    )
    passed, unreadable, empty = findings.sentences("p")
    assert passed.endswith(", 2 .x in 'f', 4 others.")
    assert unreadable == (
        "The folder 'locked' in 'p' cannot be listed (Permission denied) and is passed over."
    )
    assert empty.endswith("'e', 'f' and 2 more.")


def test_a_folder_that_cannot_be_listed_at_all_is_named() -> None:
    assert Findings(unreadable={"": "Permission denied"}).sentences("p") == [
        "The folder 'p' cannot be listed (Permission denied) and is passed over."
    ]


def test_names_that_look_the_same_are_one_class(tmp_path: Path) -> None:
    folder = files(tmp_path / "p", "cafe\u0301/0.png", "caf\u00e9/1.png", "owl/0.png")
    assert open_images(folder).classes == ("caf\u00e9", "owl")


def test_folders_and_tables_put_classes_in_one_order(tmp_path: Path) -> None:
    folder = files(tmp_path / "p", *(f"{n}/0.png" for n in range(12)))
    table = tmp_path / "p.csv"
    table.write_text("".join(f"p/{n}/0.png,{n}\n" for n in sorted(map(str, range(12)))))
    assert open_images(folder).classes == tuple(map(str, range(12)))
    assert open_images(table).classes == open_images(folder).classes


def test_a_folder_of_other_files_is_refused_with_their_count(tmp_path: Path) -> None:
    folder = files(tmp_path / "p", "cat/0.raw", "cat/1.raw", "cat/notes.txt")
    with pytest.raises(DataError, match="holds no images, but 2 files without an image's ending"):
        open_images(folder)


def test_links_that_go_in_a_circle_end(tmp_path: Path) -> None:
    folder = files(tmp_path / "p", "cat/0.png", "dog/0.png")
    (folder / "dog" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "dog" / "self").symlink_to("self")
    assert len(open_images(folder)) == 2


def test_of_images_of_one_name_in_an_archive_the_last_counts(tmp_path: Path) -> None:
    folder = files(tmp_path / "p", "cat/0.png", "dog/0.png")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for _ in range(2):
            archive.add(folder, "p")
    assert len(open_images(tmp_path / "a.tar")) == 2
    (tmp_path / "s").mkdir()
    for name in ("s/0.tar", "s/1.tar"):  # in another archive it is another image
        shutil.copy(tmp_path / "a.tar", tmp_path / name)
    assert len(open_images(tmp_path / "s")) == 4


def test_predict_and_pack_tell_what_they_pass_over(tmp_path: Path, run: Run) -> None:
    folder = files(tmp_path / "photos", "cat/0.jfif", "cat/1.raw", "dog/0.png", "cow/0.raw")
    code, out, err = run("predict", folder, "--top", 1)
    assert code == 0
    assert out.count("%") == 2
    assert "2 files in " in err
    assert "1 .raw in 'cow'" in err
    code, _, err = run("pack", folder, "--to", tmp_path / "a.tar", "--size", 16)
    assert code == 0
    assert "Class folders without an image in " in err
    assert "'cow'" in err


def test_patterns_enter_linked_folders_once(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = files(tmp_path / "p", "a/0.jpg", "a/b/1.JPG", "2.png", "a/.hidden.jpg")
    for number in range(3):
        (folder / f"up{number}").symlink_to(folder, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    for pattern, expected in (
        ("p/**/*.jpg", ["p/a/0.jpg"]),
        ("p/**", ["p/2.png", "p/a/0.jpg", "p/a/b/1.JPG"]),
        ("p/**/b/*", ["p/a/b/1.JPG"]),
        ("**/*.png", ["p/2.png"]),
        (f"{folder}/**/?.png", [f"{folder}/2.png"]),
        ("p/[a]/*", ["p/a/0.jpg"]),
    ):
        code, out, _ = run("predict", pattern, "--csv", "--top", 1)
        assert code == 0
        assert [line.partition(",")[0] for line in out.splitlines()[1:]] == expected
