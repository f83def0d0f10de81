"""The model card of a detector: what the Hub's own library reads of it, and that its lines run."""

import contextlib
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from PIL import Image

from color_finder import color_card, write_color_finder
from conftest import Run
from shufflenet.spec import DetectionAccuracy

_ACCURACY = DetectionAccuracy(
    images=87,
    boxes=1137,
    map=0.5,
    map50=0.75,
    map75=0.6,
    map_small=None,
    map_medium=0.4,
    map_large=0.7,
)


def test_a_detectors_card_is_read_and_its_lines_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, page = tmp_path / "colors.onnx", tmp_path / "README.md"
    write_color_finder(file, replace(color_card(), detection=_ACCURACY))
    assert run("card", file, "--to", page)[0] == 0
    card = ModelCard.load(page)
    assert card.data.pipeline_tag == "object-detection"
    assert card.data.metrics == ["mean_average_precision"]
    results = card.data.eval_results
    assert results is not None
    assert [(each.task_type, each.metric_value) for each in results] == [
        *(("object-detection", 0.5), ("object-detection", 0.75))
    ]
    assert "finds objects of 3 classes" in card.text
    assert "1,137 boxes" in card.text
    assert "small boxes" not in card.text  # there were none
    assert "shufflenet compile" not in card.text
    (lines,) = re.findall(r"```python\n(.*?)\n```", card.text, re.DOTALL)
    photo = Image.new("RGB", (64, 64))
    photo.paste("red", (32, 0, 64, 32))
    photo.save(tmp_path / "photo.jpg", quality=100, subsampling=0)
    monkeypatch.chdir(tmp_path)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(lines, {})  # what the card tells people to run
    assert "red" in output.getvalue()


def test_a_detector_of_unknown_accuracy_says_so(run: Run, tmp_path: Path) -> None:
    file, page = write_color_finder(tmp_path / "colors.onnx"), tmp_path / "README.md"
    assert run("card", file, "--to", page)[0] == 0
    assert "Accuracy is not stated." in page.read_text()
