"""``report``: what it writes of data and of a run, and what it refuses before it computes."""

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import Run
from shufflenet.files import read_checkpoint, write_checkpoint
from shufflenet.zoo import SHIPPED


@pytest.fixture
def named(class_folders: Path) -> Path:
    """Class folders with the identifiers of the small network's classes."""
    for old, new in (("blue", "id0"), ("green", "id1"), ("red", "id2")):
        (class_folders / old).rename(class_folders / new)
    return class_folders


def test_a_report_counts_as_evaluate_does(
    run: Run, checkpoint: Path, named: Path, tmp_path: Path
) -> None:
    (named / "id1" / "7.png").write_bytes(b"junk")
    given = ("--data", named, "--model", checkpoint, "--json")
    counts = json.loads(run("evaluate", *given)[1])
    code, out, _ = run("report", *given, "--to", tmp_path / "report")
    written = json.loads(out)
    assert code == 0
    assert written["path"] == str(tmp_path / "report" / "index.html")
    for field in ("images", "top1", "top5", "unreadable", "model"):
        assert written[field] == counts[field]
    page = (tmp_path / "report" / "index.html").read_text()
    assert "1 image cannot be read and counts as wrong" in page
    assert "Where name" in page  # heat maps
    assert {each.name for each in (tmp_path / "report").iterdir()} == {
        "index.html", "errors.csv", "classes.csv",
    }  # fmt: skip


def test_photos_of_a_compressed_archive_are_shown(
    run: Run, checkpoint: Path, named: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "photos.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(named, "photos")
    to = tmp_path / "report"
    code, out, _ = run(
        "report", "--data", archive, "--model", checkpoint, "--to", to, "--train", archive
    )
    assert code == 0
    assert out.endswith(f"images are answered correctly: open {to / 'index.html'}\n")
    page = (to / "index.html").read_text()
    assert "The photo cannot be shown" not in page
    assert "data:image/webp" in page
    assert "nearly the same as another that the model was trained on" in page


def test_a_second_model_is_compared(
    run: Run, checkpoint: Path, named: Path, tmp_path: Path
) -> None:
    given = ("--data", named, "--model", checkpoint, "--compare", checkpoint)
    code, out, _ = run("report", *given, "--to", tmp_path)
    assert code == 0
    assert "Whether they differ cannot be said" in (tmp_path / "index.html").read_text()
    written = json.loads(run("report", *given, "--to", tmp_path, "--json")[1])
    right, compared = written["top1"], written["compared"]
    assert (compared["images"], compared["both"], compared["p_value"]) == (24, right, 1.0)
    assert (compared["first_only"], compared["second_only"]) == (0, 0)
    assert compared["neither"] == 24 - right
    assert out.startswith(
        f"Of the 24 images that both answered, {right} are correct by the first model and {right} "
        "by the second (McNemar's exact test, p 1)."
    )


def test_what_is_told_of_the_second_model_alone_is_told_as_such(
    run: Run, checkpoint: Path, named: Path, tmp_path: Path
) -> None:
    first = read_checkpoint(checkpoint)
    labels = tuple(replace(each, id=each.id.replace("id2", "no")) for each in first.card.labels)
    other = tmp_path / "other.safetensors"
    write_checkpoint(other, replace(first, card=replace(first.card, labels=labels)))
    (named / "id0" / "notes.txt").touch()
    given = ("--data", named, "--model", checkpoint, "--compare", other)
    code, _, err = run("report", *given, "--to", tmp_path / "to")
    assert code == 0
    assert "The second model: 8 images of 1 class left out" in err
    assert err.count("notes.txt") <= 1
    assert "The second model: 8 images" in (tmp_path / "to" / "index.html").read_text()


def test_a_model_of_other_classes_is_refused(run: Run, named: Path, tmp_path: Path) -> None:
    code, out, err = run("report", "--data", named, "--model", SHIPPED.onnx, "--to", tmp_path)
    assert (code, out) == (1, "")
    assert "id0" in err
    assert list(tmp_path.glob("*.html")) == []


def test_what_no_report_wrote_is_not_replaced_and_nothing_is_computed(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>my page")
    code, out, err = run("report", "--data", "no such data", "--to", tmp_path)
    assert (code, out) == (1, "")
    assert "there is a file that `shufflenet report` did not write" in err
    assert (tmp_path / "index.html").read_text() == "<!doctype html>my page"


def test_a_report_of_a_run_shows_its_curves_and_of_its_photos_warns(
    run: Run, class_folders: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert (
        run(
            *("train", "--data", class_folders, "--model", "shufflenet_v2_x0_25", "--out", out),
            *("--epochs", 2, "--batch-size", 7, "--train-px", 32, "--image-px", 32),
            *("--workers", 0, "--accelerator", "cpu", "--threads", 1),
        )[0]
        == 0
    )
    assert run("report", "--data", out, "--to", tmp_path / "held-out")[0] == 0
    page = (tmp_path / "held-out" / "index.html").read_text()
    assert "validation accuracy" in page
    assert "was trained on" not in page
    _, _, err = run("report", "--data", class_folders, "--model", out, "--to", tmp_path / "all")
    page = (tmp_path / "all" / "index.html").read_text()
    assert "validation accuracy" not in page
    for told in (page, err):
        assert "The model was trained on 21 of these 24 images" in told


def test_a_report_of_images_none_of_which_can_be_read_says_what_it_cannot(
    run: Run, checkpoint: Path, named: Path, tmp_path: Path
) -> None:
    for image in named.rglob("*.png"):
        image.write_bytes(b"junk")
    given = ("--data", named, "--train", named, "--model", checkpoint, "--json")
    code, out, _ = run("report", *given, "--to", tmp_path)
    assert (code, json.loads(out)["top1"], json.loads(out)["unreadable"]) == (0, 0, 24)
    page = (tmp_path / "index.html").read_text()
    assert "24 images cannot be read and count as wrong" in page
    assert "No image could be read, so none is confused." in page
    assert "nothing can be said of probabilities" in page


def test_a_file_without_embeddings_and_heat_maps_says_so(
    run: Run, checkpoint: Path, named: Path, tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    model, to = tmp_path / "model.xml", tmp_path / "report"
    assert run("export", checkpoint, "--to", model)[0] == 0
    assert run("report", "--data", named, "--model", model, "--to", to)[0] == 0
    page = (to / "index.html").read_text()
    assert "There are no heat maps, for a file in .xml does not tell its feature maps." in page
    assert "The model&#x27;s file tells no embeddings" in page
