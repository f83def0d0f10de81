"""Training on images of several labels: what it learns, resumes, mixes, and refuses."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from colored_squares import COLORS, write_squares
from conftest import Run
from run_states import differences
from shufflenet.data import open_images
from shufflenet.errors import (
    ClassNameWithBar,
    RunDiffers,
    SeveralRightClasses,
    SpecError,
    TeacherOfOtherTask,
)
from shufflenet.files import read_card
from shufflenet.recipes import Recipe, find_recipe
from shufflenet.runs import held_out
from shufflenet.train import Job, Result, Session, train_job
from shufflenet.train._loss import label_loss, multi_label_distillation_loss, soften
from shufflenet.train._mix import mix_batch
from shufflenet.train._teacher import open_teacher
from test_train import Killed, kill_at
from training_together import arguments

RECIPE: Recipe = dataclasses.replace(
    find_recipe("small-images"),
    epochs=2,
    batch_size=8,
    learning_rate=0.05,
    train_px=(32,),
    image_px=32,
)
PLAIN = find_recipe("mmpretrain")  # without smoothing


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squares(tmp_path_factory.mktemp("squares"), 32)


def train_squares(table: Path, out: Path, recipe: Recipe = RECIPE, **options: object) -> Result:
    job = Job(data=table, model="shufflenet_v2_x0_25", val_fraction=0.25)
    how = {"accelerator": "cpu", "workers": 0, "save_every_s": 0.0}
    return train_job(job, recipe, Session(out=out, **{**how, **options}))  # type: ignore[arg-type]  # of tests


@pytest.fixture(scope="module")
def done(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return train_squares(table, tmp_path_factory.mktemp("runs") / "run")


def test_a_run_leaves_what_it_says(done: Result, table: Path) -> None:
    assert done.multi_label is not None
    assert (done.images, done.multi_label.images, done.multi_label.classes) == (8, 8, 3)
    card = read_card(str(done.best))
    assert (card.task, card.accuracy, card.multi_label) == ("multi-label", None, done.multi_label)
    lines = (Path(done.run) / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert max(row["map"] for row in rows) == done.multi_label.map
    assert [set(row) >= {"epoch", "loss", "images", "exact", "found", "right"} for row in rows]
    images = held_out(done.run)
    all_of_them = {Path(s.path).name: s.labels for s in open_images(table).samples}
    assert images.task == "multi-label"
    assert images.classes == tuple(COLORS)
    assert {Path(s.path).name: s.labels for s in images.samples}.items() <= all_of_them.items()


def test_colors_are_learned(tmp_path: Path) -> None:
    table = write_squares(tmp_path / "squares", 80)
    recipe = dataclasses.replace(RECIPE, epochs=8, learning_rate=0.1)
    found = train_squares(table, tmp_path / "run", recipe).multi_label
    assert found is not None
    assert found.map > 0.8  # by chance, about 0.5


def test_a_run_that_was_killed_ends_with_the_same_weights(
    done: Result, table: Path, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        train_squares(table, tmp_path / "run", on_step=kill_at(4))
    again = train_squares(table, tmp_path / "run", resume=True)
    assert again.multi_label == done.multi_label
    assert not differences(Path(done.run), tmp_path / "run")


def test_two_processes_reach_what_one_does(run: Run, tmp_path: Path) -> None:
    table = write_squares(tmp_path / "squares", 13, px=32)  # shares of 7 and of 6
    alone, both = tmp_path / "alone", tmp_path / "both"
    exact = "--precision", "64-true"
    assert run(*arguments(table, alone, *exact)[2:])[0] == 0
    command = [sys.executable, *arguments(table, both, *exact, "--devices", "2")]
    subprocess.run(command, check=True, capture_output=True)
    one, two = (
        [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        for out in (alone, both)
    )
    for first, second in zip(one, two, strict=True):
        assert second.pop("loss") == pytest.approx(first.pop("loss"), rel=1e-5)
        assert second == first


def test_another_task_is_another_run(table: Path, tmp_path: Path, class_folders: Path) -> None:
    for task in (None, "multi-label"):
        job = Job(data=class_folders, model="shufflenet_v2_x0_25", task=task, val_fraction=0.25)
        recipe = dataclasses.replace(RECIPE, epochs=1, batch_size=6)
        session = Session(out=tmp_path / "run", accelerator="cpu", workers=0, resume=bool(task))
        if task:
            with pytest.raises(RunDiffers, match="task"):
                train_job(job, recipe, session)
        else:
            train_job(job, recipe, session)


def test_binary_cross_entropy_is_its_formula() -> None:
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 4, generator=rng, dtype=torch.float64) * 3
    labels = (torch.rand(5, 4, generator=rng) < 0.4).double()
    for smoothing in (0.0, 0.1):
        recipe = dataclasses.replace(PLAIN, label_smoothing=smoothing)
        t = (1 - smoothing) * labels + smoothing / 4
        p = 1 / (1 + (-logits).exp())
        expected = -(t * p.log() + (1 - t) * (1 - p).log()).sum(1).mean()
        assert torch.isclose(label_loss(logits, labels, recipe), expected)


def test_mixed_images_have_mixed_targets() -> None:
    labels = torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0]])
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 8, 8)
    for kind in ("mixup", "cutmix"):
        recipe = dataclasses.replace(PLAIN, **{kind: 1.0})  # type: ignore[arg-type]  # a float
        batch = mix_batch(images, labels, recipe, step=3)
        assert torch.equal(batch.others, labels[[3, 0, 1, 2]])
        logits = torch.randn(4, 2, generator=torch.Generator().manual_seed(1))
        parts = label_loss(logits, batch.labels, recipe), label_loss(logits, batch.others, recipe)
        mixed = batch.share * batch.labels + (1 - batch.share) * batch.others
        whole = batch.share * parts[0] + (1 - batch.share) * parts[1]
        assert torch.isclose(label_loss(logits, mixed, recipe), whole)


def test_distillation_is_a_divergence_of_each_class() -> None:
    teacher = torch.tensor([[2.0, -1.0, 0.0], [30.0, -90.0, 4.0]], dtype=torch.float64)
    student = torch.tensor([[0.5, 0.5, -3.0], [1.0, -2.0, 4.0]], dtype=torch.float64)
    for temperature in (1.0, 2.0):
        q = soften(teacher, temperature, "multi-label")
        assert torch.equal(q, (teacher / temperature).sigmoid())
        p = (student / temperature).sigmoid()
        own, other = torch.special.xlogy(q, q / p), torch.special.xlogy(1 - q, (1 - q) / (1 - p))
        expected = temperature**2 * (own + other).sum(1).mean()
        found = multi_label_distillation_loss(student, q, temperature)
        assert torch.isclose(found, expected)
        assert multi_label_distillation_loss(teacher, q, temperature).abs() < 1e-6


def test_a_teacher_answers_the_same_question(done: Result, table: Path, tmp_path: Path) -> None:
    labels = read_card(str(done.best)).labels
    assert callable(open_teacher(str(done.best), labels, task="multi-label"))
    with pytest.raises(TeacherOfOtherTask):
        open_teacher(str(done.best), labels)
    job = Job(data=table, model="shufflenet_v2_x0_25", val_fraction=0.25, teacher=done.best)
    recipe = dataclasses.replace(RECIPE, epochs=1, mixup=0.2)
    session = Session(out=tmp_path / "run", accelerator="cpu", workers=0)
    assert np.isfinite(train_job(job, recipe, session, {"distillation": 0.5}).multi_label.map)  # type: ignore[union-attr]  # it is there


def test_what_cannot_be_trained_is_a_sentence(
    table: Path, tmp_path: Path, class_folders: Path
) -> None:
    with pytest.raises(SpecError, match="balance is 1, but must be 0 where images have several"):
        train_squares(table, tmp_path / "run", dataclasses.replace(RECIPE, balance=1))
    one = tmp_path / "one.csv"
    one.write_text(f"path,label\n{table.parent / '000.png'},\n{table.parent / '001.png'},red\n")
    job = Job(data=table, val=one, model="shufflenet_v2_x0_25")
    session = Session(out=tmp_path / "other", accelerator="cpu", workers=0)
    found = train_job(job, dataclasses.replace(RECIPE, epochs=1), session).multi_label
    assert found is not None
    assert found.classes == 1  # the others are in no image to validate on
    (tmp_path / "folders" / "a|b").mkdir(parents=True)
    (tmp_path / "folders" / "a|b" / "0.png").write_bytes((table.parent / "000.png").read_bytes())
    with pytest.raises(ClassNameWithBar):
        train_job(Job(data=tmp_path / "folders", task="multi-label"), RECIPE, session)


def test_the_commands(done: Result, table: Path, class_folders: Path, run: Run) -> None:
    """Evaluate, show, predict and report, of a multi-label model."""
    best = str(done.best)
    code, out, _ = run("evaluate", "--data", str(table), "--model", best, "--json")
    fields = json.loads(out)
    assert code == 0
    assert fields["images"] == 32
    assert fields["classes"] == 3
    assert [each["label"] for each in fields["per_class"]] == list(COLORS)
    mean = sum(each["average_precision"] for each in fields["per_class"]) / 3
    assert fields["map"] == pytest.approx(mean)
    assert fields["trained_on"] == 24
    assert fields["labels_left_out"] == 0
    errors = table.parent / "wrong.csv"
    code, out, _ = run(
        *("evaluate", "--data", done.run, "--errors", str(errors), "--runtime", "torch")
    )
    assert code == 0
    assert out.startswith("mAP ")
    assert "average precision, %" in out
    head = errors.read_text().splitlines()[0]
    assert head == "path,label,predicted,probability,error"
    code, out, _ = run("show", best)
    assert "multi-label: any number of classes may be right" in out
    assert f"mAP {100 * done.multi_label.map:.2f} %" in out  # type: ignore[union-attr]  # it is there
    code, out, _ = run("predict", str(table.parent / "000.png"), "--model", best, "--json")
    probabilities = [each["probability"] for each in json.loads(out)["predictions"]]
    assert len(probabilities) == 3
    assert abs(sum(probabilities) - 1) > 1e-3
    code, out, _ = run("evaluate", "--data", str(class_folders), "--model", best, "--json")
    assert json.loads(out)["right"] == json.loads(out)["images"]  # one label each


def test_wrong_data_of_a_command_is_a_sentence(table: Path, run: Run, done: Result) -> None:
    code, _, err = run("evaluate", "--data", str(table))
    assert code == 1
    assert str(SeveralRightClasses(table, "shufflenet_v2_x1_0.tiny_imagenet_200")) in err
    empty = table.parent / "empty.csv"
    empty.write_text("path,label\n000.png,\n001.png,red\n")
    code, _, err = run("evaluate", "--data", str(empty))
    assert "has an image without a label, '000.png'" in err
    code, out, _ = run("evaluate", "--data", str(empty), "--model", str(done.best), "--json")
    assert json.loads(out)["images"] == 2
    code, _, err = run(
        *("evaluate", "--data", str(table), "--model", str(done.best), "--details", "d.csv")
    )
    assert "details is 'd.csv', but must be left out for a multi-label model" in err
