"""The example of a training loop of one's own: it runs, and what it saves can be predicted with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import shufflenet
from shufflenet.data import open_images
from shufflenet.evaluate import evaluate
from shufflenet.export import export_onnx
from shufflenet.models import load_model_and_card

EXAMPLE = Path(__file__).parent.parent / "examples" / "own_loop.py"


@pytest.fixture
def tuned(class_folders: Path, tmp_path: Path) -> Path:
    path = tmp_path / "mine.safetensors"
    command = [sys.executable, EXAMPLE, class_folders, path, "--epochs", "20", "--licence", "MIT"]
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("epoch 1: loss ")
    assert f"saved {path}: 3 classes, started from shufflenet_v2_x1_0" in done.stdout
    return path


def test_the_example_learns_and_its_file_opens_everywhere(tuned: Path, class_folders: Path) -> None:
    net, card = load_model_and_card(tuned)
    assert [label.id for label in card.labels] == ["blue", "green", "red"]
    assert card.origin.licence == "MIT"
    assert card.origin.data.startswith("24 images of ")
    onnx = tuned.with_suffix(".onnx")
    export_onnx(net, card, onnx)
    photo = class_folders / "red" / "0.png"
    (by_torch,) = shufflenet.open_model(tuned, runtime="torch").classify([photo], k=1)
    (by_onnx,) = shufflenet.open_model(onnx).classify([photo], k=1)
    assert by_torch[0].label == by_onnx[0].label == "red"
    images = open_images(class_folders)
    assert evaluate(shufflenet.open_model(onnx), images).top1 >= 20
