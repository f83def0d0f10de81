"""What passes between decoding and a runtime costs: pixels as bytes, against prepared floats.

    python benchmarks/pixels.py FOLDER_OF_PHOTOS [--model FILE.onnx ...] [--json FILE]

For each model and each runtime that opens it, two ways to the same logits alternate in one
process, so that a shared machine slows both:

- *floats*: ``normalize`` makes prepared images, and ``logits`` takes them, which for a file that
  takes bytes turns them back into bytes;
- *pixels*: ``logits_from_pixels`` takes the cropped images.

Measured are calls of one image and of a batch of eight on one thread, in milliseconds an image;
and the whole folder by ``classify`` on all cores against the same cores that only decode, resize
and crop, as a share of that speed. Medians and quartiles are printed.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet import open_model
from shufflenet.data import load
from shufflenet.errors import CheckpointError, ImageError, MissingDependency
from shufflenet.machine import cores
from shufflenet.preprocess import normalize
from shufflenet.runtimes import Model, classify
from shufflenet.spec import RUNTIMES
from shufflenet.zoo import DEFAULT

ROUNDS, CALLS, FOLDER_ROUNDS = 15, 20, 7
BATCHES = (1, 8)


@dataclass(frozen=True)
class Row:
    """One measurement: quartiles of the rounds for each of two ways that alternated.

    Attributes:
        what: Calls of so many images, in milliseconds an image, or the folder, in seconds.
        first: Floats, or decoding alone.
        second: Pixels, or classifying.
    """

    model: str
    runtime: str
    what: str
    first: tuple[float, ...]
    second: tuple[float, ...]


def alternate(
    first: Callable[[], object], second: Callable[[], object], rounds: int, calls: int
) -> tuple[list[float], list[float]]:
    """Return the seconds a call of both, a value for each round, after one round to warm up."""
    seconds: tuple[list[float], list[float]] = [], []
    for number in range(rounds + 1):
        for work, taken in zip((first, second), seconds, strict=True):
            started = time.perf_counter()
            for _ in range(calls):
                work()
            if number:
                taken.append((time.perf_counter() - started) / calls)
    return seconds


def quartiles(seconds: Sequence[float], scale: float) -> tuple[float, ...]:
    """Return the quartiles of some seconds, in units of ``1 / scale`` seconds."""
    return tuple(round(scale * value, 4) for value in statistics.quantiles(seconds, n=4))


def opened(models: Sequence[str]) -> Iterator[tuple[str, str, Model]]:
    """Yield every model in every runtime that opens it, on one thread."""
    for name in models:
        for runtime in RUNTIMES:
            try:
                yield name, runtime, open_model(name, runtime=runtime, threads=1)
            except (CheckpointError, MissingDependency) as error:
                print(f"left out: {error}")


def call_rows(name: str, runtime: str, model: Model, images: npt.NDArray[np.uint8]) -> list[Row]:
    """Measure calls on cropped images ``(n, h, w, 3)``, ``n`` at least 8."""
    how, rows = model.card.preprocess, []
    for batch in BATCHES:
        pixels = images[:batch]

        def floats(pixels: npt.NDArray[np.uint8] = pixels) -> object:
            return model.logits(normalize(pixels, how))

        def bytes_(pixels: npt.NDArray[np.uint8] = pixels) -> object:
            return model.logits_from_pixels(pixels)

        first, second = alternate(floats, bytes_, ROUNDS, CALLS)
        scale = 1e3 / batch
        what = f"{batch} images a call, ms an image"
        rows.append(Row(name, runtime, what, quartiles(first, scale), quartiles(second, scale)))
    return rows


def folder_row(name: str, runtime: str, model: Model, photos: Sequence[Path]) -> Row:
    """Measure a folder: decoding, resizing and cropping alone, and classifying."""
    how = model.card.preprocess

    def decode() -> object:
        with ThreadPoolExecutor(cores()) as pool:
            return list(pool.map(lambda path: load(path, how), photos))

    def predict() -> object:
        return list(classify(model, photos))

    first, second = alternate(decode, predict, FOLDER_ROUNDS, 1)
    share = statistics.median(a / b for a, b in zip(first, second, strict=True))
    print(f"  {name} by {runtime}: {share:.2f} of the speed of decoding alone")
    return Row(name, runtime, "the folder, s", quartiles(first, 1), quartiles(second, 1))


def main() -> None:
    """Measure, print, and write the rows if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", action="append", help="may be given again (default: default)")
    parser.add_argument("--json", type=Path, help="where to write the rows")
    args = parser.parse_args()
    photos = sorted(p for p in args.photos.rglob("*") if p.suffix.lower() in (".jpeg", ".jpg"))
    rows: list[Row] = []
    for name, runtime, model in opened(args.model or [DEFAULT]):
        loaded = (load(path, model.card.preprocess) for path in photos[: BATCHES[-1]])
        pixels = [np.asarray(each, np.uint8) for each in loaded if not isinstance(each, ImageError)]
        images = np.stack(pixels)
        rows += [*call_rows(name, runtime, model, images), folder_row(name, runtime, model, photos)]
    for row in rows:
        first, second = (" to ".join(f"{v:.3f}" for v in each) for each in (row.first, row.second))
        print(f"{row.model}, {row.runtime}, {row.what}: {first} before, {second} after")
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
