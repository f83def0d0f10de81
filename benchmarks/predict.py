"""How fast ``shufflenet predict`` is: as a process for one photo, and over a folder of photos.

    python benchmarks/predict.py FOLDER_OF_PHOTOS

The yardstick for the folder is what the same cores reach when they only decode and resize:
a thread a core, Pillow, nothing else. Each round times both in turn, in one process, so that a
machine that is shared slows both; medians and the whole range are printed, and written beside
this script as JSON.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from shufflenet import open_model
from shufflenet.preprocess import resized_size
from shufflenet.runtimes import classify

ROUNDS = 15


def timed(work: Callable[[], object]) -> float:
    """Give the seconds that some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def spread(values: list[float]) -> dict[str, float]:
    """Give median, least and greatest."""
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 4) for name, value in found.items()}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path)
    photos = sorted(p for p in parser.parse_args().photos.rglob("*") if p.suffix == ".JPEG")
    model = open_model(threads=1)
    how = model.card.preprocess

    def predict() -> object:
        return list(classify(model, photos))

    def load(path: Path) -> object:
        with Image.open(path) as image:
            width, height = resized_size(image.width, image.height, how.resize_px)
            return image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)

    def only_decode() -> object:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(load, photos))

    command = [sys.executable, "-m", "shufflenet", "predict", str(photos[0]), "--json"]
    process = [
        timed(lambda: subprocess.run(command, check=True, capture_output=True))
        for _ in range(ROUNDS)
    ]
    predict(), only_decode()  # warm
    pairs = [(timed(predict), timed(only_decode)) for _ in range(ROUNDS)]
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "photos": len(photos),
        "one photo, whole process, s": spread(process),
        "predict, photos a second": spread([len(photos) / a for a, _ in pairs]),
        "decode and resize alone, photos a second": spread([len(photos) / b for _, b in pairs]),
        "predict / decode and resize": spread([b / a for a, b in pairs]),
    }
    text = json.dumps(result, indent=2)
    print(text)
    Path(__file__).with_suffix(".json").write_text(f"{text}\n")


if __name__ == "__main__":
    main()
