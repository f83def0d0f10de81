"""Whether a run that is killed and resumed ends as one that was not: real processes and kills.

    python benchmarks/resume.py > benchmarks/resume.json

A run with every method that has a state (averaged weights, mixup, accumulated gradients) is trained
once from start to end. Then it is started again, time after time; each is killed after a random
number of seconds by SIGKILL, SIGTERM or SIGINT, resumed with a random number of workers, and at
its end its weights, its average and its optimizer are compared to the bit with those of the first.
Threads are the same throughout, since sums depend on them. Needs the extra ``train``, and no data:
images are drawn.
"""

import json
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

KILLS, CLASSES, IMAGES, SIDE = 20, 4, 48, 40
RECIPE = (
    "--epochs 4 --batch-size 8 --train-px 32 --image-px 32 --average 0.9 --mixup 0.2 --cutmix 1 "
    "--accumulate 2 --clip 1 --trivial --erasing 0.2"
)


def draw_images(folder: Path) -> None:
    """Write class folders of images of noise."""
    rng = np.random.default_rng(0)
    for number in range(CLASSES):
        (folder / f"class-{number}").mkdir(parents=True)
        for image in range(IMAGES):
            values = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(values).save(folder / f"class-{number}" / f"{image}.jpg")


def start(data: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    """Start to train on the command line."""
    command = [sys.executable, "-m", "shufflenet", "train", "--data", str(data), "--out", str(out)]
    options = ["--model", "shufflenet_v2_x0_25", "--save-every", "0.2", "--threads", "1"]
    return subprocess.Popen(
        [*command, *options, *RECIPE.split(), *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def state(out: Path) -> dict[str, Any]:
    """Read the last checkpoint of a run."""
    loaded: dict[str, Any] = torch.load(out / "last.pt", weights_only=True)
    return loaded


def same(one: Any, other: Any) -> bool:  # noqa: ANN401  # a checkpoint's parts are of many kinds
    """Compare two checkpoints to the bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def trial(data: Path, out: Path, wanted: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Kill a run at a random moment of its life, resume it, and compare."""
    by = random.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    process = start(data, out, "--workers", str(random.randrange(3)))
    while not (out / "last.pt").exists() and process.poll() is None:
        time.sleep(0.02)  # until it trains
    time.sleep(random.uniform(0, seconds))
    process.send_signal(by)
    code = process.wait()
    step = state(out)["progress"]["step"]
    workers = random.randrange(3)
    resumed = start(data, out, "--workers", str(workers), "--resume").wait()
    return {
        "signal": by.name,
        "exit": code,
        "at_step": step,
        "resumed_with_workers": workers,
        "same_to_the_bit": resumed == 0 and same(state(out), wanted),
    }


def main() -> None:
    """Kill and compare so many times, and print JSON."""
    random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        data, whole = Path(folder) / "data", Path(folder) / "whole"
        draw_images(data)
        process = start(data, whole, "--workers", "0")
        while not (whole / "last.pt").exists() and process.poll() is None:
            time.sleep(0.02)
        began = time.monotonic()
        if process.wait():
            sys.exit("The run that nobody kills failed.")
        seconds, wanted = time.monotonic() - began, state(whole)
        trials = []
        for number in range(KILLS):
            trials.append(trial(data, Path(folder) / str(number), wanted, seconds))
            print(trials[-1], file=sys.stderr)
    about = {"machine": platform.machine(), "torch": torch.__version__, "recipe": RECIPE}
    found = {"kills": len(trials), "nothing_lost": sum(t["same_to_the_bit"] for t in trials)}
    print(json.dumps({"about": about, **found, "trials": trials}, indent=1))


if __name__ == "__main__":
    main()
