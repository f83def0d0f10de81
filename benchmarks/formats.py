"""Every format that is installed here: how fast its runtime computes it, and how exactly.

    pip install -e '.[dev]'                          and the extras of other formats
    shufflenet quantize default --data PHOTOS --to int8.onnx
    python benchmarks/formats.py --int8 int8.onnx --photos imagenet-samples.tar.gz

The network is written in every format with its shuffles, as others export it, and without; each
file is opened by every runtime that is installed, one thread, and given one image of bytes. Blocks
of calls alternate in random order; times are medians, spreads the quartiles of ten rounds. On a
machine that does other things too, ``--clock cpu`` counts the processor's time of all threads.
``--photos`` are computed by each file and by the network itself in torch; ``--data`` are classified
and counted. Formats that cannot be installed side by side are measured one environment after the
other: rows that are in the result already are kept.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from speed import machine
from tqdm import tqdm

from shufflenet.benchmark import speedup, time_interleaved
from shufflenet.data import ImageSet, open_images, relabel
from shufflenet.errors import ShuffleNetError
from shufflenet.evaluate import evaluate
from shufflenet.export import ExportOptions, export_onnx, export_onnx_file
from shufflenet.labels import class_index
from shufflenet.models import load_model_and_card
from shufflenet.runtimes import Classifier, check_image, load_picture, open_by
from shufflenet.runtimes.pytorch import TorchClassifier
from shufflenet.spec import FORMATS, RUNTIMES, Card, Format, Precision

STANDARD, OURS = "standard", "shuffle-free"
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
FILE = Path(__file__).with_suffix(".json")

Row = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """A file, opened by one runtime."""

    graph: str
    precision: Precision
    format: str
    runtime: str
    bytes: int
    classifier: Classifier

    @property
    def key(self) -> tuple[str, ...]:
        """What identifies its row."""
        return self.graph, self.precision, self.format, self.runtime


def sources(model: str, int8: Path | None, folder: Path) -> dict[tuple[str, Precision], Path]:
    """Write the networks as ONNX, which every other format is written from."""
    net, card = load_model_and_card(model)
    files: dict[tuple[str, Precision], Path] = {}
    for graph, shuffle in ((STANDARD, "keep"), (OURS, "free")):
        path = folder / f"{graph}.onnx"
        export_onnx(net, card, path, shuffle="keep" if shuffle == "keep" else "free")
        files[graph, "float32"] = files[graph, "float16"] = path
    return files | ({(OURS, "int8"): int8} if int8 else {})


def written(
    form: Format, files: dict[tuple[str, Precision], Path], folder: Path
) -> Iterator[tuple[str, Precision, Path, int]]:
    """Write a format's files, and say what cannot be written."""
    for (graph, precision), source in files.items():
        if precision not in form.tolerances:
            continue
        path = folder / form.name / f"{graph}-{precision}" / f"model{form.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            done = export_onnx_file(source, path, ExportOptions(precision=precision))
        except ShuffleNetError as error:
            print(f"{form.title}, {graph}, {precision}: {error}", file=sys.stderr)
            continue
        yield graph, precision, path, done.bytes


def opened(files: dict[tuple[str, Precision], Path], folder: Path) -> Iterator[Entry]:
    """Open every file by every runtime that is installed and opens it."""
    for form in FORMATS.values():
        for graph, precision, path, size in written(form, files, folder):
            for runtime in RUNTIMES.values():
                if form.suffix not in runtime.suffixes:
                    continue
                try:
                    classifier = open_by(runtime, path, threads=1)
                except ShuffleNetError as error:
                    print(f"{runtime.title}, {graph}, {precision}: {error}", file=sys.stderr)
                    continue
                yield Entry(graph, precision, form.name, runtime.name, size, classifier)


def times(
    entries: list[Entry], seconds: float, clock: Callable[[], float]
) -> dict[tuple[str, ...], Row]:
    """Return how long an image takes, and how much faster that is than with shuffles."""
    image = check_image(entries[0].classifier.card.preprocess)
    calls = [partial(entry.classifier.logits_from_pixels, image) for entry in entries]
    found = time_interleaved(calls, seconds=[seconds] * len(entries), clock=clock)
    rounds = {entry.key: each.round_medians for entry, each in zip(entries, found, strict=True)}
    rows: dict[tuple[str, ...], Row] = {}
    for entry in entries:
        low, median, high = 1e3 * np.percentile(rounds[entry.key], (25, 50, 75))
        rows[entry.key] = {
            "file_bytes": entry.bytes,
            "p50_ms": round(float(median), 3),
            "quartiles_ms": [round(float(low), 3), round(float(high), 3)],
        }
        standard = rounds.get((STANDARD, *entry.key[1:]))
        if standard and entry.graph == OURS:
            ratio = speedup(rounds[entry.key], standard)
            rows[entry.key]["times_as_fast_as_standard"] = round(ratio.median, 2)
    return rows


def differences(model: str, entries: list[Entry], photos: Path) -> dict[tuple[str, ...], Row]:
    """Return how far each file's logits of photos are from those of the network in torch."""
    net, card = load_model_and_card(model)
    images = open_images(photos)  # whose temporary file goes when it does
    found = [load_picture(each, card.preprocess) for each in images.samples]
    pixels = np.stack([each for each in found if isinstance(each, np.ndarray)])
    expected = TorchClassifier(net, card).logits_from_pixels(pixels)
    rows: dict[tuple[str, ...], Row] = {}
    for entry in tqdm(entries, desc="photos"):
        logits = entry.classifier.logits_from_pixels(pixels)
        rows[entry.key] = {
            "photos": len(pixels),
            "max_abs_difference": float(np.abs(logits - expected).max()),
            "same_top1": int((logits.argmax(axis=1) == expected.argmax(axis=1)).sum()),
        }
    return rows


def labelled(data: Path, card: Card, most: int | None) -> ImageSet:
    """Open images, labeled by the card's classes: all, or so many, evenly spread."""
    images = open_images(data)
    images = relabel(images, [each.id for each in card.labels], class_index(card.labels))
    step = max(1, len(images.samples) // most) if most else 1
    return replace(images, samples=images.samples[::step])


def main() -> None:
    """Write, measure, count; print and keep the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="default", help="a checkpoint's name or file")
    parser.add_argument("--int8", type=Path, help="an int8 file of it, by `shufflenet quantize`")
    parser.add_argument("--photos", type=Path, help="images to compare logits on")
    parser.add_argument("--data", type=Path, help="images to classify, by class")
    parser.add_argument("--images", type=int, help="how many of them; all unless given")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each file and runtime")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--to", type=Path, default=FILE, metavar="FILE.json")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        files = sources(args.model, args.int8, Path(folder))
        entries = list(opened(files, Path(folder)))
        rows = times(entries, args.seconds, CLOCKS[args.clock])
        if args.photos:
            for key, row in differences(args.model, entries, args.photos).items():
                rows[key] |= row
        if args.data:
            images = labelled(args.data, entries[0].classifier.card, args.images)
            for entry in tqdm(entries, desc="data"):
                counted = evaluate(entry.classifier, images)
                rows[entry.key] |= {"top1": counted.top1, "images": counted.images}
    kept = json.loads(args.to.read_text())["rows"] if args.to.exists() else []
    names = ("graph", "precision", "format", "runtime")
    table = {tuple(row[name] for name in names): row for row in kept}
    table |= {key: dict(zip(names, key, strict=True)) | row for key, row in rows.items()}
    for key in rows:
        print("  ".join(f"{name} {value}" for name, value in table[key].items()))
    result = {
        "model": args.model,
        "clock": args.clock,
        "machine": machine(),
        "rows": list(table.values()),
    }
    args.to.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
