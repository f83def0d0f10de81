"""Short real runs on colored squares: they learn, resume to the bit, and refuse wrong arguments."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import card_for, write_colours
from run_states import differences
from shufflenet.cli import main
from shufflenet.data import ImageSet, open_images
from shufflenet.errors import RunError, WriteError
from shufflenet.models import create_model, load_model, load_model_and_card
from shufflenet.networks import ShuffleNet, build
from shufflenet.recipes import Recipe, find_recipe
from shufflenet.spec import V2Spec
from shufflenet.train import Result, Session, Setup, Teacher, train
from shufflenet.train._parameter_groups import parameter_groups
from shufflenet.zoo import find_network

RECIPE: Recipe = dataclasses.replace(
    find_recipe("small-images"),
    epochs=3,
    batch_size=6,
    learning_rate=0.05,
    train_px=(32, 40),
    image_px=32,
)
STEPS = 12


class Killed(BaseException):
    """Stands for a signal that no code can catch."""


def run(images: ImageSet, out: Path, recipe: Recipe = RECIPE, **session: object) -> Result:
    torch.manual_seed(recipe.seed)
    net = create_model("shufflenet_v2_x0_25", num_classes=len(images.classes), stem_stride=1)
    how = Session(out=out, **{"accelerator": "cpu", "workers": 0, "save_every_s": 0.0, **session})  # type: ignore[arg-type]  # checked by the callers
    return train(setup_for(net, images, recipe), how)


def setup_for(
    net: ShuffleNet,
    images: ImageSet,
    recipe: Recipe = RECIPE,
    validation: ImageSet | None = None,
    teacher: Teacher | None = None,
) -> Setup:
    """Return a setup that validates on the training images unless given others."""
    return Setup(
        net=net,
        card=card_for(net.spec),
        training=images,
        validation=validation or images,
        recipe=recipe,
        teacher=teacher,
    )


def kill_at(step: int) -> Callable[[int, int, float], None]:
    def on_step(now: int, steps: int, loss: float) -> None:
        if now == step:
            raise Killed

    return on_step


@pytest.fixture
def images(class_folders: Path) -> ImageSet:
    return open_images(class_folders)


def test_a_run_learns_and_leaves_what_it_says(images: ImageSet, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    recipe = dataclasses.replace(RECIPE, epochs=16, learning_rate=0.1)
    result = run(
        images, tmp_path / "run", recipe, on_step=lambda step, of, loss: steps.append((step, of))
    )
    assert result.finished
    assert result.images == 24
    assert result.top1 >= 20  # three colors
    assert steps == [(step, 64) for step in range(1, 65)]
    names = {path.name.partition(".tfevents")[0] for path in (tmp_path / "run").iterdir()}
    checkpoints = {"last.pt", "last-but-one.pt", "best.safetensors"}
    records = {"run.json", "metrics.jsonl", "held-out.csv", "trained-on.npy"}
    assert names == {"events.out"} | records | checkpoints
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert [row["epoch"] for row in rows] == list(range(1, 17))
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert [row["train_px"] for row in rows] == [32] * 8 + [40] * 8
    assert result.best
    net, card = load_model_and_card(result.best)
    assert card.accuracy
    assert (card.accuracy.images, card.accuracy.top1) == (24, result.top1)
    assert card.origin.steps == max(r["step"] for r in rows if r["top1"] == result.top1)
    assert not net.training


def test_every_epoch_reports_its_accuracy(images: ImageSet, tmp_path: Path) -> None:
    reported: list[tuple[Path, int]] = []
    out = tmp_path / "run"
    run(images, out, on_epoch=lambda folder, accuracy: reported.append((folder, accuracy.top1)))
    rows = [json.loads(line) for line in (out / "metrics.jsonl").open()]
    assert reported == [(out, row["top1"]) for row in rows]


# In and at the ends of the first, second and last epoch of four steps each.
@pytest.mark.parametrize("step", [1, 4, 5, 7, 8, STEPS])
def test_killed_at_any_step_and_resumed_it_ends_with_the_same_weights(
    step: int, images: ImageSet, tmp_path: Path, undisturbed: Path
) -> None:
    with pytest.raises(Killed):
        run(images, tmp_path / "run", on_step=kill_at(step))
    result = run(images, tmp_path / "run", resume=True)
    assert result.finished
    assert result.steps == STEPS
    assert not differences(tmp_path / "run", undisturbed)
    for name in ("metrics.jsonl", "best.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (undisturbed / name).read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_colours(tmp_path_factory.mktemp("data"))
    out = tmp_path_factory.mktemp("runs") / "undisturbed"
    run(open_images(folder), out)
    return out


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(
    workers: int, images: ImageSet, tmp_path: Path, undisturbed: Path
) -> None:
    run(images, tmp_path / "run", workers=workers, save_every_s=60.0)
    assert not differences(tmp_path / "run", undisturbed)


def test_another_seed_gives_another_network(
    images: ImageSet, tmp_path: Path, undisturbed: Path
) -> None:
    run(images, tmp_path / "run", dataclasses.replace(RECIPE, seed=1))
    assert differences(tmp_path / "run", undisturbed)


def test_kill_9_and_resume_on_the_command_line(
    class_folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(out: str, *more: str) -> list[str]:
        fields = ["--epochs", "2", "--batch-size", "4", "--train-px", "32", "--image-px", "32"]
        paths = ["--data", str(class_folders), "--val", str(class_folders), "--out", out]
        model = ["--model", "shufflenet_v2_x0_25", "--threads", "1", "--accelerator", "cpu"]
        return ["train", *paths, *model, *fields, "--save-every", "0", *more]

    program = (  # kills itself when it has saved the third time
        "import os, sys; from shufflenet.cli import main\n"
        "replace, saved = os.replace, []\n"
        "def counted(source, target):\n"
        "    replace(source, target)\n"
        "    saved.append(target) if str(target).endswith('last.pt') else None\n"
        "    os.kill(os.getpid(), 9) if len(saved) == 3 else None\n"
        "os.replace = counted\n"
        "main(sys.argv[1:])"
    )
    whole, killed = str(tmp_path / "whole"), str(tmp_path / "killed")
    assert main(command(whole)) == 0
    arguments = [sys.executable, "-c", program, *command(killed)]
    done = subprocess.run(arguments, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    capsys.readouterr()
    assert main(command(killed, "--resume", "--json")) == 0  # in another process than was killed
    assert json.loads(capsys.readouterr().out)["steps"] == 12
    assert not differences(Path(whole), Path(killed))


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, "Interrupted."), (signal.SIGTERM, 143, "Terminated.")],
)
def test_a_signal_saves_a_run_and_ends_it_and_its_workers_with_a_word(
    number: int, code: int, said: str, class_folders: Path, tmp_path: Path
) -> None:
    for image in list(class_folders.rglob("*.png")):  # an epoch that lasts some seconds
        for copy in range(50):
            image.with_name(f"{copy} {image.name}").hardlink_to(image)
    fields = "--epochs 10 --batch-size 4 --train-px 32 --image-px 32 --threads 1 --workers 2"
    paths = ["--data", str(class_folders), "--out", str(tmp_path / "run"), "--accelerator", "cpu"]
    program = [sys.executable, "-m", "shufflenet", "train", "--model", "shufflenet_v2_x0_25"]
    process = subprocess.Popen(
        [*program, *paths, *fields.split(), "--save-every", "0"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 600  # for a process that hangs, whatever the load
    while not (tmp_path / "run" / "last.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, check=True)
    for pid in map(int, children.stdout.split()):
        os.kill(pid, number)  # as a terminal and a job's manager do, who signal all
    time.sleep(0.5)  # those reached first must not take the run along
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=600)
    assert process.returncode == code
    assert err.rstrip().endswith(said)
    assert (
        f"To continue it: shufflenet train --model shufflenet_v2_x0_25 --data {class_folders}"
        in err
    )
    assert err.rstrip().splitlines()[-2].endswith("--save-every 0 --resume")
    assert "Traceback" not in err


@pytest.mark.parametrize("step", [1, 4, 7])
def test_a_signal_takes_effect_after_the_step_when_all_is_saved(
    step: int, images: ImageSet, tmp_path: Path, undisturbed: Path
) -> None:
    def killed(number: int, frame: object) -> None:
        raise Killed

    def on_step(now: int, steps: int, loss: float) -> None:
        if now == step:
            signal.raise_signal(signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, killed)
    try:
        with pytest.raises(Killed):
            run(images, tmp_path / "run", on_step=on_step, save_every_s=1000.0)
        assert signal.getsignal(signal.SIGTERM) is killed
    finally:
        signal.signal(signal.SIGTERM, before)
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert state["progress"]["step"] == step
    run(images, tmp_path / "run", resume=True)
    assert not differences(tmp_path / "run", undisturbed)
    rows = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    assert rows == (undisturbed / "metrics.jsonl").read_bytes()


def test_time_that_is_up_stops_a_run_that_goes_on_later(
    images: ImageSet, tmp_path: Path, undisturbed: Path
) -> None:
    result = run(images, tmp_path / "run", stop_after_s=0.0)
    assert (result.finished, result.steps, result.best) == (False, 0, None)
    assert run(images, tmp_path / "run", resume=True).finished
    assert not differences(tmp_path / "run", undisturbed)


def test_a_folder_is_not_run_in_twice_and_not_resumed_with_other_arguments(
    images: ImageSet, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(RunError, match="holds no run. Start one by leaving out --resume"):
        run(images, out, resume=True)
    run(images, out, dataclasses.replace(RECIPE, epochs=2))
    with pytest.raises(RunError, match="already holds a run. Continue it with --resume, or choose"):
        run(images, out)
    with pytest.raises(RunError, match="belongs to a run with another recipe"):
        run(images, out, dataclasses.replace(RECIPE, epochs=2, batch_size=4), resume=True)
    net = create_model("shufflenet_v2_x0_33", num_classes=3, stem_stride=1)
    with pytest.raises(RunError, match="belongs to a run with another network"):
        train(setup_for(net, images), Session(out=out, resume=True))
    fewer = dataclasses.replace(images, samples=images.samples[1:])
    with pytest.raises(RunError, match="belongs to a run with other training data"):
        run(fewer, out, dataclasses.replace(RECIPE, epochs=2), resume=True)


def test_of_a_checkpoint_cut_short_the_one_before_goes_on(
    images: ImageSet, tmp_path: Path, undisturbed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Killed):
        run(images, tmp_path / "run", on_step=kill_at(7))
    last = tmp_path / "run" / "last.pt"
    last.write_bytes(last.read_bytes()[:5000])
    assert run(images, tmp_path / "run", resume=True).finished
    assert "last.pt in" in caplog.text
    assert "using last-but-one.pt instead" in caplog.text
    assert not differences(tmp_path / "run", undisturbed)


def test_two_checkpoints_cut_short_are_reported_and_the_best_network_still_loads(
    images: ImageSet, tmp_path: Path
) -> None:
    run(images, tmp_path / "run")
    for last in (tmp_path / "run").glob("last*.pt"):
        last.write_bytes(last.read_bytes()[:5000])
    with pytest.raises(RunError, match=r"has a damaged checkpoint, last.pt"):
        run(images, tmp_path / "run", resume=True)
    load_model(tmp_path / "run" / "best.safetensors")


def test_a_disk_that_fills_ends_the_run_and_the_last_checkpoint_resumes(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Path
) -> None:
    real, calls = os.replace, 0

    def fills(*args: str) -> None:
        nonlocal calls
        calls += 1
        if calls > 5:
            raise OSError(28, "No space left on device")
        real(*args)

    monkeypatch.setattr(os, "replace", fills)
    with pytest.raises(WriteError, match="No space left on device"):
        run(images, tmp_path / "run")
    monkeypatch.setattr(os, "replace", real)
    assert not [p for p in (tmp_path / "run").iterdir() if p.name.startswith(".")]
    assert run(images, tmp_path / "run", resume=True).finished
    assert not differences(tmp_path / "run", undisturbed)


def test_what_a_killed_write_left_is_cleared_away(images: ImageSet, tmp_path: Path) -> None:
    run(images, tmp_path / "run", stop_after_s=0.0)
    leftover = tmp_path / "run" / ".last.pt.123.partial"
    leftover.touch()
    run(images, tmp_path / "run", resume=True)
    assert not leftover.exists()


def test_fewer_images_than_a_batch_still_make_a_step(images: ImageSet, tmp_path: Path) -> None:
    result = run(images, tmp_path / "run", dataclasses.replace(RECIPE, batch_size=1000))
    assert result.steps == RECIPE.epochs


def test_norms_and_biases_are_not_decayed(images: ImageSet, tmp_path: Path) -> None:
    """With decay and without gradients only weights shrink."""
    net = create_model("shufflenet_v2_x0_25", num_classes=3)
    decayed, free = parameter_groups(net, RECIPE)
    assert decayed["weight_decay"] == RECIPE.weight_decay
    assert free["weight_decay"] == 0
    assert all(parameter.ndim > 1 for parameter in decayed["params"])
    names = {id(p): n for n, p in net.named_parameters()}
    assert {names[id(p)] for p in decayed["params"]} >= {"conv1.0.weight", "fc.weight"}
    assert np.sum([p.numel() for g in (decayed, free) for p in g["params"]]) == sum(
        p.numel() for p in net.parameters()
    )


def test_dropout_is_a_function_of_the_step(images: ImageSet, tmp_path: Path) -> None:
    """So that a network that has it resumes to the bit too."""

    def train_one(out: Path, **session: object) -> None:
        torch.manual_seed(0)
        known = find_network("shufflenet_v2_x0_25")
        assert isinstance(known, V2Spec)
        spec = dataclasses.replace(known, classes=3, stem_stride=1, dropout=0.2)
        net = build(spec)
        how = Session(out=out, accelerator="cpu", workers=0, save_every_s=0.0, **session)  # type: ignore[arg-type]  # checked by the callers
        train(setup_for(net, images), how)

    train_one(tmp_path / "whole")
    with pytest.raises(Killed):
        train_one(tmp_path / "killed", on_step=kill_at(5))
    train_one(tmp_path / "killed", resume=True)
    assert not differences(tmp_path / "whole", tmp_path / "killed")
