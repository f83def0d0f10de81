"""A run that goes on: with more epochs, elsewhere, from a folder that is damaged."""

import dataclasses
import io
import itertools
import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from conftest import Run, write_colours
from run_states import differences
from shufflenet.data import ImageSet, open_images
from shufflenet.errors import RunDiffers, RunError, RunFileDamaged, ShuffleNetError, WriteError
from shufflenet.evaluate import evaluate
from shufflenet.models import load_model_and_card
from shufflenet.runtimes.pytorch import TorchClassifier
from shufflenet.spec import Accuracy
from shufflenet.train import _measure
from shufflenet.train._run import append_row
from shufflenet.train._state import Parts, Progress, load_state, save_state
from test_train import RECIPE, Killed, kill_at, run

TWO = dataclasses.replace(RECIPE, epochs=2, train_px=(32,))
FOUR = dataclasses.replace(TWO, epochs=4)
STEPS = 4  # of an epoch


@pytest.fixture
def images(class_folders: Path) -> ImageSet:
    return open_images(class_folders)


def rows(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").open()]


def record(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "run.json").read_text())
    return found


def test_a_finished_run_goes_on_with_more_epochs_along_the_new_schedule(
    images: ImageSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "shufflenet")
    out = tmp_path / "run"
    run(images, out, TWO)
    before = rows(out)
    result = run(images, out, FOUR, resume=True)
    assert (result.finished, result.steps) == (True, 4 * STEPS)
    assert rows(out)[:2] == before
    later = [row["learning_rate"] for row in rows(out)[2:]]
    assert later == [FOUR.learning_rate_at(step, 4 * STEPS) for step in (11, 15)]
    assert "Changed from here on, step 8: epochs 2 to 4. What follows is not what" in caplog.text
    assert record(out)["changes"] == [{"step": 8, "epochs": [2, 4]}]
    recipe = record(out)["recipe"]
    assert isinstance(recipe, dict)
    assert recipe["epochs"] == 4
    run(images, out, dataclasses.replace(FOUR, epochs=5, patience=3), resume=True)
    changes = record(out)["changes"]
    assert changes == [
        {"step": 8, "epochs": [2, 4]},
        {"step": 16, "epochs": [4, 5], "patience": [0, 3]},
    ]


def test_a_stopped_run_goes_on_with_more_epochs(images: ImageSet, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(Killed):
        run(images, out, TWO, on_step=kill_at(6))
    assert run(images, out, FOUR, resume=True).steps == 4 * STEPS
    assert [row["epoch"] for row in rows(out)] == [1, 2, 3, 4]


def test_unchanged_it_is_exact_and_records_no_change(images: ImageSet, tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        run(images, tmp_path / name, TWO, stop_after_s=0.0 if name == "parts" else np.inf)
    run(images, tmp_path / "parts", TWO, resume=True)
    assert not differences(tmp_path / "whole", tmp_path / "parts")
    assert record(tmp_path / "parts") == record(tmp_path / "whole")
    assert "changes" not in record(tmp_path / "parts")


def test_a_run_that_stalled_may_go_on_and_patience_counts_anew(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    falling = itertools.count(20, -1)

    def worse(*arguments: object) -> Accuracy:
        return Accuracy(images=24, top1=next(falling), top5=24)

    monkeypatch.setattr(_measure, "evaluate", worse)
    patient = dataclasses.replace(TWO, epochs=9, batch_size=24, patience=1)
    out = tmp_path / "run"
    assert run(images, out, patient).steps == 2  # the first is the best, the second is no gain
    assert run(images, out, patient, resume=True).steps == 2  # it had ended
    longer = dataclasses.replace(patient, patience=2)
    assert run(images, out, longer, resume=True).steps == 2 + 2


def test_fewer_epochs_than_are_done_end_it(images: ImageSet, tmp_path: Path) -> None:
    run(images, tmp_path / "run", TWO)
    shorter = dataclasses.replace(TWO, epochs=1)
    assert run(images, tmp_path / "run", shorter, resume=True).steps == 2 * STEPS


def test_what_else_is_changed_is_refused_by_the_name_of_its_option(
    images: ImageSet, tmp_path: Path
) -> None:
    run(images, tmp_path / "run", TWO, stop_after_s=0.0)
    for field, value in {"batch_size": 4, "label_smoothing": 0.0, "mixup": 0.5, "seed": 3}.items():
        changed = dataclasses.replace(FOUR, **{field: value})  # type: ignore[arg-type]  # of its type
        with pytest.raises(RunDiffers) as caught:
            run(images, tmp_path / "run", changed, resume=True)
        was, option = getattr(TWO, field), field.replace("_", "-")
        assert f"another recipe (--{option}: {was} then, {value} now)" in str(caught.value)
        assert "only --epochs and --patience may change" in str(caught.value)


FIELDS = (
    "--batch-size 6 --learning-rate 0.05 --train-px 32 --image-px 32 --workers 0 --threads 1 "
    "--accelerator cpu --model shufflenet_v2_x0_25"
)


def test_the_command_goes_on_and_later_needs_not_name_the_epochs(
    run: Run, class_folders: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "run"
    command = ["train", "--data", class_folders, "--out", out, *FIELDS.split()]
    assert run(*command, "--epochs", 1)[0] == 0
    assert run(*command, "--epochs", 3, "--resume", "--stop-after", 0)[0] == 0
    assert "epochs 1 to 3" in caplog.text
    code, printed, err = run(*command, "--resume", "--json")  # 3, and not the recipe's own
    assert code == 0, err
    assert json.loads(printed)["steps"] == 3 * 3
    (tmp_path / "elsewhere").mkdir()
    out.rename(tmp_path / "elsewhere" / "moved")
    moved = [*command[:4], tmp_path / "elsewhere" / "moved", *command[5:]]
    code, _, err = run(*moved, "--resume", "--epochs", 4, "--json")
    assert code == 0, err


# --- damaged folders ---


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[ImageSet, Path]:
    folder = write_colours(tmp_path_factory.mktemp("data"))
    out = tmp_path_factory.mktemp("runs") / "whole"
    found = open_images(folder)
    run(found, out, TWO)
    return found, out


def copy_of(out: Path, to: Path) -> Path:
    to.mkdir()
    for path in out.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def broken_records(text: str) -> list[bytes]:
    fields = json.loads(text)
    texts = ["", "{", "[]", "null", "3", '"run"', "[" * 100_000, '{"a":' * 50_000, text[:200]]
    odd: list[Any] = [None, 3, [], "x"]
    texts += [json.dumps({**fields, part: wrong}) for part in fields for wrong in odd]
    parts = ("network", "recipe", "card")  # an older version did not record the data
    texts += [json.dumps({k: v for k, v in fields.items() if k != part}) for part in parts]
    card = fields["card"]
    texts += [json.dumps({**fields, "card": {**card, "origin": wrong}}) for wrong in odd]
    return [text.encode() for text in texts] + [b"\xff\xfe", b"\x00" * 50]


def test_a_damaged_record_is_refused_in_a_sentence(
    whole: tuple[ImageSet, Path], tmp_path: Path
) -> None:
    found, out = whole
    copy = copy_of(out, tmp_path / "run")
    contents = broken_records((out / "run.json").read_text())
    assert len(contents) > 30
    for content in contents:
        (copy / "run.json").write_bytes(content)
        with pytest.raises(RunError) as caught:
            run(found, copy, TWO, resume=True)
        said = str(caught.value)
        assert said.startswith(f"The run folder '{copy}' ")
        assert len(said) < 600
    (copy / "run.json").unlink()
    os.mkfifo(copy / "run.json")
    with pytest.raises(RunFileDamaged, match="it is a pipe"):
        run(found, copy, TWO, resume=True)


def test_of_damaged_checkpoints_the_one_before_is_loaded_or_they_are_refused(
    tmp_path: Path,
) -> None:
    """Cut, overwritten, of other types: never anything but a sentence, or the one before."""
    parts: Parts = {"routed": nn.Linear(5, 4)}
    for step in (1, 2):
        save_state(tmp_path, parts, Progress(step=step))
    last, rng = tmp_path / "last.pt", random.Random(0)
    content, state = last.read_bytes(), torch.load(last, weights_only=True)
    progress = state["progress"]
    odd: list[Any] = [{}, [], 3, {"progress": 3}, {**state, "progress": []}]
    odd += [{**state, "routed": {}}, {**state, "routed": 3}]
    odd += [{**state, "progress": {**progress, "step": wrong}} for wrong in ("3", -1, 1.5, None)]
    odd += [{**state, "progress": {**progress, "best": wrong}} for wrong in (3, {"a": 1})]
    for value in odd:
        buffer = io.BytesIO()
        torch.save(value, buffer)
        check_damaged(tmp_path, parts, buffer.getvalue(), steps={1})
    for number in range(200):
        at = rng.randrange(len(content))
        junk = rng.randbytes(min(rng.randrange(1, 400), len(content) - at))
        damaged = content[:at] if number % 2 else content[:at] + junk + content[at + len(junk) :]
        check_damaged(tmp_path, parts, damaged, steps={1, 2})


def check_damaged(out: Path, parts: Parts, content: bytes, *, steps: set[int]) -> None:
    (out / "last.pt").write_bytes(content)
    assert load_state(out, parts).step in steps
    before = (out / "last-but-one.pt").read_bytes()
    (out / "last-but-one.pt").write_bytes(content)
    try:
        assert load_state(out, parts).step == 2
    except RunError as error:
        assert len(str(error)) < 600  # noqa: PT017  # either is right
    (out / "last-but-one.pt").write_bytes(before)


def test_a_pipe_for_a_checkpoint_does_not_hang(
    whole: tuple[ImageSet, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found, out = whole
    copy = copy_of(out, tmp_path / "run")
    (copy / "last.pt").unlink()
    os.mkfifo(copy / "last.pt")
    with pytest.raises(WriteError, match="last.pt': it is no regular file"):  # nor is it replaced
        run(found, copy, TWO, resume=True)
    assert "using last-but-one.pt instead" in caplog.text


def test_a_best_network_that_is_gone_is_replaced_by_the_present_one(
    whole: tuple[ImageSet, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found, out = whole
    copy = copy_of(out, tmp_path / "run")
    (copy / "best.safetensors").unlink()
    result = run(found, copy, TWO, resume=True)
    assert (
        f"best.safetensors is missing from {copy}: the network of the last checkpoint, step 8, "
        "takes its place." in caplog.text
    )
    assert result.best is not None
    net, card = load_model_and_card(result.best)
    assert card.accuracy == Accuracy(images=24, top1=result.top1, top5=result.top5)
    assert evaluate(TorchClassifier(net, card), found) == card.accuracy
    assert card.origin.steps == 8
    assert run(found, copy, TWO, resume=True) == result  # nothing is missing any more
    assert caplog.text.count("is missing") == 1


def test_damaged_lines_of_metrics_are_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(
        b'{"step": 1}\n{"st\nnull\n{"step": "x"}\n\xff\n' + b"[" * 9999 + b'\n{"step": 9}\n'
    )
    append_row(path, {"step": 4})
    assert path.read_text() == '{"step": 1}\n{"step": 4}\n'
    assert "5 damaged lines of" in caplog.text


def test_a_folder_that_is_no_run_is_refused(whole: tuple[ImageSet, Path], tmp_path: Path) -> None:
    found, _ = whole
    (tmp_path / "notes.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "none"):
        with pytest.raises(RunError, match="holds no run. Start one by leaving out --resume"):
            run(found, out, TWO, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(ShuffleNetError, match="Cannot write"):
        run(found, tmp_path / "notes.txt", TWO, resume=True)
