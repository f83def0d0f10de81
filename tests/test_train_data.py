"""What a run understands of its data and says before it begins; parts of batches."""

import dataclasses
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from conftest import Run, card_for
from shufflenet.data import ImageSet, open_images
from shufflenet.errors import SpecError
from shufflenet.models import create_model
from shufflenet.recipes import Recipe
from shufflenet.runs import held_out
from shufflenet.train import Job, Session, Setup, _batches, train
from shufflenet.train._check_parts import check_parts
from shufflenet.train._job import open_setup
from test_train import RECIPE


@pytest.fixture
def images(class_folders: Path) -> ImageSet:
    return open_images(class_folders)


@pytest.mark.parametrize("names", [("train", "val"), ("Training", "TEST"), ("train", "valid")])
def test_splits_are_used_as_what_they_are(
    names: tuple[str, str], class_folders: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "shufflenet")
    data = tmp_path / "photos"
    shutil.copytree(class_folders, data / names[0])
    shutil.copytree(class_folders, data / names[1])
    for path in (data / names[1]).glob("*/[2-7].png"):
        path.unlink()
    setup = open_setup(Job(data=data, model="shufflenet_v2_x0_25"), RECIPE, "run")
    assert setup.training.classes == setup.validation.classes == ("blue", "green", "red")
    assert (len(setup.training), len(setup.validation)) == (24, 6)
    assert {Path(s.path).parts[-3] for s in setup.training.samples} == {names[0]}
    assert {Path(s.path).parts[-3] for s in setup.validation.samples} == {names[1]}
    assert f"{names[0]!r} is used here" in caplog.text
    assert f"Validated on the images in {names[1]!r}." in caplog.text
    job = Job(data=data, model="shufflenet_v2_x0_25", val_fraction=0.25)
    setup = open_setup(job, RECIPE, "run")
    assert (len(setup.training), len(setup.validation)) == (18, 6)
    assert {Path(s.path).parts[-3] for s in setup.validation.samples} == {names[0]}


def test_what_is_passed_over_is_said_before_a_run_begins(
    class_folders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "shufflenet")
    (class_folders / "cow").mkdir()
    (class_folders / "red" / "film.mp4").write_bytes(b"film")
    open_setup(Job(data=class_folders, model="shufflenet_v2_x0_25"), RECIPE, "run")
    assert "Class folders without an image" in caplog.text
    assert "'cow'" in caplog.text
    assert "1 .mp4 in 'red'" in caplog.text
    assert "Classes: blue, green, red." in caplog.text


FIELDS = (
    "--epochs 1 --batch-size 6 --train-px 32 --image-px 32 --workers 0 --threads 1 "
    "--accelerator cpu --model shufflenet_v2_x0_25 --stop-after 0"
)


def test_a_fraction_of_every_class_is_held_out(
    run: Run, class_folders: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = ["train", "--data", class_folders, *FIELDS.split()]
    assert run(*command, "--out", tmp_path / "a", "--val-fraction", 0.25)[0] == 0
    assert "25% of every class is held out to validate on, chosen by seed 0." in caplog.text
    assert "With 6 images to validate on, one image is 17 points of accuracy." in caplog.text
    assert len(held_out(tmp_path / "a")) == 6
    for value in ("0", "0.6", "nan", "-1"):
        code, _, err = run(*command, "--out", tmp_path / "b", f"--val-fraction={value}")
        assert code == 1
        assert "must be greater than 0 and at most 0.5." in err
    more = ("--val", class_folders, "--val-fraction", 0.25)
    code, _, err = run(*command, "--out", tmp_path / "b", *more)
    assert (code, err) == (1, "val_fraction is 0.25, but must be left out where --val is given.\n")
    assert not (tmp_path / "b").exists()


# --- parts of a batch ---


def recipe_of(**fields: object) -> Recipe:
    return dataclasses.replace(RECIPE, **{"train_px": (32,), **fields})  # type: ignore[arg-type]  # as given


PLUS = "shufflenet_v2_plus_small"  # squeezes maps to 1x1, whatever their size


@pytest.mark.parametrize(
    ("name", "stride", "fields", "processes", "fits"),
    [
        (PLUS, 1, {"batch_size": 1}, 1, False),
        (PLUS, 1, {"batch_size": 2}, 1, True),
        (PLUS, 1, {"batch_size": 4, "accumulate": 4}, 1, False),
        (PLUS, 1, {"batch_size": 4, "accumulate": 2}, 1, True),
        (PLUS, 1, {"batch_size": 5, "accumulate": 3}, 1, False),  # parts of 2, 2 and 1
        (PLUS, 1, {"batch_size": 6, "accumulate": 4}, 1, True),  # parts of 2, 2 and 2
        (PLUS, 1, {"batch_size": 2, "global_norms": False}, 2, False),
        (PLUS, 1, {"batch_size": 4, "global_norms": False}, 2, True),
        (PLUS, 1, {"batch_size": 2}, 2, True),  # norms see both images
        (PLUS, 1, {"batch_size": 3}, 2, False),  # no multiple
        ("shufflenet_v2_x0_25", 4, {"batch_size": 1}, 1, False),  # 32 px end at 1x1
        ("shufflenet_v2_x0_25", 4, {"batch_size": 1, "train_px": (64, 32)}, 1, False),
        ("shufflenet_v2_x0_25", 4, {"batch_size": 1, "train_px": (64,)}, 1, True),
        ("shufflenet_v2_x0_25", 1, {"batch_size": 1}, 1, True),
    ],
)
def test_a_part_of_one_image_is_refused_where_a_norm_cannot_compute_it(
    name: str, stride: int, fields: dict[str, object], processes: int, *, fits: bool
) -> None:
    net = create_model(name, num_classes=3, stem_stride=stride)
    if fits:
        check_parts(net, recipe_of(**fields), 100, processes)
    else:
        with pytest.raises(SpecError, match="^batch_size is [1-5], but must be "):
            check_parts(net, recipe_of(**fields), 100, processes)
    assert net.training


def test_frozen_norms_do_not_look_at_the_batch() -> None:
    net = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=4).freeze(3)
    with pytest.raises(SpecError):  # the head is not frozen
        check_parts(net, recipe_of(batch_size=1), 100, 1)
    net = create_model(PLUS, num_classes=3, stem_stride=1)
    with pytest.raises(SpecError, match=f"{PLUS} has batch norms of 1x1 maps at 32 px"):
        check_parts(net, recipe_of(batch_size=3), 1, 1)  # a single image in all


def test_it_is_known_before_a_run_begins(images: ImageSet, tmp_path: Path) -> None:
    net = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=4)
    recipe = recipe_of(batch_size=1)
    setup = Setup(
        net=net, card=card_for(net.spec), training=images, validation=images, recipe=recipe
    )
    said = (
        "batch_size is 1, but must be such that every part of it (devices 1, accumulate 1) holds "
        "two images or more: shufflenet_v2_x0_25 has batch norms of 1x1 maps at 32 px."
    )
    with pytest.raises(SpecError) as caught:
        train(setup, Session(out=tmp_path / "run", workers=0))
    assert str(caught.value) == said
    few = dataclasses.replace(images, samples=images.samples[::8])
    setup = dataclasses.replace(setup, training=few, recipe=recipe_of(batch_size=8))
    with pytest.raises(SpecError, match="devices is 4, but must be at most 3, the number of im"):
        train(setup, Session(out=tmp_path / "run", workers=0, devices=4))
    assert not (tmp_path / "run").exists()


# --- loader processes ---


def _wait() -> None:
    _batches.ignore_signals(0)
    time.sleep(600)


def test_a_loader_ends_some_time_after_sigterm_and_never_by_ctrl_c(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that a process that exits by an error does not wait for it for ever."""
    monkeypatch.setattr(_batches, "_END_S", 1)
    process = multiprocessing.get_context("fork").Process(target=_wait, daemon=True)
    process.start()
    assert process.pid
    deadline = time.monotonic() + 60
    while not _ignores(process.pid, signal.SIGINT) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    process.join(0.3)
    assert process.is_alive()
    process.terminate()
    process.join(60)
    assert process.exitcode == -signal.SIGALRM


def _ignores(pid: int, number: int) -> bool:
    """Return whether a process ignores one signal and catches another, by what Linux says of it."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    caught = int(fields["SigCgt"], 16) >> (signal.SIGTERM - 1) & 1
    return bool(int(fields["SigIgn"], 16) >> (number - 1) & 1 and caught)
