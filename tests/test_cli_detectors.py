"""Every command that is given a detector does what it says, or says that it cannot."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from color_finder import color_card, write_color_finder
from conftest import Run, card_for
from fakes import Reddest
from shufflenet.data import ImageSet
from shufflenet.data.boxes import BoxSet
from shufflenet.errors import FindsBoxes, SpecError
from shufflenet.evaluate import compute_logits, evaluate, evaluate_detector, find_boxes
from shufflenet.explain import open_explanations
from shufflenet.runtimes import OnnxClassifier


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_color_finder(tmp_path_factory.mktemp("finder") / "colors.onnx")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (64, 64), "red").save(folder / "red.png")
    return folder


@pytest.mark.parametrize(
    ("command", "cannot"),
    [
        (("sort", "{photos}", "--to", "{out}"), "sort images into folders"),
        (("embed", "{photos}", "--to", "{out}.npy"), "give embeddings or heat maps"),
        (("similar", "{photos}/red.png", "--among", "{photos}"), "give embeddings or heat maps"),
        (("explain", "{photos}", "--to", "{out}"), "give embeddings or heat maps"),
        (("score", "{photos}", "--out", "{out}", "--workers", "1"), "answer images by rows"),
        (
            ("score", "{photos}", "--out", "{out}", "--columns", "embeddings", "--workers", "1"),
            "give embeddings or heat maps",
        ),
    ],
)
def test_what_needs_a_classifier_says_so(
    command: tuple[str, ...], cannot: str, run: Run, finder: Path, folder: Path, tmp_path: Path
) -> None:
    words = [each.format(photos=folder, out=tmp_path / "out") for each in command]
    code, out, err = run(*words, "--model", finder)
    assert (code, out) == (1, "")
    assert f"The model 'colors' is a detector, which finds boxes and cannot {cannot}" in err
    assert err.splitlines()[-1].endswith("Model.detect.")
    left = tmp_path / "out"
    assert not list(left.rglob("*.png"))
    assert not list(left.rglob("*.parquet"))


@pytest.mark.parametrize("target", ["host", "web"])
def test_no_machine_code_is_written_for_a_detector(
    target: str, run: Run, finder: Path, tmp_path: Path
) -> None:
    place = tmp_path / ("net" if target == "web" else "net.o")
    code, out, err = run("compile", finder, "--to", place, "--target", target)
    assert (code, out) == (1, "")
    assert "is a detector, which finds boxes and cannot be compiled." in err
    assert not place.exists()


def test_what_a_card_says_is_shown_and_written(run: Run, finder: Path, tmp_path: Path) -> None:
    code, out, _ = run("show", finder)
    assert code == 0
    assert "detection" in out
    code, _, _ = run("card", finder, "--to", tmp_path / "README.md")
    assert code == 0
    assert (tmp_path / "README.md").read_text()


def test_images_of_the_other_kind_are_refused_in_python(finder: Path) -> None:
    boxes, classes = BoxSet((), ("cat",), (), (), (), "boxes"), ImageSet("classes", ("cat",), ())
    detector, classifier = OnnxClassifier(finder), Reddest(card_for(color_card().network))
    with pytest.raises(SpecError, match="images is 'of type BoxSet', but must be an ImageSet"):
        evaluate(classifier, boxes)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="images is 'of type BoxSet', but must be an ImageSet"):
        compute_logits(classifier, boxes)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="images is 'of type ImageSet', but must be a BoxSet"):
        evaluate_detector(detector, classes)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="images is 'of type ImageSet', but must be a BoxSet"):
        find_boxes(detector, classes)  # type: ignore[arg-type]


def test_heat_maps_of_a_detector_are_refused_in_python_too(finder: Path) -> None:
    with pytest.raises(FindsBoxes):
        open_explanations(finder)


def test_a_photo_of_one_pixel_has_no_boxes_or_some(run: Run, finder: Path, folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    Image.fromarray(np.zeros((1, 1, 3), np.uint8)).save(folder / "black.png")
    code, out, _ = run("predict", folder, "--model", finder)
    assert code == 0
    assert out.splitlines()[1:] == ["  no boxes"]
