"""Tune the shipped model on few photos of twelve classes, of which it knows all, half or none.

    SHUFFLENET_DATA=folder python benchmarks/known_classes.py

Prints how many of 120 validation photos each tuned model gets right; docs/training.md has the
result. Classes that it should not know have a letter before their identifier.
"""

import os
import random
import tempfile
from collections import Counter
from pathlib import Path

from shufflenet.data import ImageSet, label_as, open_images
from shufflenet.evaluate import evaluate
from shufflenet.models import load_model_and_card
from shufflenet.runtimes.pytorch import TorchClassifier
from shufflenet.train import Job, Session, train_job

CLASSES, TRAINING, JUDGED = 12, 15, 10


def write(images: ImageSet, names: dict[str, str], each: int, to: Path) -> None:
    """Write the first images of some classes to folders with other names."""
    counts = Counter[str]()
    for sample in images.samples:
        name = images.classes[sample.label]
        if name in names and counts[name] < each:
            counts[name] += 1
            file = to / names[name] / f"{counts[name]}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(sample.read())


def tune(training: ImageSet, judged: ImageSet, names: dict[str, str]) -> int:
    """Return how many images the tuned model gets right."""
    with tempfile.TemporaryDirectory() as folder:
        for images, each, to in ((training, TRAINING, "train"), (judged, JUDGED, "judged")):
            write(images, names, each, Path(folder, to))
        session = Session(out=Path(folder, "run"), accelerator="cpu", workers=0)
        result = train_job(Job(data=Path(folder, "train"), weights="default"), None, session)
        net, card = load_model_and_card(result.best or "")
        images = label_as(open_images(Path(folder, "judged")), card.labels)
        return evaluate(TorchClassifier(net, card), images).top1


def main() -> None:
    """Tune and print."""
    data = Path(os.environ["SHUFFLENET_DATA"])
    training, judged = (
        open_images(data / f"tiny-imagenet-200.{part}.tar.gz") for part in ("train", "val")
    )
    for seed in range(3):
        chosen = sorted(random.Random(seed).sample(training.classes, CLASSES))
        for title, known in (("all known", 12), ("half known", 6), ("none known", 0)):
            odd_first = [*chosen[1::2], *chosen[::2]]
            names = {name: f"x{name}" for name in chosen}
            names |= {name: name for name in odd_first[:known]}
            right = tune(training, judged, names)
            print(f"draw {seed}, {title}: {right} of {CLASSES * JUDGED}", flush=True)


if __name__ == "__main__":
    main()
