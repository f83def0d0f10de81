"""Train a classifier of gray images of 28 px by the command line, and judge it.

    pip install scikit-learn
    python benchmarks/digits.py [--keep FOLDER]

The images are the 1,797 handwritten digits that scikit-learn ships, of 8 x 8 gray levels from 0 to
16, enlarged to 28 px by Pillow's bicubic. Every fifth image of a class is kept aside and looked at
once, in the end; of the others the command holds out a tenth to choose the best epoch by. People
wrote several digits each, so both parts have digits of the same hands.

Writes digits.json beside this file: the commands, how long training took, and how many of the
images kept aside are right.
"""

import argparse
import json
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

SIDE, FIFTH = 28, 5
TRAIN = (
    "train --data {0}/train --out {0}/run --model shufflenet_v2_x0_5 --channels gray --image-px 28 "
    "--train-px 28 --fit squash --no-mirror --epochs 30 --batch-size 32 --learning-rate 0.1 "
    "--accelerator cpu --threads 1 --workers 0"
)
JUDGE = "evaluate --data {0}/test --model {0}/run --json"


def write_digits(to: Path) -> None:
    """Write the digits as gray PNG files, ``train/DIGIT/N.png`` and ``test/DIGIT/N.png``."""
    digits = load_digits()
    seen = [0] * 10
    for image, digit in zip(digits.images, digits.target, strict=True):
        levels = (image * (255 / 16)).round().astype(np.uint8)
        part = "test" if seen[digit] % FIFTH == FIFTH - 1 else "train"
        folder = to / part / str(digit)
        folder.mkdir(parents=True, exist_ok=True)
        enlarged = Image.fromarray(levels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        enlarged.save(folder / f"{seen[digit]}.png")
        seen[digit] += 1


def run(command: str, folder: Path) -> bytes:
    """Run ``shufflenet`` and return what it prints."""
    words = shlex.split(command.format(shlex.quote(str(folder))))
    program = [sys.executable, "-m", "shufflenet", *words]
    return subprocess.run(program, check=True, stdout=subprocess.PIPE).stdout


def measure(folder: Path) -> dict[str, Any]:
    """Write the digits, train and judge."""
    write_digits(folder)
    start = time.perf_counter()
    run(TRAIN, folder)
    took = time.perf_counter() - start
    judged = json.loads(run(JUDGE, folder))
    return {
        "commands": [f"shufflenet {each.format('digits')}" for each in (TRAIN, JUDGE)],
        "training_images": sum(1 for _ in (folder / "train").glob("*/*.png")),
        "training_s": round(took),
        "images": judged["images"],
        "top1": judged["top1"],
        "top1_percent": round(100 * judged["top1"] / judged["images"], 2),
        "machine": f"{platform.machine()}, one thread, torch {torch.__version__}",
    }


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep images and run there")
    keep = parser.parse_args().keep
    with tempfile.TemporaryDirectory() as temporary:
        result = measure(keep or Path(temporary))
    text = json.dumps(result, indent=2) + "\n"
    Path(__file__).with_suffix(".json").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
