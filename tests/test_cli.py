"""Every command as a user types it, in this process: what it prints and how it exits."""

import argparse
import csv
import io
import json
import logging
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tqdm import tqdm

from conftest import Run, saved, take_away, with_seeded_weights
from shufflenet import cli
from shufflenet.cli._train import _Display
from shufflenet.networks import build
from shufflenet.recipes import RECIPES
from shufflenet.spec import Accuracy, Stage, V2Spec
from shufflenet.zoo import NETWORKS


def test_predict_prints_a_table_for_people(run: Run, photos: Path) -> None:
    code, out, err = run("predict", photos / "a.jpg", "--top", 3)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == str(photos / "a.jpg")
    assert len(lines) == 4
    assert lines[1].lstrip()[0].isdigit()
    assert "%" in lines[1]


def test_predict_prints_json_lines(run: Run, photos: Path) -> None:
    code, out, err = run("predict", photos, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [Path(row["path"]).name for row in rows] == ["a.jpg", "b.png", "ü.JPEG"]
    for row in rows:
        assert len(row["predictions"]) == 5
        assert row["predictions"][0].keys() == {"index", "label", "probability"}
        chances = [p["probability"] for p in row["predictions"]]
        assert chances == sorted(chances, reverse=True)
        assert 0 < sum(chances) <= 1
    assert err.startswith("3 files in ")


def test_predict_prints_csv(run: Run, photos: Path) -> None:
    code, out, _ = run("predict", photos / "**" / "*.JPEG", photos / "b.png", "--csv", "--top", 2)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [(Path(r["path"]).name, r["rank"]) for r in rows] == [
        ("ü.JPEG", "1"),
        ("ü.JPEG", "2"),
        ("b.png", "1"),
        ("b.png", "2"),
    ]


def test_predict_follows_links_to_folders_but_not_in_circles(run: Run, photos: Path) -> None:
    (photos / "more").rename(photos.parent / "elsewhere")
    (photos / "link").symlink_to(photos.parent / "elsewhere", target_is_directory=True)
    (photos / "link" / "up").symlink_to(photos, target_is_directory=True)
    code, out, _ = run("predict", photos, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    names = [Path(row["path"]).relative_to(photos).as_posix() for row in rows]
    assert names == ["a.jpg", "b.png", "link/ü.JPEG"]


@pytest.mark.parametrize("form", ["--json", "--csv", "--top=5"])
def test_predict_names_bad_files_and_goes_on(run: Run, photos: Path, form: str) -> None:
    (photos / "b.png").write_bytes(b"broken")
    code, out, err = run("predict", photos, photos / "none.jpg", form)
    assert code == 1
    assert f"Cannot read '{photos / 'b.png'}' as an image: it is empty or not an image." in err
    assert f"Cannot read '{photos / 'none.jpg'}' as an image: there is no such file." in err
    assert "2 could not be read" in err
    assert "JPEG" in out
    if form == "--json":
        rows = [json.loads(line) for line in out.splitlines()]
        assert ["error" in row for row in rows] == [False, True, False, True]


def test_predict_says_when_there_is_nothing_to_predict(run: Run, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "*.jpg"):
        code, out, err = run("predict", place)
        assert (code, out) == (1, "")
        assert f"Cannot read '{place}' as an image: " in err


def test_predict_names_a_model_nearby(run: Run, photos: Path) -> None:
    code, out, err = run("predict", photos / "a.jpg", "--model", "defalt")
    assert (code, out) == (1, "")
    assert err == "No model is called 'defalt'. Did you mean 'default'?\n"


def test_evaluate_counts(run: Run, checkpoint: Path, class_folders: Path) -> None:
    for old, new in (("blue", "id0"), ("green", "id1"), ("red", "id2")):
        (class_folders / old).rename(class_folders / new)
    code, out, _ = run("evaluate", "--data", class_folders, "--model", checkpoint, "--json")
    counts = json.loads(out)
    assert code == 0
    assert counts["images"] == 24
    assert counts["top5"] == 24  # of three classes
    assert 0 <= counts["top1"] <= 24
    code, out, _ = run("evaluate", "--data", class_folders, "--model", checkpoint)
    assert f"{counts['top1']} of 24" in out
    assert "top-5" not in out  # of three classes


def test_evaluate_refuses_classes_that_the_model_does_not_know(
    run: Run, class_folders: Path
) -> None:
    code, _, err = run("evaluate", "--data", class_folders)
    assert code == 1
    assert "has 3 class folders that the model does not know, such as 'blue'" in err


def test_show_describes_a_model_from_either_of_its_files(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("show", "default", "--json")
    assert code == 0
    card = json.loads(out)["card"]
    assert len(card["labels"]) == 200
    assert card["accuracy"]["images"] == 5000
    spec = NETWORKS["shufflenet_v2_x0_25"]
    assert isinstance(spec, V2Spec)  # with one stage it is exported faster
    spec = replace(spec, stages=(Stage(channels=24, repeats=2),), classes=3, stem_stride=1)
    checkpoint = saved(with_seeded_weights(build(spec)), tmp_path / "small.safetensors")
    code, out, _ = run("export", checkpoint, "--to", tmp_path / "a.onnx", "--json")
    assert json.loads(out)["max_abs_difference"] < 1
    from_onnx = run("show", tmp_path / "a.onnx", "--json")
    assert from_onnx[:2] == run("show", checkpoint, "--json")[:2]
    assert "accuracy" not in run("show", checkpoint)[1]


def test_export_writes_formats_of_known_suffixes(
    run: Run, checkpoint: Path, tmp_path: Path
) -> None:
    code, _, err = run("export", checkpoint, "--to", tmp_path / "a.engine")
    assert code == 2
    assert "must end in .onnx or .xml or " in err
    code, _, err = run("export", "shufflenet_v2_x1_0", "--to", tmp_path / "a.onnx")
    assert code == 1
    assert "is a network, without weights" in err


def test_train_then_predict(
    run: Run, class_folders: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = tmp_path / "names.tsv"
    names.write_text("red\ta red thing\n")
    out_folder = tmp_path / "runs" / "colours"
    arguments = (
        *("train", "--data", class_folders, "--out", out_folder, "--labels", names),
        *("--model", "shufflenet_v2_x0_25", "--epochs", 2, "--batch-size", 7, "--workers", 0),
        *("--train-px", 32, "--image-px", 32, "--accelerator", "cpu", "--threads", 1),
    )
    code, out, err = run(*arguments, "--json")
    result = json.loads(out)
    assert code == 0
    assert result["run"] == str(out_folder)
    assert result["images"] == 3  # a tenth of every class, at least one
    assert result["steps"] == 6
    assert "A tenth of every class is held out" in caplog.text
    assert (out_folder / "curves.png").stat().st_size > 1000
    code, out, _ = run("predict", class_folders / "red" / "0.png", "--model", result["best"])
    assert code == 0
    assert "a red thing" in out
    code, out, _ = run(*arguments, "--resume")  # nothing is left to do
    assert code == 0
    code, _, err = run(*arguments)
    assert code == 1
    assert "already holds a run" in err
    code, out, err = run(
        *arguments[:4], tmp_path / "tuned", *arguments[5:7], *arguments[9:],
        *("--weights", result["best"]),
    )  # fmt: skip
    assert code == 0
    assert "The classifier is new" not in caplog.text


def test_the_bar_of_train_shows_the_loss_and_the_accuracy_of_the_last_epoch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn: list[Path] = []
    rows = [{"epoch": 1, "loss": 0.5}]
    monkeypatch.setattr("shufflenet.report.charts.plot_curves", drawn.append)
    monkeypatch.setattr("shufflenet.report.metrics.read_metrics", lambda run: rows)
    with tqdm(total=None, delay=1000, file=io.StringIO()) as bar:
        display = _Display(bar)
        display.on_step(6, 12, 0.51239)
        assert (bar.n, bar.total, bar.postfix) == (6, 12, "loss 0.512")
        display.on_epoch(tmp_path, Accuracy(images=8, top1=6, top5=8))
        display.on_step(7, 12, 0.25)
        assert (bar.n, bar.postfix) == (7, "loss 0.250, validation top-1 75.0 %")
    assert drawn == [tmp_path]
    told = "Epoch 1: loss 0.500, 6 of 8 validation images right (75.0 %).\n"
    assert capsys.readouterr().err == told


def test_train_refuses_unknown_fields_and_networks(run: Run, class_folders: Path) -> None:
    code, _, err = run("train", "--data", class_folders, "--out", "x", "--model", "shufflenet_v2")
    assert code == 1
    assert "No network is called 'shufflenet_v2'. Did you mean" in err
    code, _, err = run("train", "--data", class_folders, "--out", "x", "--epochs", 0)
    assert code == 1
    assert "epochs is 0, but must be greater than 0." in err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["predict"],
        ["predict", "a.jpg", "--top", "0"],
        ["predict", "a.jpg", "--json", "--csv"],
        ["no-such-command"],
        ["train", "--data", "x", "--out", "y", "--learning-rat", "1e"],
        ["train", "--data", "x", "--out", "y", "--workers", "-1"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2


def commands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (a for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(action.choices)


@pytest.mark.parametrize("name", commands())
def test_the_examples_in_the_help_of_a_command_are_right_usage(name: str) -> None:
    command = commands()[name]
    text = command.format_help()
    assert "--json" in text
    examples = text.partition("examples:\n")[2].splitlines()
    assert examples
    assert examples[0].split()[:2] == ["shufflenet", name]
    for line in examples:
        program, *arguments = shlex.split(line.partition(" > ")[0], comments=True)
        assert program == "shufflenet"
        assert cli.parser().parse_known_args(arguments)[1] == [], line


@pytest.mark.parametrize("name", commands())
def test_help_explains_every_option_and_names_its_default(name: str) -> None:
    for action in commands()[name]._actions:
        assert action.help, action
        flag = action.nargs == 0 or action.required or not action.option_strings
        in_recipe = name == "train" and action.dest in RECIPES["megvii"].overridable
        if not (flag or in_recipe or isinstance(action, argparse.BooleanOptionalAction)):
            assert "default" in action.help or "required" in action.help, action


def test_an_option_given_twice_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["evaluate", "--data", "val/", "--model", "default", "--model", "other.onnx"])
    assert caught.value.code == 2
    assert "argument --model: given twice; give it once" in capsys.readouterr().err


def test_an_interrupt_exits_with_130(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shufflenet.runtimes.classify", interrupted)
    assert run("predict", photos)[0] == 130


@pytest.mark.parametrize("saved_before", [True, False])
def test_an_interrupted_run_can_be_resumed_and_says_how(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saved_before: bool
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        if saved_before:
            (tmp_path / "last.pt").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("shufflenet.train.train_job", interrupted)
    code, _, err = run("train", "--data", "photos/", "--out", tmp_path)
    hint = "The run is saved. To continue it, run the same command with --resume.\n"
    assert (code, err) == (130, f"{hint if saved_before else ''}Interrupted.\n")


def test_a_missing_extra_is_named(
    run: Run, checkpoint: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_away("torch", monkeypatch)
    code, _, err = run("predict", photos, "--model", checkpoint)
    assert code == 1
    assert "needs the package 'torch', which is not installed. Install it: pip install" in err
    code, _, err = run("export", checkpoint, "--to", "a.onnx")
    assert code == 1
    assert "pip install 'shufflenet[torch]'" in err
    assert "https://download.pytorch.org/whl/cpu" in err
    code, _, err = run("train", "--data", photos, "--out", photos / "run")
    assert code == 1
    assert "pip install 'shufflenet[train]'" in err


def test_a_file_name_of_any_bytes_is_printed(run: Run, photos: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    (photos / "b.png").rename(photos / name)
    for form in ("--json", "--csv", "--top=1"):
        code, out, _ = run("predict", photos, form)
        assert code == 0
        assert "caf" in out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_told() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "shufflenet", "list", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "Cannot write the output: [Errno 28] No space left on device.\n"


def test_a_message_is_logged_once() -> None:
    program = (
        "import logging; from shufflenet.cli import _predict, main;"
        "warn = logging.getLogger('shufflenet.room').warning;"
        "_predict.list_images = lambda _: [warn('%s is broken.', x) for x in 'abaab'][:0];"
        "main(['predict', 'x'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr == "a is broken.\nb is broken.\n"


def test_logging_is_left_as_it_was_found() -> None:
    assert logging.getLogger("shufflenet").handlers == []
