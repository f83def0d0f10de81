"""How fast one core makes training batches of photos, against torchvision on the same core.

    SHUFFLENET_DATA=FOLDER python benchmarks/data.py

The folder holds ``imagenet-samples.tar.gz``, 200 photos of ordinary size. Every contender gives
the same thing, by torch's DataLoader without workers: batches of random crops of 224 px, half of
them mirrored, as gray levels in uint8. torchvision's are ``ImageFolder``, ``RandomResizedCrop``,
``RandomHorizontalFlip`` and ``PILToTensor``; where it cannot be imported, Pillow by hand takes
its place. All take turns for a pass over the photos; medians and the whole range are printed, and
written beside this script as JSON.
"""

import dataclasses
import json
import os
import platform
import random
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from shufflenet.data import ImageSet, open_images
from shufflenet.data.packing import Encoding, pack
from shufflenet.recipes import find_recipe, preprocess_for
from shufflenet.train import _jpeg
from shufflenet.train._batches import Batches, Crops, Shown
from shufflenet.train.augment import random_crop

ROUNDS = 15
BATCH = 50
RECIPE = dataclasses.replace(
    find_recipe("megvii"), batch_size=BATCH, train_px=(224,)
)  # which changes nothing in a crop
Work = Callable[[], object]


def drawn(batches: Iterable[Any]) -> Work:
    """Give what draws every batch, which is a pass over the photos."""
    return lambda: [None for _ in batches]


def ours(images: ImageSet) -> Work:
    """Draw batches as ``shufflenet train`` does, of another epoch each time."""
    epochs = iter(range(RECIPE.epochs))
    warned = torch.zeros(len(images), dtype=torch.bool)
    shown = Shown(samples=images.samples, how=preprocess_for(224), warned=warned)

    def draw() -> None:
        epoch = next(epochs)
        crops = Crops(shown, RECIPE, epoch)
        for _ in DataLoader(crops, batch_sampler=Batches(images.samples, RECIPE, epoch, 0)):
            pass

    return draw


def without_simplejpeg(work: Work) -> Work:
    """Do the same as if simplejpeg were not installed."""
    return patch.object(_jpeg, "simplejpeg", None)(work)


class ByHand(Dataset[tuple[Tensor, int]]):
    """Pillow alone: decode, cut, resize, mirror."""

    def __init__(self, images: ImageSet) -> None:
        self._samples = images.samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        sample = self._samples[index]
        image = Image.open(sample.path).convert("RGB")
        rng = np.random.default_rng(random.randrange(2**32))
        crop = random_crop(*image.size, RECIPE.smallest_area, rng)
        part = image.crop((crop.left, crop.top, crop.right, crop.bottom))
        part = part.resize((224, 224), Image.Resampling.BILINEAR)
        if crop.mirrored:
            part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(part)), sample.label


def torchvision_folder(folder: Path) -> "Dataset[Any] | None":
    """Open the photos as torchvision does; none where it cannot be imported.

    Its wheels for Linux are made for CUDA. Beside a torch for the CPU they lack two operators,
    which nothing here calls: with those defined it can be imported.
    """
    lost = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]  # torch has no types for it
    for attempt in range(2):
        try:
            from torchvision import datasets, transforms  # noqa: PLC0415  # it may not be there
        except ImportError:
            return None
        except RuntimeError:
            if attempt:
                return None
            for name in ("nms", "qnms"):
                form = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                lost.define(form)  # type: ignore[no-untyped-call]  # likewise
        else:
            steps = (
                transforms.RandomResizedCrop(224),
                transforms.RandomHorizontalFlip(),
                transforms.PILToTensor(),
            )
            found: Dataset[Any] = datasets.ImageFolder(str(folder), transforms.Compose(steps))
            return found
    return None


def spread(values: Iterable[float]) -> dict[str, float]:
    """Give median, least and greatest."""
    values = list(values)
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 2) for name, value in found.items()}


def versions() -> dict[str, str]:
    """Say which versions were measured."""
    found = {"python": platform.python_version()}
    for package in ("torch", "torchvision", "pillow", "simplejpeg"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    return found


def main() -> None:
    """Measure, print, write."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with tarfile.open(Path(os.environ["SHUFFLENET_DATA"]) / "imagenet-samples.tar.gz") as file:
            file.extractall(folder / "photos", filter="data")
        report(measured(folder))


def measured(folder: Path) -> dict[str, list[float]]:
    """Give photos a second of every contender, round by round; the first is the yardstick."""
    photos = open_images(folder / "photos")
    raw = pack(photos, folder / "raw.tar", Encoding(256))
    small = pack(photos, folder / "jpeg.tar", Encoding(256, quality=90))
    print(f"{len(photos)} photos: raw {raw.bytes / 1e6:.1f} MB, JPEG {small.bytes / 1e6:.1f} MB")
    root = Path(os.path.commonpath([sample.path for sample in photos.samples]))
    theirs = torchvision_folder(root)
    by_hand = drawn(DataLoader(ByHand(photos), BATCH, shuffle=True))
    if theirs is None:
        print("torchvision cannot be imported: the yardstick is Pillow by hand.")
        contenders = {"Pillow by hand": by_hand}
    else:
        contenders = {"torchvision": drawn(DataLoader(theirs, BATCH, shuffle=True))}
    contenders |= {
        "train": ours(photos),
        "train, without simplejpeg": without_simplejpeg(ours(photos)),
        "train, packed as JPEG of quality 90": ours(open_images(small.path)),
        "train, packed": ours(open_images(raw.path)),
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(ROUNDS + 1):
        for name, work in contenders.items():
            started = time.perf_counter()
            work()
            if number:  # the first round fills caches
                rates[name].append(len(photos) / (time.perf_counter() - started))
    return rates


def report(rates: dict[str, list[float]]) -> None:
    """Print the rates and what they are to the first, round by round, and write them."""
    yardstick = next(iter(rates))
    result = {
        "machine": f"{platform.machine()}, one core",
        **versions(),
        "rounds": ROUNDS,
        "photos a second": {name: spread(found) for name, found in rates.items()},
        f"times as fast as {yardstick}": {
            name: spread(a / b for a, b in zip(found, rates[yardstick], strict=True))
            for name, found in rates.items()
            if name != yardstick
        },
    }
    text = json.dumps(result, indent=2)
    print(text)
    Path(__file__).with_suffix(".json").write_text(f"{text}\n")


if __name__ == "__main__":
    main()
