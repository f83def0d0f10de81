"""What a report finds of what was planted, and how long it takes beside ``evaluate``.

    SHUFFLENET_DATA=folder python benchmarks/report.py [--times N]

The shipped model answers Tiny-ImageNet-200's 5,000 validation images once. Then, 100 times, the
labels of 50 random images are swapped by pairs, and counted is how many are among the first 100
images named; and 20 images are doubled, 10 byte for byte and 10 compressed anew or resized, in the
set and among 5,000 training images. With ``--times N``, ``evaluate`` and ``report`` of the whole
set are run N times, alternating. Writes ``benchmarks/report.json``.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from shufflenet.analyze import (
    Answers,
    Duplicate,
    answer,
    duplicates,
    duplicates_between,
    suspects,
)
from shufflenet.data import ImageSet, Sample, label_as, open_images
from shufflenet.hub import ONNX, resolve
from shufflenet.runtimes import Answering, open_answering
from shufflenet.zoo import DEFAULT

DRAWS, SWAPPED, NAMED = 100, 50, 100
DOUBLED, TRAINING = 20, 5000
# How the later ten of the doubled images are written: JPEG quality and scale.
CHANGES = ((75, 1), (50, 1), (30, 1), (90, 2), (90, 5), (85, 0.75), (85, 0.5), (60, 2), (50, 0.75))
RESULT = Path(__file__).with_suffix(".json")


def swap_labels(answers: Answers, draw: int) -> tuple[Answers, set[int]]:
    """Return answers of which random images have swapped labels, and the places of those."""
    places = np.random.default_rng(draw).permutation(len(answers))[:SWAPPED]
    labels = answers.labels.copy()
    labels[places[::2]], labels[places[1::2]] = labels[places[1::2]], labels[places[::2]]
    return replace(answers, labels=labels), set(
        places[labels[places] != answers.labels[places]].tolist()
    )


def count_swapped(answers: Answers) -> dict[str, Any]:
    """Return how many percent of the swapped labels are named, over all draws."""
    named, pruned = [], []
    for draw in range(DRAWS):
        swapped, places = swap_labels(answers, draw)
        found = suspects(swapped, len(answers))
        first = {each.place for each in found[:NAMED]}
        sure = {each.place for each in [each for each in found if each.confident][:NAMED]}
        named.append(100 * len(first & places) / len(places))
        pruned.append(100 * len(sure & places) / len(places))
    return {
        "draws": DRAWS,
        "swapped": SWAPPED,
        "first": NAMED,
        "percent_found": summary(named),
        "percent_found_off_the_diagonal_of_the_confident_joint": summary(pruned),
    }


def summary(values: list[float]) -> dict[str, float]:
    """Return mean, least and greatest."""
    mean = statistics.fmean(values)
    return {"mean": round(mean, 1), "least": round(min(values), 1), "most": round(max(values), 1)}


def double(images: ImageSet, draw: int, folder: Path) -> list[Sample]:
    """Write copies of random images, half of them changed; each is called as its original."""
    copies = []
    for number, place in enumerate(np.random.default_rng(draw).permutation(len(images))[:DOUBLED]):
        sample = images.samples[place]
        content = sample.read()
        if number >= DOUBLED // 2:
            quality, scale = CHANGES[number % len(CHANGES)]
            content = changed(content, quality, scale)
        path = folder / f"{draw}-{number}.jpg"
        path.write_bytes(content)
        copies.append(Sample(sample.name, sample.label, str(path)))
    return copies


def changed(content: bytes, quality: int, scale: float) -> bytes:
    """Return an image compressed anew, and resized unless the scale is 1."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    size = round(image.width * scale), round(image.height * scale)
    written = io.BytesIO()
    image.resize(size, Image.Resampling.BICUBIC).save(written, "JPEG", quality=quality)
    return written.getvalue()


def count_pairs(found: tuple[Duplicate, ...] | None) -> dict[str, Any]:
    """Return how many planted pairs are among those found, and what else is found."""
    pairs = found or ()
    planted = [each for each in pairs if each.sample.name == each.other.name]
    others = [each for each in pairs if each.sample.name != each.other.name]
    return {
        "planted": DOUBLED,
        "found": len(planted),
        "others": [
            [each.sample.name, each.other.name, round(each.correlation, 4), round(each.cosine, 3)]
            for each in others
        ],
    }


def find_doubles(network: Answering, answers: Answers, images: ImageSet) -> dict[str, Any]:
    """Plant copies in the set, and among training images."""
    training = label_as(
        open_images(Path(os.environ["SHUFFLENET_DATA"]) / "tiny-imagenet-200.train.tar.gz"),
        network.card.labels,
    )
    with tempfile.TemporaryDirectory() as folder:
        whole = replace(images, samples=(*images.samples, *double(images, 0, Path(folder))))
        within = duplicates(answer(network, whole))
        step = len(training) // TRAINING
        some = (*training.samples[::step], *double(images, 1, Path(folder)))
        between = duplicates_between(answers, network, replace(training, samples=some))
    return {
        "within": {"images": len(whole), **count_pairs(within)},
        "between": {"training_images": len(some), **count_pairs(between)},
    }


def time_commands(data: Path, times: int) -> dict[str, Any]:
    """Run both commands alternately, and return their medians in seconds."""
    seconds: dict[str, list[float]] = {"evaluate": [], "report": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(times):
            for name, rest in (("evaluate", []), ("report", ["--to", folder])):
                command = [sys.executable, "-m", "shufflenet", name, "--data", str(data), *rest]
                start = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    return {
        "runs": times,
        **{f"{name}_seconds": round(each, 1) for name, each in medians.items()},
        "ratio": round(medians["report"] / medians["evaluate"], 2),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=0, metavar="N")
    times = parser.parse_args().times
    data = Path(os.environ["SHUFFLENET_DATA"]) / "tiny-imagenet-200.val.tar.gz"
    result = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    if times:
        result["time"] = time_commands(data, times)
    else:
        network = open_answering(resolve(DEFAULT, (ONNX,)), threads=1)
        images = label_as(open_images(data, "val"), network.card.labels)
        answers = answer(network, images)
        result["labels"] = {"top1": int(answers.correct.sum()), **count_swapped(answers)}
        result["doubles"] = find_doubles(network, answers, images)
    text = json.dumps(result, indent=1)
    print(text)
    RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()
