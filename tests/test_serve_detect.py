"""The service around a detector: what it answers in ``/v1`` and in ``/v2``, and what it refuses."""

import base64
import io
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.testclient import TestClient

from color_finder import color_card, write_color_finder
from conftest import Run
from fakes import Reddest
from serving import CARD, finder
from shufflenet.runtimes import Model
from shufflenet.serve import Served, make_app, open_served


@cache
def client() -> TestClient:
    """Return a client of a service with a detector and a classifier."""
    pets = Served("pets", Model(Reddest(CARD)))
    return TestClient(make_app([finder(), pets], threads=1), raise_server_exceptions=False)


def marked(turn: int = 1) -> bytes:
    """Encode a photo with a red right half; ``turn`` is in its EXIF tag."""
    image = Image.new("RGB", (128, 64))
    image.paste("red", (64, 0, 128, 64))
    tags, file = Image.Exif(), io.BytesIO()
    tags[0x0112] = turn
    image.save(file, "PNG", exif=tags)
    return file.getvalue()


def test_an_image_is_answered_as_predict_prints_it(tmp_path: Path, run: Run) -> None:
    path, file = tmp_path / "a.png", write_color_finder(tmp_path / "colors.onnx")
    path.write_bytes(marked())
    options = ("--model", file, "--min-score", 0.5, "--top", 3, "--runtime", "onnxruntime")
    _, printed, _ = run("predict", path, "--json", *options)
    answer = client().post("/v1/detect?min_score=0.5&top=3", content=marked())
    assert answer.status_code == 200
    expected = json.loads(printed)
    assert len(expected["detections"]) == 3
    assert answer.json() == {**expected, "path": "-", "width": 128, "height": 64}


def test_each_part_of_a_form_has_its_own_size() -> None:
    files = [
        ("a", ("a.png", marked())),
        ("a", ("b.png", marked(turn=6))),
        ("a", ("c.png", b"none")),
    ]
    headers = {"accept": "application/json"}
    lines = client().post("/v1/detect?min_score=0.3", files=files, headers=headers).json()
    assert [(each.get("width"), each.get("height")) for each in lines] == [
        *((128, 64), (64, 128), (None, None))
    ]
    assert lines[2]["error"].startswith("Cannot read 'c.png' as an image")
    left, turned = (sorted(each["box"] for each in line["detections"]) for line in lines[:2])
    expected = sorted([64 - y - height, x, height, width] for x, y, width, height in left)
    assert len(left) > 4
    np.testing.assert_allclose(turned, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/v1/classify", "The model 'colors' is a detector, which finds boxes and names no class"),
        ("/v1/embed", "The model 'colors' is a detector, which finds boxes and has no embeddings"),
        ("/v1/detect?model=pets", "The model 'pets' is a classifier, which finds no boxes."),
        ("/v1/detect?min_score=2", "min_score is '2', but must be from 0 to 1."),
        ("/v1/detect?max_iou=nan", "max_iou is 'nan', but must be from 0 to 1."),
        ("/v1/detect?top=0", "top is '0', but must be a whole number of at least 1."),
        ("/v1/detect?top=999999", "k is 999999, but must be a whole number from 1 to 1,000."),
        ("/v1/detect?score=1", "a parameter of the query is 'score'"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(path: str, sentence: str) -> None:
    answer = client().post(path, content=marked())
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(sentence)


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=12))
def test_any_number_is_read_or_refused(text: str) -> None:
    answer = client().post("/v1/detect", params={"min_score": text}, content=marked())
    assert answer.status_code in (200, 400)


def test_models_say_what_they_answer() -> None:
    models = {each["name"]: each for each in client().get("/v1/models").json()["models"]}
    assert [models[name]["task"] for name in ("colors", "pets")] == ["detection", "classification"]
    assert not models["colors"]["embeds"]
    assert models["colors"]["parameters"] > models["pets"]["parameters"] // 10


def test_rows_are_answered_to_clients_of_the_inference_protocol() -> None:
    card = color_card()
    told = client().get("/v2/models/colors").json()
    assert told["outputs"] == [{"name": "boxes", "datatype": "FP32", "shape": [-1, 84, 7]}]
    sent: dict[str, object] = {
        "inputs": [
            {
                "name": "files",
                "shape": [1],
                "datatype": "BYTES",
                "data": [base64.b64encode(marked()).decode()],
            }
        ]
    }
    (output,) = client().post("/v2/models/colors/infer", json=sent).json()["outputs"]
    assert (output["name"], output["shape"]) == ("boxes", [1, *card.row_shape])
    rows = np.reshape(output["data"], output["shape"])
    np.testing.assert_array_equal(rows[0, 0, :4], [0, 0, 8, 8])
    sent["outputs"] = [{"name": "boxes", "parameters": {"classification": 1}}]
    answer = client().post("/v2/models/colors/infer", json=sent)
    assert answer.status_code == 400
    assert "The output 'boxes' has no classes" in answer.json()["error"]


def test_prepared_images_are_computed_as_files_are() -> None:
    images = np.zeros((2, 3, 64, 64), np.float32)
    images[1, 2, 32:, 32:] = 1  # blue
    sent = {
        "inputs": [
            {
                "name": "images",
                "shape": list(images.shape),
                "datatype": "FP32",
                "data": images.ravel().tolist(),
            }
        ]
    }
    (output,) = client().post("/v2/models/colors/infer", json=sent).json()["outputs"]
    rows = np.reshape(output["data"], output["shape"])
    assert rows[1, -1].tolist() == pytest.approx([32, 32, 64, 64, 0, 0, 0.9])


def test_a_detector_is_opened_by_its_file(tmp_path: Path) -> None:
    served = open_served(write_color_finder(tmp_path / "colors.onnx"), runtime="onnxruntime")
    assert (served.name, served.embedder) == ("colors", None)


def test_the_description_names_what_a_detector_answers() -> None:
    document = client().get("/openapi.json").json()
    operation = document["paths"]["/v1/detect"]["post"]
    model = operation["parameters"][0]
    assert model["schema"]["enum"] == ["colors", "default"]
    other = document["paths"]["/v1/classify"]["post"]["parameters"][0]
    assert (other["schema"]["enum"], other["required"]) == (["pets"], True)
    example = operation["responses"]["200"]["content"]["application/json"]["example"]
    assert example.keys() == set(document["components"]["schemas"]["Detected"]["properties"])
    assert client().get("/docs").status_code == 200
