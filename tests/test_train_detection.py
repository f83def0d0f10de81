"""Short runs that train detectors on colored squares: they learn, resume to the bit, and refuse."""

import dataclasses
import json
from pathlib import Path

import pytest

from boxed_squares import write_boxed_squares
from conftest import Run
from run_states import differences
from shufflenet.errors import RunDiffers, SpecError, TooFewToSplit, UnknownBoxClasses
from shufflenet.files import read_card
from shufflenet.models import load_model
from shufflenet.networks import Detector
from shufflenet.recipes import Recipe, find_recipe
from shufflenet.train import Job, Result, Session, train_job
from test_train import Killed, kill_at

RECIPE: Recipe = dataclasses.replace(
    find_recipe("detection"), epochs=2, batch_size=4, train_px=(64,), image_px=64, mosaic=0.5
)
STEPS = 4  # of an epoch


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_boxed_squares(tmp_path_factory.mktemp("data") / "squares", 16)


def train_squares(data: Path, out: Path, recipe: Recipe = RECIPE, **options: object) -> Result:
    job = Job(data=data, val=data, task="detection", model="shufflenet_v2_x0_25")
    how = {"accelerator": "cpu", "workers": 0, "save_every_s": 0.0}
    return train_job(job, recipe, Session(out=out, **{**how, **options}))  # type: ignore[arg-type]  # of tests


@pytest.fixture(scope="module")
def done(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return train_squares(squares, tmp_path_factory.mktemp("runs") / "run")


def test_a_run_leaves_what_it_says(done: Result) -> None:
    assert done.detection is not None
    assert (done.finished, done.steps, done.images) == (True, 2 * STEPS, 16)
    assert (done.detection.images, done.top1, done.multi_label) == (16, 0, None)
    card = read_card(str(done.best))
    assert (card.task, card.detection) == ("detection", done.detection)
    assert [label.id for label in card.labels] == ["blue", "red"]
    assert (card.preprocess.fit, card.preprocess.size_px) == ("pad", (64, 64))
    assert (card.accuracy, card.multi_label) == (None, None)
    lines = (Path(done.run) / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["epoch"] for row in rows] == [1, 2]  # it knew no classes: no epoch 0
    assert max(row["map"] for row in rows) == done.detection.map
    assert isinstance(load_model(str(done.best)), Detector)


def test_squares_are_found(squares: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, epochs=8, mosaic=0.0, zoom=1.2)
    found = train_squares(squares, tmp_path / "run", recipe).detection
    assert found is not None
    assert found.map50 > 0.3


@pytest.mark.parametrize("step", [2, STEPS + 3])
def test_a_killed_run_goes_on_to_the_same_bits(
    done: Result, squares: Path, tmp_path: Path, step: int
) -> None:
    with pytest.raises(Killed):
        train_squares(squares, tmp_path / "run", on_step=kill_at(step))
    resumed = train_squares(squares, tmp_path / "run", resume=True)
    assert not differences(Path(done.run), tmp_path / "run")
    assert resumed.detection == done.detection


def test_loader_processes_do_not_change_it(done: Result, squares: Path, tmp_path: Path) -> None:
    train_squares(squares, tmp_path / "run", workers=2)
    assert not differences(Path(done.run), tmp_path / "run")


def test_other_boxes_are_another_run(squares: Path, tmp_path: Path) -> None:
    data = write_boxed_squares(tmp_path / "squares", 16)
    train_squares(data, tmp_path / "run", stop_after_s=0.0)
    path = data / "annotations.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["bbox"][2] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(RunDiffers, match="boxes"):
        train_squares(data, tmp_path / "run", resume=True)


def test_a_part_is_held_out(squares: Path, tmp_path: Path) -> None:
    job = Job(
        data=squares, val_fraction=0.25, task="detection", model="shufflenet_v2_x0_25",
    )  # fmt: skip
    session = Session(out=tmp_path / "run", accelerator="cpu", workers=0)
    result = train_job(job, dataclasses.replace(RECIPE, epochs=1), session)
    assert result.detection is not None
    assert 3 <= result.detection.images <= 6


def test_classes_of_a_single_image_cannot_be_held_out(tmp_path: Path) -> None:
    data = write_boxed_squares(tmp_path / "squares", 3)
    content = json.loads((data / "annotations.json").read_text())
    for number, each in enumerate(content["annotations"]):
        each["iscrowd"] = int(number > 0)  # nothing is learned of these
    (data / "annotations.json").write_text(json.dumps(content))
    job = Job(data=data, task="detection", model="shufflenet_v2_x0_25")
    with pytest.raises(TooFewToSplit, match="has one image"):
        train_job(job, RECIPE, Session(out=tmp_path / "run", accelerator="cpu", workers=0))
    assert not (tmp_path / "run").exists()


def command(data: Path, out: Path, *more: str) -> list[str]:
    paths = ["--data", str(data), "--val", str(data), "--out", str(out)]
    how = ["--accelerator", "cpu", "--workers", "0", "--threads", "1", "--epochs", "1"]
    return ["train", "--task", "detection", "--model", "shufflenet_v2_x0_25", *paths, *how, *more]


def test_the_command_prints_what_was_reached(run: Run, squares: Path, tmp_path: Path) -> None:
    code, out, err = run(*command(squares, tmp_path / "run", "--json"))
    assert code == 0, err
    found = json.loads(out)
    assert found.keys() >= {"run", "best", "images", "map", "map50", "steps", "finished"}
    assert not found.keys() & {"top1", "top5", "detection"}
    assert "Epoch 1: loss " in err
    assert "boxes in 16 validation images" in err
    assert (tmp_path / "run" / "curves.png").exists()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--recipe", "megvii"], "recipe is 'megvii', but must be one for --task detection: det"),
        (["--mixup", "0.2"], "mixup is 0.2, but must be 0, for it does nothing for a detector."),
        (["--teacher", "default"], "teacher is 'default', but must be left out: a detector learns"),
        (["--train-px", "100"], "image_px is 100, but must be of multiples of 32, for a detector."),
        (["--stem-stride", "2"], "stem_stride is 2, but must be 4, for a detector."),
        (["--fit", "crop"], "fit is 'crop', but must be pad or squash: a detector looks at whole"),
        (["--zoom", "0.5"], "zoom is 0.5, but must be from 1 to 10."),
        (["--freeze", "9"], "freeze is 9, but must be from 0 to 4: shufflenet_v2_x0_25 has 3"),
    ],
)
def test_what_cannot_be_done_is_refused_before_a_run_begins(
    more: list[str], sentence: str, run: Run, squares: Path, tmp_path: Path
) -> None:
    code, _, err = run(*command(squares, tmp_path / "run", *more))
    assert code == 1
    assert err.splitlines()[-1].startswith(sentence)
    assert not (tmp_path / "run").exists()


def test_boxes_of_other_classes_are_not_validated_on(squares: Path, tmp_path: Path) -> None:
    other = write_boxed_squares(tmp_path / "others", 4)
    path = other / "annotations.json"
    path.write_text(path.read_text().replace('"red"', '"green"'))
    job = Job(data=squares, val=other, task="detection", model="shufflenet_v2_x0_25")
    with pytest.raises(UnknownBoxClasses, match="green"):
        train_job(job, RECIPE, Session(out=tmp_path / "run", accelerator="cpu"))


def test_a_detector_starts_from_another_and_keeps_what_it_knows(
    done: Result, squares: Path, tmp_path: Path
) -> None:
    job = Job(data=squares, val=squares, task="detection", weights=done.best)
    session = Session(out=tmp_path / "run", accelerator="cpu", workers=0)
    recipe = dataclasses.replace(RECIPE, epochs=1, learning_rate=1e-9)
    result = train_job(job, recipe, session)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    before = json.loads(lines[0])
    assert before["epoch"] == 0  # it knows the classes, and is measured first
    assert done.detection is not None
    assert result.detection is not None
    assert before["map"] == pytest.approx(done.detection.map, abs=1e-6)


def test_recipes_for_boxes_bound_their_fields() -> None:
    for name, value in {"zoom": 0.9, "jitter": 1.5, "mosaic": -0.1}.items():
        with pytest.raises(SpecError, match=name):
            dataclasses.replace(RECIPE, **{name: value})  # type: ignore[arg-type]  # of its type
