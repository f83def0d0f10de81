"""What goes wrong while training: one sentence, exit code 1, nothing half written or lost."""

import dataclasses
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock, Timeout

from conftest import Run, saved, with_seeded_weights
from shufflenet import cli
from shufflenet.data import ImageSet, open_images
from shufflenet.errors import RunError, WriteError
from shufflenet.models import create_model
from shufflenet.train import Session, _folder_lock, train
from shufflenet.train._batch_memory import run_if_memory_suffices
from shufflenet.train._folder_lock import lock_folder
from shufflenet.train._learner import Learner
from shufflenet.train._mix import MixedBatch
from test_train import RECIPE, Killed, setup_for
from test_train import run as run_here


@pytest.fixture
def images(class_folders: Path) -> ImageSet:
    return open_images(class_folders)


FIELDS = (
    "--batch-size 6 --learning-rate 0.05 --train-px 32 --image-px 32 --workers 0 "
    "--threads 1 --accelerator cpu --save-every 0 --model shufflenet_v2_x0_25"
)


def command(data: Path, out: Path, *more: object, epochs: int = 2) -> list[object]:
    return ["train", "--data", data, "--out", out, "--epochs", epochs, *FIELDS.split(), *more]


def refused(result: tuple[int, str, str]) -> str:
    """Check that a command failed in one line without a traceback, and return it."""
    code, out, err = result
    lines = err.splitlines()
    assert (code, out, len(lines)) == (1, "", 1), err
    return lines[0]


# --- before a run begins ---


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--recipe", "megvi"], "No recipe is called 'megvi'. Did you mean 'megvii'?"),
        (["--recipe", "segment"], "No recipe is called 'segment'. Known: detection, fine-tuning"),
        (["--recipe", "detection"], "recipe is 'detection', but must be one for --task classif"),
        (["--mosaic", "0.5"], "mosaic is 0.5, but must be 0, for it does nothing for a classifier"),
        (["--freeze", "9"], "freeze is 9, but must be from 0 to 4: shufflenet_v2_x0_25 has 3"),
        (["--layer-decay", "2"], "layer_decay is 2.0, but must be greater than 0 and at most 1."),
        (["--temperature", "4"], "temperature is 4.0, but must be left out where no --teacher is"),
    ],
)
def test_what_cannot_be_done_is_refused_before_a_run_begins(
    more: list[str], sentence: str, run: Run, class_folders: Path, tmp_path: Path
) -> None:
    assert refused(run(*command(class_folders, tmp_path / "run", *more))).startswith(sentence)
    assert not (tmp_path / "run").exists()


def test_an_unknown_field_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["train", "--data", "x", "--out", "y", "--lerning-rate=1"])
    assert caught.value.code == 2
    assert "--lerning-rate=1 (did you mean --learning-rate?)" in capsys.readouterr().err


def test_a_class_of_one_image_cannot_be_split(
    run: Run, class_folders: Path, tmp_path: Path
) -> None:
    for path in sorted((class_folders / "red").iterdir())[1:]:
        path.unlink()
    said = refused(run(*command(class_folders, tmp_path / "run")))
    assert said.endswith(
        "cannot be split, because class 'red' has one image. Add images, or give a validation set "
        "of your own with --val."
    )
    assert not (tmp_path / "run").exists()


def test_a_table_that_names_missing_images_is_refused_with_their_number_and_the_first(
    run: Run, class_folders: Path, tmp_path: Path
) -> None:
    names = [f"{c}/{n}.png" for c in ("blue", "red") for n in range(4)] + ["red/x.png", "red/y.png"]
    table = class_folders / "images.csv"
    table.write_text("path,label\n" + "".join(f"{n},{n.partition('/')[0]}\n" for n in names))
    said = refused(run(*command(table, tmp_path / "run")))
    assert "names 2 images of which there is no file, such as 'red/x.png'." in said
    assert not (tmp_path / "run").exists()


def test_a_teacher_of_other_classes_is_refused(
    run: Run, class_folders: Path, tmp_path: Path
) -> None:
    net = with_seeded_weights(create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1))
    teacher = saved(net, tmp_path / "teacher.safetensors")
    said = refused(run(*command(class_folders, tmp_path / "run", "--teacher", teacher)))
    assert said.startswith(f"The teacher {str(teacher)!r} does not know 3 of 3 classes, such as")
    assert not (tmp_path / "run").exists()


# --- a loss that is no number ---


def poisoned(first: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a teacher whose logits are not finite after ``first`` steps."""
    calls = 0

    def teach(pixels: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return torch.full((len(pixels), 3), float("nan") if calls > first else 0.0)

    return teach


def taught(images: ImageSet, out: Path, teacher: Callable[[torch.Tensor], torch.Tensor],
           save_every_s: float = 0.0) -> None:  # fmt: skip
    torch.manual_seed(0)
    net = create_model("shufflenet_v2_x0_25", num_classes=3, stem_stride=1)
    session = Session(out=out, accelerator="cpu", workers=0, save_every_s=save_every_s)
    train(setup_for(net, images, teacher=teacher), session)


def step_of(path: Path) -> int:
    return int(torch.load(path, weights_only=True)["progress"]["step"])


def test_a_loss_that_is_no_number_names_the_step_and_keeps_the_checkpoint_before(
    images: ImageSet, tmp_path: Path
) -> None:
    """Not the one of the very weights that gave it."""
    out = tmp_path / "run"
    with pytest.raises(RunError) as caught:
        taught(images, out, poisoned(6))
    assert str(caught.value) == (
        f"The run folder '{out}' met a loss of nan at step 6, at a learning rate of "
        f"{RECIPE.learning_rate_at(6, 12):.3g}. Its last good checkpoint, of step 5, is kept. "
        "Train again with a lower --learning-rate, which --find-rate suggests, or with --clip 1, "
        f"in another --out, from its best epoch by --weights {out}/best.safetensors."
    )
    assert step_of(out / "last.pt") == 5
    state = torch.load(out / "last.pt", weights_only=True)["routed"]
    assert all(torch.isfinite(value).all() for value in state.values())


def test_a_run_that_had_nothing_to_keep_may_be_started_over(
    images: ImageSet, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    message = r"at step 2, .* There is no earlier checkpoint. Train again with .* --clip 1\.$"
    with pytest.raises(RunError, match=message):
        taught(images, out, poisoned(2), save_every_s=1000.0)
    assert run_here(images, out, dataclasses.replace(RECIPE, epochs=1)).finished
    with pytest.raises(RunError, match="already holds a run"):
        run_here(images, out, dataclasses.replace(RECIPE, epochs=1))


# --- memory ---


def short_of_memory(
    monkeypatch: pytest.MonkeyPatch, error: Exception, room_for: int, from_call: int = 0
) -> list[int]:
    """Make losses of more than ``room_for`` images fail, from call ``from_call`` on."""
    real, sizes = Learner._loss, list[int]()

    def loss(self: Learner, batch: MixedBatch) -> torch.Tensor:
        sizes.append(len(batch.labels))
        if len(sizes) > from_call and len(batch.labels) > room_for:
            raise error
        return real(self, batch)

    monkeypatch.setattr(Learner, "_loss", loss)
    return sizes


CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), CPU])
def test_memory_that_does_not_suffice_names_the_batch_that_fits(
    error: Exception, run: Run, class_folders: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    sizes = short_of_memory(monkeypatch, error, room_for=2)
    out = tmp_path / "run"
    said = refused(run(*command(class_folders, out)))
    assert said == (
        f"The run folder '{out}' ran out of the memory of cpu at step 0, with a batch of 6 images "
        "of 32 px. There is no earlier checkpoint. To train again, --accumulate 4 computes "
        "it in parts of 2 images, which fit."
    )
    assert sizes == [6, 3, 2, 2, 2]
    code, _, err = run(*command(class_folders, out, "--accumulate", 4))  # in the same folder
    assert code == 0, err


def test_later_the_last_checkpoint_is_named_and_kept(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, CPU, room_for=0, from_call=5)
    with pytest.raises(RunError, match="at step 5, .* Its last good checkpoint, of step 5, is kept"
                       ". To train again, use smaller images by --train-px and --image-px, or a "
                       "smaller network .two images do not fit., in another --out"):  # fmt: skip
        run_here(images, tmp_path / "run")
    assert step_of(tmp_path / "run" / "last.pt") == 5


def test_another_error_is_not_taken_for_want_of_memory() -> None:
    def fail() -> float:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        run_if_memory_suffices(fail)


# --- a disk, and data that change ---


def test_a_full_disk_is_reported_in_one_sentence_and_leaves_no_torn_file(
    run: Run, class_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    out = tmp_path / "run"
    said = refused(run(*command(class_folders, out)))
    assert said.startswith(f"Cannot write '{out}/run.json': No space left on device.")
    assert not out.exists()


def test_data_that_changed_since_are_reported(
    run: Run, class_folders: Path, tmp_path: Path
) -> None:
    arguments = command(class_folders, tmp_path / "run", "--val", class_folders)
    assert run(*arguments, "--stop-after", 0)[0] == 0
    changed = class_folders / "red" / "0.png"
    content = changed.read_bytes()
    changed.write_bytes(content + b"more")
    before = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    said = refused(run(*arguments, "--resume"))
    total = sum(p.stat().st_size for p in class_folders.rglob("*.png"))
    assert f"other training data (bytes: {total - 4} then, {total} now). Restore the" in said
    (class_folders / "red" / "new.png").write_bytes(content)
    assert "(images: 24 then, 25 now; bytes:" in refused(run(*arguments, "--resume"))
    assert {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()} == before
    (class_folders / "red" / "new.png").unlink()
    changed.write_bytes(content)
    said = refused(run(*arguments, "--resume", "--label-smoothing", 0))
    assert "another recipe (--label-smoothing: 0.1 then, 0.0 now). Resume with the argum" in said
    assert run(*arguments, "--resume")[0] == 0


# --- two runs in one folder ---


def test_a_folder_in_use_is_refused_and_left_as_it_is(
    run: Run, class_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_folder_lock, "PATIENCE_S", 0.1)
    out = tmp_path / "run"
    with lock_folder(out):
        for more in ([], ["--resume"]):
            said = refused(run(*command(class_folders, out, *more)))
            assert said == (
                f"The run folder '{out}' is in use: another process trains in it. Wait until "
                "that has ended, or choose another --out."
            )
        assert [path.name for path in out.iterdir()] == [".lock"]
    assert not out.exists()


def test_a_run_holds_its_folder_until_it_ends_in_whatever_way(
    images: ImageSet, tmp_path: Path
) -> None:
    lock = FileLock(tmp_path / "run" / ".lock", blocking=False)

    def on_step(step: int, steps: int, loss: float) -> None:
        with pytest.raises(Timeout):
            lock.acquire()
        raise Killed

    with pytest.raises(Killed):
        run_here(images, tmp_path / "run", on_step=on_step)
    assert not (tmp_path / "run" / ".lock").exists()


def test_of_two_processes_started_at_once_one_trains(class_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    patience = "import shufflenet.train._folder_lock as lock; lock.PATIENCE_S = 0.1; "
    code = patience + "import sys; from shufflenet.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = [str(a) for a in command(class_folders, out, "--stop-after", 1, epochs=1000)]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    deadline = time.monotonic() + 600  # for a process that hangs, whatever the load
    said = [process.communicate(timeout=deadline - time.monotonic())[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1]
    assert sum("in use" in text or "already holds a run" in text for text in said) == 1
    assert step_of(out / "last.pt") > 0


def test_a_place_that_cannot_be_written_is_reported(images: ImageSet, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="Cannot write .*/file/run"):
        run_here(images, tmp_path / "file" / "run")


def test_a_run_in_the_folder_of_its_images_is_refused(
    run: Run, class_folders: Path, tmp_path: Path
) -> None:
    options = "--epochs 1 --batch-size 24 --image-px 32 --train-px 32 --workers 0 --accelerator cpu"
    command = ["train", "--model", "shufflenet_v2_x0_25", *options.split(), "--data"]
    (tmp_path / "link").symlink_to(class_folders)
    for out in ("colours", "colours/run", "link/a/b"):
        code, _, err = run(*command, class_folders, "--out", tmp_path / out)
        assert (code, "is in the data" in err, "Choose an --out outside" in err) == (1, True, True)
    split = tmp_path / "set"
    split.mkdir()
    class_folders.rename(split / "train")
    shutil.copytree(split / "train", split / "val")
    assert {path.name for path in (split / "train").iterdir()} == {"blue", "green", "red"}
    code, _, err = run(*command, split, "--out", split / "run")  # beside its splits
    assert code == 0, err
