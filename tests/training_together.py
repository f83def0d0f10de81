"""Small trainings shared by two processes, as commands: on this machine, or one on each of two."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from machines import Machine

__all__ = [
    "arguments",
    "draw_noise",
    "start_on_both",
    "train_here",
    "wait_for_second_epoch",
]

# Three epochs of six steps, each of which is saved.
EPOCHS, IMAGES, CLASSES, SIDE_PX = 3, 24, 3, 32
_FIELDS = (
    f"--model shufflenet_v2_x0_25 --epochs {EPOCHS} --batch-size 4 --train-px 32 --image-px 32 "
    "--learning-rate 0.01 --threads 1 --accelerator cpu --workers 0 --save-every 0"
)
_ONE_THREAD = ["env", "OMP_NUM_THREADS=1"]


def draw_noise(folder: Path) -> Path:
    """Write class folders of images of noise."""
    for number in range(IMAGES):
        path = folder / f"class {number % CLASSES}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return folder


def arguments(images: Path, out: Path, *more: str) -> list[str]:
    """Return the command that trains, as its words after ``python``."""
    paths = ["--data", str(images), "--val", str(images), "--out", str(out)]
    return ["-m", "shufflenet", "train", *paths, *_FIELDS.split(), *more]


def train_here(images: Path, out: Path) -> None:
    """Train in two processes of this machine, to the end."""
    command = [*_ONE_THREAD, sys.executable, *arguments(images, out, "--devices", "2")]
    subprocess.run(command, check=True, capture_output=True)


def start_on_both(
    machines: Sequence[Machine], images: Path, folder: Path, *more: str
) -> list["subprocess.Popen[str]"]:
    """Start the command of ``docs/training.md`` on two machines, one process on each.

    What a machine writes is in a folder of its own, ``folder/NAME``: the run, and what it says.
    """
    torchrun = "torch.distributed.run --nnodes 2 --nproc-per-node 1 --rdzv-backend c10d"
    meet = ["-m", *torchrun.split(), "--rdzv-endpoint", f"{machines[0].name}:29500"]
    started = []
    for machine in machines:
        own = folder / machine.name
        own.mkdir(exist_ok=True, parents=True)
        train = arguments(images, own / "run", "--nodes", "2", *more)
        with (own / "notes.txt").open("w") as notes:
            command = [*_ONE_THREAD, sys.executable, *meet, *train]
            started.append(machine.start(command, subprocess.DEVNULL, notes))
    return started


def wait_for_second_epoch(run: Path, first: "subprocess.Popen[str]") -> None:
    """Wait until a run is within its second epoch, or its first process has ended."""
    while _steps(run) <= IMAGES // 4 + 1 and first.poll() is None:
        time.sleep(0.02)


def _steps(run: Path) -> int:
    try:
        return int(_state(run)["progress"]["step"])
    except FileNotFoundError:  # not yet, or it is being replaced
        return 0


def _state(run: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(run / "last.pt", weights_only=True)
    return state
