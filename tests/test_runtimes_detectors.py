"""Detectors opened by every runtime, and the boxes that are found in images."""

import io
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import shufflenet
from color_finder import color_card, write_color_finder
from conftest import card_for, with_seeded_weights
from fakes import Reddest
from shufflenet.boxes import Search
from shufflenet.data import Sample
from shufflenet.errors import (
    FindsBoxes,
    FindsNoBoxes,
    ImageError,
    NoRuntimeOpens,
    OtherOutput,
    RunsNoDetectors,
    SpecError,
)
from shufflenet.models import create_detector, save
from shufflenet.preprocess import normalize
from shufflenet.runtimes import (
    Model,
    OnnxClassifier,
    OpenVinoClassifier,
    Picture,
    detect,
    open_by,
    open_card,
    open_embedder,
    open_fastest,
)
from shufflenet.spec import CARD_KEY, RUNTIMES, DetectorSpec, Fit, Preprocess

SURE = 0.85  # what only cells of 32 px reach


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_color_finder(tmp_path_factory.mktemp("finder") / "colors.onnx")


def marked(
    width: int, height: int, box: tuple[int, int, int, int], color: str = "red"
) -> Image.Image:
    """Draw a colored rectangle, given by left, top, width and height, on black."""
    image = Image.new("RGB", (width, height))
    left, top, box_width, box_height = box
    image.paste(color, (left, top, left + box_width, top + box_height))
    return image


def encoded(image: Image.Image, turn: int = 1) -> bytes:
    file, tags = io.BytesIO(), Image.Exif()
    tags[0x0112] = turn
    image.save(file, "PNG", exif=tags)
    return file.getvalue()


@pytest.mark.parametrize(
    ("fit", "size", "box"),
    [
        ("pad", (128, 128), (64, 0, 64, 64)),  # two pixels become one
        ("squash", (128, 64), (64, 32, 64, 32)),
        ("crop", (128, 64), (64, 0, 32, 32)),  # 32 px at the left are not seen
    ],
)
def test_boxes_are_in_pixels_of_the_image(
    fit: Fit, size: tuple[int, int], box: tuple[int, int, int, int], tmp_path: Path
) -> None:
    model = Model(OnnxClassifier(write_color_finder(tmp_path / "a.onnx", color_card(64, fit))))
    (found,) = model.detect(marked(*size, box), min_score=SURE)
    (only,) = found
    assert (only.box, only.index, only.label) == (box, 0, "red")
    assert only.score == pytest.approx(0.9, abs=0.01)  # edges are mixed


def test_a_box_is_cut_at_the_edges_of_the_image(finder: Path) -> None:
    image = marked(128, 64, (64, 0, 64, 32))  # half of the cell is padding
    (found,) = Model(OnnxClassifier(finder)).detect(image, min_score=0.4)
    (score,) = (each.score for each in found if each.box == (64, 0, 64, 32))
    assert score == pytest.approx(0.45, abs=0.02)


def test_every_kind_of_picture_gives_the_same_boxes(finder: Path, tmp_path: Path) -> None:
    model = shufflenet.open_model(finder, runtime="onnxruntime", threads=1)
    image = marked(128, 64, (64, 0, 64, 64), "#00ff00")
    path = tmp_path / "photo.png"
    image.save(path)
    pictures: list[Picture] = [path, str(path), path.read_bytes(), image, np.asarray(image)]
    found = model.detect(pictures, min_score=0.4)
    assert len(found) == 5
    assert found[0][0].label == "green"
    assert all(each == found[0] for each in found)
    assert model.detect([], min_score=0.5) == []
    sample = Sample(path.name, 0, str(path))
    of_sample = list(detect(model, [sample], Search(0.4)))
    assert of_sample == [(sample, tuple(found[0]))]


@pytest.mark.parametrize("turn", range(1, 9))
def test_boxes_are_those_of_the_image_as_it_is_shown(turn: int, finder: Path) -> None:
    upright = marked(64, 128, (0, 64, 64, 64))
    method = Image.Transpose
    turns = (
        *(None, method.FLIP_LEFT_RIGHT, method.ROTATE_180, method.FLIP_TOP_BOTTOM),
        *(method.TRANSPOSE, method.ROTATE_90, method.TRANSVERSE, method.ROTATE_270),
    )
    way = turns[turn - 1]
    stored = upright if way is None else upright.transpose(way)
    model = Model(OnnxClassifier(finder))
    assert model.detect(encoded(stored, turn)) == model.detect(upright)
    assert model.detect(upright)[0]
    as_stored = replace(color_card(), preprocess=replace(color_card().preprocess, exif=False))
    unturned = Model(OnnxClassifier(write_color_finder(finder.with_name("b.onnx"), as_stored)))
    assert unturned.detect(encoded(stored, turn)) == unturned.detect(stored)


def test_an_image_that_cannot_be_read_is_raised_or_returned(finder: Path) -> None:
    model = Model(OnnxClassifier(finder))
    pictures: list[Picture] = [marked(64, 64, (0, 0, 32, 32)), b"none"]
    with pytest.raises(ImageError):
        model.detect(pictures)
    found, error = model.detect(pictures, errors="return")
    assert isinstance(error, ImageError)
    assert found
    with pytest.raises(SpecError, match="errors is"):
        model.detect(pictures, errors="drop")  # type: ignore[call-overload]
    with pytest.raises(SpecError, match="min_score"):
        model.detect(pictures, min_score=2)


@pytest.mark.parametrize("kind", [OnnxClassifier, OpenVinoClassifier])
def test_rows_are_those_that_the_card_says(
    kind: type[OnnxClassifier | OpenVinoClassifier], tmp_path: Path
) -> None:
    card = color_card((64, 96))
    model = Model(kind(write_color_finder(tmp_path / "a.onnx", card), threads=1))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), np.uint8)
    rows = model.logits_from_pixels(pixels)
    assert rows.shape == (3, 96 + 24 + 6, 7) == (3, *card.row_shape)
    np.testing.assert_allclose(
        rows[1, -1], [64, 32, 96, 64, *pixels[1, 32:, 64:].mean(axis=(0, 1)) / 255 * 0.9], rtol=1e-4
    )
    np.testing.assert_allclose(model.logits(normalize(pixels, card.preprocess)), rows, atol=1e-5)
    assert model.logits_from_pixels(pixels[:0]).shape == (0, 126, 7)


def test_a_checkpoint_computes_what_its_network_does(tmp_path: Path) -> None:
    path = tmp_path / "cells.safetensors"
    net = with_seeded_weights(
        create_detector("shufflenet_v2_x0_25", num_classes=2, detector=DetectorSpec(bins=4))
    ).eval()
    how = Preprocess(resize_px=64, crop_px=(64, 96), fit="pad")
    save(net, path, labels=["a", "b"], preprocess=how)
    model = shufflenet.open_model(path)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    with torch.no_grad():
        expected = net(torch.from_numpy(normalize(pixels, how))).numpy()
    rows = model.logits_from_pixels(pixels)
    assert rows.shape == (2, *model.card.row_shape)
    np.testing.assert_allclose(rows, expected, atol=1e-4)
    for wrong in (pixels[:, :, :64], pixels[:, :32]):
        with pytest.raises(SpecError, match="96x64 px, the only size that the model takes"):
            model.logits_from_pixels(wrong)
        with pytest.raises(SpecError, match="the only size that the model takes"):
            model.logits(normalize(wrong, how))


def test_the_fastest_runtime_is_one_that_computes_detectors(
    finder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        opened = open_fastest(finder, threads=1)
    assert isinstance(opened, OnnxClassifier | OpenVinoClassifier)
    assert "LLVM" not in caplog.text  # it computes no detector, which is no news
    model = shufflenet.open_model(finder, threads=1)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301  # our own
    image = marked(64, 64, (0, 0, 32, 32))
    assert again.detect(image) == model.detect(image)


def test_other_runtimes_refuse_a_detector_in_a_sentence(finder: Path) -> None:
    with pytest.raises(RunsNoDetectors, match="which the LLVM runtime does not compute"):
        open_by(RUNTIMES["llvm"], finder)
    with pytest.raises(NoRuntimeOpens):
        open_fastest(finder, [RUNTIMES["ncnn"]])
    for suffix in (".xml", ".tflite", ".param", ".pt2", ".pte", ".mlpackage"):
        with pytest.raises(RunsNoDetectors, match="holds a detector"):
            open_card(f"a{suffix}", {CARD_KEY: color_card().to_json()}, {})


def test_rows_of_another_shape_are_refused() -> None:
    model = Model(Reddest(color_card()))  # which computes (n, 3)
    with pytest.raises(OtherOutput, match=r"\(1, 84, 7\)"):
        model.logits_from_pixels(np.zeros((1, 64, 64, 3), np.uint8))


def test_each_model_says_what_it_cannot_do(finder: Path) -> None:
    detector = Model(OnnxClassifier(finder))
    with pytest.raises(FindsBoxes, match="cannot classify images"):
        detector.classify(marked(64, 64, (0, 0, 32, 32)))
    with pytest.raises(FindsBoxes, match="cannot give embeddings or heat maps"):
        open_embedder(finder)
    with pytest.raises(FindsNoBoxes, match="finds no boxes"):
        shufflenet.open_model(runtime="onnxruntime").detect("cat.jpg")
    with pytest.raises(FindsNoBoxes):
        Model(Reddest(card_for(color_card().network))).detect("cat.jpg")
