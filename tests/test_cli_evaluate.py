"""``evaluate``: what it writes and warns of, and what it takes for a run."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from conftest import Run, take_away
from shufflenet.cli._quantize import _note_images_trained_on
from shufflenet.data import open_images


@pytest.fixture
def named(class_folders: Path) -> Path:
    """Class folders with the identifiers of the small network's classes."""
    for old, new in (("blue", "id0"), ("green", "id1"), ("red", "id2")):
        (class_folders / old).rename(class_folders / new)
    return class_folders


def test_an_image_that_cannot_be_read_is_wrong_however_few_the_classes(
    run: Run, checkpoint: Path, named: Path
) -> None:
    (named / "id0" / "0.png").write_bytes(b"junk")
    (named / "id2" / "5.png").write_bytes(b"")
    counts = json.loads(run("evaluate", "--data", named, "--model", checkpoint, "--json")[1])
    assert (counts["images"], counts["top5"], counts["unreadable"]) == (24, 22, 2)
    assert counts["top5_percent"] == pytest.approx(100 * 22 / 24)
    assert counts["trained_on"] == 0
    for folder in named.iterdir():
        for image in folder.iterdir():
            image.write_bytes(b"junk")
    counts = json.loads(run("evaluate", "--data", named, "--model", checkpoint, "--json")[1])
    assert (counts["top1"], counts["top5"], counts["unreadable"]) == (0, 0, 24)
    out = run("evaluate", "--data", named, "--model", checkpoint)[1]
    assert out.splitlines() == ["top-1  0.00 %  0 of 24", "top-5  0.00 %  0 of 24"]


def test_the_images_answered_wrongly_are_written(
    run: Run, checkpoint: Path, named: Path, tmp_path: Path
) -> None:
    (named / "id1" / "7.png").write_bytes(b"junk")
    wrong = tmp_path / "wrong.csv"
    code, out, _ = run(
        *("evaluate", "--data", named, "--model", checkpoint, "--errors", wrong, "--json"),
        *("--threads", 1),
    )
    counts = json.loads(out)
    assert code == 0
    with wrong.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == counts["images"] - counts["top1"]
    broken = [row for row in rows if row["error"]]
    assert [Path(row["path"]).name for row in broken] == ["7.png"]
    assert (broken[0]["predicted"], broken[0]["probability"]) == ("", "")
    answered = [row for row in rows if not row["error"]]
    assert answered  # random weights do not know three colors
    for row in answered:
        assert Path(row["path"]).is_file()
        assert row["label"] == f"name {Path(row['path']).parent.name[-1]}"
        assert row["predicted"] != row["label"]
        assert 1 / 3 < float(row["probability"]) <= 1
        (said,) = json.loads(run("predict", row["path"], "--model", checkpoint, "--json")[1])[
            "predictions"
        ][:1]
        assert said["label"] == row["predicted"]


def test_the_list_of_wrong_answers_replaces_nothing_else(
    run: Run, checkpoint: Path, named: Path, tmp_path: Path
) -> None:
    image, table, wrong = named / "id0" / "0.png", tmp_path / "labels.csv", tmp_path / "wrong.csv"
    table.write_text(f"path,label\n{image},id0\n")
    for file in (image, table, checkpoint):
        before = file.read_bytes()
        for data in (named, table):
            arguments = ("--data", data, "--model", checkpoint, "--errors", file)
            code, out, err = run("evaluate", *arguments)
            assert (code, out) == (1, "")
            assert f"Cannot write '{file}': there is a file that --errors did not write." in err
        assert file.read_bytes() == before
    link = tmp_path / "link.csv"
    link.symlink_to("nowhere")
    for option in ("--errors", "--details"):
        code, _, err = run("evaluate", "--data", named, "--model", checkpoint, option, link)
        assert (code, "it is a link that leads nowhere" in err) == (1, True)
        assert link.is_symlink()
    run("evaluate", "--data", named, "--model", checkpoint, "--details", wrong)
    code, _, err = run("evaluate", "--data", named, "--model", checkpoint, "--errors", wrong)
    assert (code, "there is a file that --errors did not write" in err) == (1, True)
    for _ in range(2):
        arguments = ("--data", named, "--model", checkpoint, "--details", wrong)
        assert run("evaluate", *arguments)[0] == 0
    wrong.write_bytes(b"")
    for _ in range(2):  # an empty file and its own may be replaced
        assert run("evaluate", "--data", named, "--model", checkpoint, "--errors", wrong)[0] == 0
    assert wrong.read_text().startswith("path,label,predicted")


def test_every_image_is_written_with_its_answer(
    run: Run, checkpoint: Path, named: Path, tmp_path: Path
) -> None:
    (named / "id1" / "7.png").write_bytes(b"junk")
    Image.new("RGB", (30, 90), (255, 255, 255)).save(named / "id2" / "0.png")
    every, wrong = tmp_path / "all.csv", tmp_path / "wrong.csv"
    code, out, _ = run(
        *(
            "evaluate",
            "--data",
            named,
            "--model",
            checkpoint,
            "--details",
            every,
            "--errors",
            wrong,
        ),
        *("--threads", 1, "--json"),
    )
    counts = json.loads(out)
    with every.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with wrong.open(newline="") as file:
        mistakes = list(csv.DictReader(file))
    assert (code, len(rows)) == (0, counts["images"])
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
    (broken,) = (row for row in rows if row["error"])
    assert (Path(broken["path"]).name, broken["label"]) == ("7.png", "name 1")
    assert {broken[key] for key in ("predicted", "rank", "width", "brightness")} == {""}
    assert sum(row["rank"] == "1" for row in rows) == counts["top1"]
    same = ("path", "label", "predicted", "probability", "error")
    assert [[row[key] for key in same] for row in rows if row["rank"] != "1"] == [
        [row[key] for key in same] for row in mistakes
    ]
    by_path = {row["path"]: row for row in rows}
    white = by_path[str(named / "id2" / "0.png")]
    assert (white["width"], white["height"], white["brightness"]) == ("30", "90", "255.0")
    for row in rows:
        if row["error"]:
            continue
        answers = json.loads(run("predict", row["path"], "--model", checkpoint, "--json")[1])
        said = {each["label"]: each["probability"] for each in answers["predictions"]}
        assert float(row["label_probability"]) == pytest.approx(said[row["label"]], abs=2e-6)
        assert list(said)[int(row["rank"]) - 1] == row["label"]
        assert row["predicted"] == next(iter(said))
        assert float(row["probability"]) == pytest.approx(max(said.values()), abs=2e-6)


def test_tables_that_cannot_be_written_are_refused_before_any_image_is_read(
    run: Run, checkpoint: Path, named: Path, tmp_path: Path
) -> None:
    data = ("evaluate", "--data", named, "--model", checkpoint)
    both = ("--errors", tmp_path / "a.csv", "--details", tmp_path / "a.csv")
    assert run(*data, *both) == (2, "", "--errors and --details must name two files.\n")
    for option in ("--errors", "--details"):
        code, out, err = run(*data, option, tmp_path)
        assert (code, out) == (1, "")
        assert err.startswith(f"Cannot write '{tmp_path}': ")
        code, out, err = run(*data, option, named / "id0" / "0.png" / "x.csv")
        assert (code, out) == (1, "")
        assert "0.png' is no folder." in err
        assert "images" not in err


def test_a_run_is_measured_on_what_it_held_out_and_warned_about_what_it_trained_on(
    run: Run, class_folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs" / "colors"
    code, result, _ = run(
        *("train", "--data", class_folders, "--out", out, "--model", "shufflenet_v2_x0_25"),
        *("--epochs", 1, "--batch-size", 7, "--workers", 0, "--train-px", 32, "--image-px", 32),
        *("--accelerator", "cpu", "--threads", 1, "--json"),
    )
    assert code == 0
    trained = json.loads(result)
    code, text, err = run("evaluate", "--data", out, "--json")
    counts = json.loads(text)
    assert (code, counts["images"], counts["trained_on"]) == (0, trained["images"], 0)
    assert counts["top1"] == trained["top1"]
    assert "trained on" not in err
    code, text, err = run("evaluate", "--data", class_folders, "--model", out, "--json")
    counts = json.loads(text)
    assert (code, counts["images"], counts["trained_on"]) == (0, 24, 21)
    assert "The model was trained on 21 of these 24 images, so this accuracy is too high." in err
    assert f"--data {out}." in err
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes((out / "best.safetensors").read_bytes())
    code, _, err = run("evaluate", "--data", class_folders, "--model", copy)
    name = class_folders.name
    assert (code, err) == (
        0,
        f"The model was trained on {name}: 21 images of 3 classes. If these are the same, this "
        "accuracy is too high: measure it on others, or on those its run held out, --data RUN.\n",
    )
    code, _, err = run("evaluate", "--data", out, "--model", copy)
    assert (code, err) == (0, "")
    _note_images_trained_on(str(out), open_images(class_folders))
    said = "The model was trained on 21 of 24 of these images: both accuracies are too high"
    assert said in capsys.readouterr().err
    for command in (["show", out], ["predict", class_folders / "red" / "0.png", "--model", out]):
        code, text, err = run(*command)
        assert (code, err) == (0, "")
    code, _, err = run("predict", class_folders, "--model", out, "--runtime", "onnxruntime")
    assert (code, err) == (
        1,
        f"The file '{out}' is not an ONNX file. Export it first: shufflenet export {out} --to "
        "model.onnx.\n",
    )


def test_a_file_that_is_missing_is_said_to_be_missing(run: Run, photos: Path) -> None:
    for name in ("none.safetensors", "none.onnx", "none.ONNX"):
        for runtime in ("onnxruntime", "torch", "auto"):
            code, _, err = run("predict", photos, "--model", name, "--runtime", runtime)
            assert code == 1
            assert err.startswith(f"The file '{name}' does not exist. ") or f"{name}' does" in err


def test_a_checkpoint_without_torch_may_be_exported_elsewhere(
    run: Run, photos: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_away("torch", monkeypatch)
    code, _, err = run("predict", photos, "--model", checkpoint)
    assert code == 1
    assert (
        "Install it: pip install 'shufflenet[torch]'. Or write it as .onnx where torch is:" in err
    )
    assert "shufflenet export small.safetensors --to model.onnx." in err
