"""Add two classes to a model of four, with all, few and no photos of the four kept.

    SHUFFLENET_DATA=folder python benchmarks/growing.py FOLDER

Six classes of Tiny-ImageNet-200 under other names: 45 training photos each, judged by 25 validation
photos each. FOLDER gets the photos and the runs. Prints as JSON, for each way to train on, how many
of the 150 photos are right before the first epoch and after the last, and of what is kept how many
of the old classes and of the new. docs/growing.md has the result.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from shufflenet.data import open_images

OLD = {"n02123045": "cat", "n02129165": "lion", "n02190166": "fly", "n03670208": "car"}
NEW = {"n02423022": "deer", "n07920052": "coffee"}
TRAINING, JUDGED, FEW, EPOCHS = 45, 25, 5, 4


def main() -> None:
    """Write the photos, train and print."""
    folder = Path(sys.argv[1])
    _write("train", TRAINING, folder / "all")
    _write("val", JUDGED, folder / "test")
    _copy(folder, "photos", OLD, TRAINING)
    _train(folder, "photos", "--weights", "default", "--epochs", "6")
    for name in NEW.values():
        shutil.copytree(folder / "all" / name, folder / "few" / name)
    _copy(folder, "few", OLD, FEW)
    found = {
        title: _grow(folder, data, *options)
        for title, data, options in (
            ("all kept", "all", ()),
            ("five kept", "few", ()),
            ("five kept, balanced", "few", ("--balance", "1")),
        )
    }
    print(json.dumps(found, indent=1))


def _write(part: str, each: int, to: Path) -> None:
    archive = Path(os.environ["SHUFFLENET_DATA"]) / f"tiny-imagenet-200.{part}.tar.gz"
    images, counts, names = open_images(archive), Counter[str](), OLD | NEW
    for sample in images.samples:
        name = names.get(images.classes[sample.label])
        if name and counts[name] < each:
            counts[name] += 1
            file = to / name / f"{counts[name]}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(sample.read())


def _copy(folder: Path, to: str, classes: dict[str, str], each: int) -> None:
    for name in classes.values():
        (folder / to / name).mkdir(parents=True)
        for number in range(1, each + 1):
            file = f"{number}.jpg"
            shutil.copy(folder / "all" / name / file, folder / to / name / file)


def _train(folder: Path, data: str, *options: str, run: str = "") -> None:
    _run(
        folder, "train", "--data", data, "--out", f"runs/{run or data}", "--workers", "0", *options
    )


def _run(folder: Path, *words: str) -> None:
    command = [sys.executable, "-m", "shufflenet", *words, "--threads", "1"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _grow(folder: Path, data: str, *options: str) -> dict[str, int]:
    """Return counts of right answers."""
    run = "-".join((data, *(word.strip("-") for word in options)))
    options = ("--val", "test", "--epochs", str(EPOCHS), "--patience", "0", *options)
    _train(folder, data, "--weights", "runs/photos", *options, run=run)
    lines = (folder / "runs" / run / "metrics.jsonl").read_text().splitlines()
    first, *_, last = (json.loads(line) for line in lines)
    _run(
        folder, "evaluate", "--data", "test", "--model", f"runs/{run}", "--details", f"{run}.csv"
    )  # fmt: skip
    with (folder / f"{run}.csv").open() as file:
        right = [row["label"] for row in csv.DictReader(file) if row["predicted"] == row["label"]]
    new = sum(label in NEW.values() for label in right)
    return {
        "before": first["top1"],
        "after": last["top1"],
        "kept, old classes": len(right) - new,
        "kept, new classes": new,
    }


if __name__ == "__main__":
    main()
