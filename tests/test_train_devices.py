"""Two processes train as one does with the same batches, and count every image once."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from boxed_squares import write_boxed_squares
from conftest import Run
from shufflenet.cli import main

pytestmark = pytest.mark.xdist_group("devices")  # which train the one network once

# Of the largest weight of a tensor, after 12 steps in float64, each building on the one before:
# 1e-8 was seen. In float32 two such runs part within ten steps, as two of other rounding do.
TOLERANCE = 1e-7
FIELDS = (
    "--epochs 2 --batch-size 4 --train-px 32 --image-px 32 --learning-rate 0.01 --threads 1 "
    "--precision 64-true"
)


def arguments(images: Path, out: Path, *more: str) -> list[str]:
    paths = ["--data", str(images), "--val", str(images), "--out", str(out), "--json"]
    how = ["--accelerator", "cpu", "--workers", "0", "--label-smoothing", "0"]
    model = ["--model", "shufflenet_v2_x0_25"]
    return ["train", *model, *paths, *FIELDS.split(), *how, *more]


def trained(launcher: list[str], *arguments: str) -> dict[str, Any]:
    """As a command, since this process is not to be copied."""
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "shufflenet", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def state(run: Path) -> dict[str, torch.Tensor]:
    net: dict[str, torch.Tensor] = torch.load(run / "last.pt", weights_only=True)["routed"]
    return net


def assert_close(one: Path, other: Path, tolerance: float = TOLERANCE) -> None:
    first, second = state(one), state(other)
    for name, value in first.items():
        scale = max(1e-3, float(value.float().abs().max()))
        assert float((value - second[name]).abs().max()) <= tolerance * scale, name


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise: the variances of plain colors are so small that rounding decides what is learned."""
    folder = tmp_path_factory.mktemp("data")
    for number in range(24):
        path = folder / f"class {number % 3}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    out = tmp_path_factory.mktemp("runs") / "alone"
    assert main(arguments(images, out)) == 0
    return out


def test_two_processes_reach_what_one_does_and_resume(
    images: Path, tmp_path: Path, alone: Path
) -> None:
    """The first ones are started as ``torchrun --nproc-per-node 2`` does, those after by us."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", f"--master-port={port}"]
    both = arguments(images, tmp_path / "both", "--devices", "2")
    stopped = trained(torchrun, *both, "--stop-after", "0")
    assert not stopped["finished"]
    result = trained([], *both, "--resume")
    assert (result["steps"], result["images"]) == (12, 24)
    assert_close(alone, tmp_path / "both")
    rows = [
        [json.loads(row) for row in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (alone, tmp_path / "both")
    ]
    for one, other in zip(*rows, strict=True):
        assert one["images"] == other["images"] == 24
        assert one["loss"] == pytest.approx(
            other["loss"], rel=1e-6
        )  # Fabric gives logits in float32


def test_batch_norms_can_stay_with_each_process(images: Path, tmp_path: Path, alone: Path) -> None:
    own = arguments(images, tmp_path / "own", "--devices", "2", "--no-global-norms")
    result = trained([], *own)
    assert (result["steps"], result["images"]) == (12, 24)
    first, second = state(alone), state(tmp_path / "own")
    assert first.keys() == second.keys()
    moved = (first["conv1.0.weight"] - second["conv1.0.weight"]).abs().max()
    assert float(moved) > 100 * TOLERANCE * float(first["conv1.0.weight"].abs().max())


def test_a_batch_that_cannot_be_shared_is_refused(run: Run, images: Path, tmp_path: Path) -> None:
    code, _, err = run(*arguments(images, tmp_path / "run", "--devices", "3"))
    assert code == 1
    assert "batch_size is 4, but must be a multiple of the 3 devices" in err
    assert not (tmp_path / "run").exists()


def test_two_processes_train_a_detector_as_one_does(tmp_path: Path) -> None:
    data = write_boxed_squares(tmp_path / "squares", 12)
    paths = ["--data", str(data), "--val", str(data), "--json", "--task", "detection"]
    fields = "--epochs 1 --batch-size 4 --learning-rate 0.01 --threads 1 --precision 64-true"
    how = ["--accelerator", "cpu", "--workers", "0", "--model", "shufflenet_v2_x0_25"]
    words = ["train", *paths, *fields.split(), *how]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    found = trained([], *words, "--out", str(tmp_path / "both"), "--devices", "2")
    rounded = 1e-5  # Fabric gives the outputs, of which the loss is made, in float32
    assert_close(tmp_path / "one", tmp_path / "both", rounded)
    row = json.loads((tmp_path / "one" / "metrics.jsonl").read_text())
    assert (found["images"], found["steps"]) == (12, 3)
    assert found["map"] == pytest.approx(row["map"], abs=1e-6)
