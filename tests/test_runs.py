"""Which images a run held out, and which a model was trained on."""

import csv
import dataclasses
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from conftest import Run
from shufflenet.data import ImageSet, open_images, split
from shufflenet.errors import HeldOutListDamaged, HeldOutMissing, NoHeldOutList
from shufflenet.runs import count_trained_on, fingerprints, held_out, is_run, write_images


@pytest.fixture
def images(class_folders: Path) -> ImageSet:
    return open_images(class_folders)


def recorded(images: ImageSet, run: Path) -> tuple[ImageSet, ImageSet]:
    """Split a set as a run does, a quarter held out, and write it down."""
    training, validation = split(images, 0.25, seed=3)
    write_images(run, fingerprints(training), validation)
    return training, validation


def contents(images: ImageSet) -> list[tuple[str, bytes]]:
    return [(images.classes[sample.label], sample.read()) for sample in images.samples]


@pytest.mark.parametrize("kind", ["folder", "tar", "tar.gz", "csv"])
def test_held_out_images_are_found_again_with_their_labels(
    kind: str, class_folders: Path, tmp_path: Path
) -> None:
    data = class_folders
    if kind.startswith("tar"):
        data = tmp_path / f"photos.{kind}"
        with tarfile.open(data, "w:gz" if kind == "tar.gz" else "w") as archive:
            archive.add(class_folders, "photos")
    if kind == "csv":
        data = class_folders / "all.csv"
        paths = [path.relative_to(class_folders) for path in sorted(class_folders.glob("*/*.png"))]
        data.write_text("path,label\n" + "".join(f"{p},{p.parent}\n" for p in paths))
    _, validation = recorded(open_images(data), tmp_path / "run")
    assert len(validation) == 6
    (tmp_path / "run").rename(tmp_path / "moved")
    found = held_out(tmp_path / "moved")
    assert found.classes == ("blue", "green", "red")
    assert contents(found) == contents(validation)


def test_the_list_is_a_table_that_data_may_be(images: ImageSet, tmp_path: Path) -> None:
    _, validation = recorded(images, tmp_path)
    assert contents(open_images(tmp_path / "held-out.csv")) == contents(validation)
    with (tmp_path / "held-out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [sample.path for sample in validation.samples]


def test_an_image_that_an_archive_holds_twice_is_found_twice(tmp_path: Path, photos: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("a.jpg", "b.png"):
            archive.add(photos / name, "x/1.png")
    images = open_images(tmp_path / "a.tar")
    write_images(tmp_path, fingerprints(images), images)
    assert contents(held_out(tmp_path)) == contents(images)


def test_images_that_are_gone_are_counted_and_one_is_named(
    images: ImageSet, tmp_path: Path
) -> None:
    _, validation = recorded(images, tmp_path)
    first, second = (Path(validation.samples[place].path) for place in (0, 3))
    first.unlink()
    second.unlink()
    with pytest.raises(HeldOutMissing, match=f"6 images, of which 2 are gone, such as '{first}'"):
        held_out(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"path,label\n", b"path,label,within\n", b"path,label,within\na,b\n", b"\0\xff\n" * 9,
     b"path,label,within\n" + b"a" * 200_000 + b",b,\n"],
)  # fmt: skip
def test_a_damaged_list_is_refused_in_a_sentence(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(NoHeldOutList):
        held_out(tmp_path)
    (tmp_path / "held-out.csv").write_bytes(content)
    with pytest.raises(HeldOutListDamaged, match=r"damaged held-out.csv \(.+\)\. Give the images"):
        held_out(tmp_path)


def test_images_trained_on_are_known_by_their_bytes_wherever_they_are(
    images: ImageSet, class_folders: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    training, validation = recorded(images, run)
    model = run / "best.onnx"
    assert (len(training), len(validation)) == (18, 6)
    assert count_trained_on(model, training) == 18
    assert count_trained_on(model, validation) == 0
    assert count_trained_on(model, images) == 18
    elsewhere = tmp_path / "copies"
    shutil.copytree(class_folders, elsewhere / "photos")
    for path in list(elsewhere.rglob("*.png")):
        path.rename(path.with_name(f"another {path.name}"))
    assert count_trained_on(model, open_images(elsewhere)) == 18
    assert count_trained_on(tmp_path / "best.onnx", training) == 0  # not in a run's folder
    first = Path(training.samples[0].path)
    first.write_bytes(first.read_bytes()[:-1] + b"x")
    assert count_trained_on(model, training) == 17


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"junk" * 100])
def test_damaged_fingerprints_are_as_none(content: bytes, images: ImageSet, tmp_path: Path) -> None:
    (tmp_path / "trained-on.npy").write_bytes(content)
    assert count_trained_on(tmp_path / "a.onnx", images) == 0
    np.save(tmp_path / "trained-on.npy", np.array([1.5]))
    assert count_trained_on(tmp_path / "a.onnx", images) == 0


def test_files_that_cannot_be_read_have_no_fingerprint(images: ImageSet, tmp_path: Path) -> None:
    gone = dataclasses.replace(images.samples[0], path=str(tmp_path / "gone"))
    some = dataclasses.replace(images, samples=(gone, *images.samples[1:3]))
    assert len(fingerprints(some)) == 2
    assert fingerprints(some).dtype == np.uint64


TRAIN = (
    "--epochs 1 --batch-size 6 --train-px 32 --image-px 32 --workers 0 --threads 1 "
    "--accelerator cpu --model shufflenet_v2_x0_25"
)


def test_training_writes_both_and_resuming_keeps_them(
    run: Run, class_folders: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    arguments = ["train", "--data", class_folders, "--out", out, *TRAIN.split()]
    assert not is_run(out)
    assert run(*arguments, "--stop-after", 0)[0] == 0
    assert is_run(out)
    names = ("held-out.csv", "trained-on.npy")
    before = [(out / name).stat().st_mtime_ns for name in names]
    (out / names[1]).unlink()
    assert run(*arguments, "--resume")[0] == 0
    assert (out / names[1]).exists()
    after = [(out / name).stat().st_mtime_ns for name in names]
    assert run(*arguments, "--resume")[0] == 0
    assert [(out / name).stat().st_mtime_ns for name in names] == after != before
    validation = held_out(out)
    assert len(validation) == 3
    everything = open_images(class_folders)
    assert count_trained_on(out / "best.safetensors", everything) == 21
    assert count_trained_on(out / "best.safetensors", validation) == 0


def test_images_on_both_sides_cost_a_warning(
    run: Run, class_folders: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = ["train", "--data", class_folders, *TRAIN.split(), "--stop-after", 0]
    run(*arguments, "--out", tmp_path / "a", "--val", class_folders)
    assert "24 of 24 images to validate on are trained on too, by their bytes" in caplog.text
    caplog.clear()
    run(*arguments, "--out", tmp_path / "b")
    assert "trained on too" not in caplog.text
