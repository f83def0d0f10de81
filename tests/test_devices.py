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

# Of the largest weight of a tensor, after 12 steps in float64, each building on the one before:
# 1e-11 was seen. In float32 two such runs part within ten steps, as two of other rounding do.
TOLERANCE = 1e-8
FIELDS = (
    "--epochs 2 --batch-size 4 --train-px 32 --image-px 32 --learning-rate 0.01 --threads 1 "
    "--precision 64-true"
)


def command(images: Path, out: Path, *more: str) -> list[str]:
    program = [sys.executable, "-m", "shufflenet", "train", "--model", "shufflenet_v2_x0_25"]
    paths = ["--data", str(images), "--val", str(images), "--out", str(out), "--json"]
    how = ["--accelerator", "cpu", "--workers", "0", "--label-smoothing", "0"]
    return [*program, *paths, *FIELDS.split(), *how, *more]


def trained(images: Path, out: Path, *more: str) -> dict[str, Any]:
    done = subprocess.run(command(images, out, *more), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def state(run: Path) -> dict[str, torch.Tensor]:
    net: dict[str, torch.Tensor] = torch.load(run / "last.pt", weights_only=True)["net"]
    return net


def assert_close(one: Path, other: Path) -> None:
    first, second = state(one), state(other)
    for name, value in first.items():
        scale = max(1e-3, float(value.float().abs().max()))
        assert float((value - second[name]).abs().max()) <= TOLERANCE * scale, name


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise: of plain colours the variances are so small that rounding decides what is learnt."""
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
    trained(images, out)
    return out


def test_two_processes_reach_what_one_does_and_resume(
    images: Path, tmp_path: Path, alone: Path
) -> None:
    both = tmp_path / "both"
    stopped = trained(images, both, "--devices", "2", "--stop-after", "0")
    assert not stopped["finished"]
    result = trained(images, both, "--devices", "2", "--resume")
    assert (result["steps"], result["images"]) == (12, 24)
    assert_close(alone, both)
    rows = [
        [json.loads(row) for row in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (alone, both)
    ]
    for one, other in zip(*rows, strict=True):
        assert one["images"] == other["images"] == 24
        assert one["loss"] == pytest.approx(
            other["loss"], rel=1e-6
        )  # Fabric gives logits in float32


def test_torchruns_processes_are_taken_as_they_are(
    images: Path, tmp_path: Path, alone: Path
) -> None:
    """As ``torchrun --nproc-per-node 2`` starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    out = tmp_path / "run"
    whole = [
        *launch,
        f"--master-port={port}",
        *command(images, out, "--devices", "2")[1:],
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(whole, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert_close(alone, out)


def test_a_batch_that_cannot_be_shared_is_refused(images: Path, tmp_path: Path) -> None:
    refused = command(images, tmp_path / "run", "--devices", "3")
    done = subprocess.run(refused, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "batch_size is 4, but must be a multiple of the 3 devices" in done.stderr
    assert not (tmp_path / "run").exists()
