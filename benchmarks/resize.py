"""How fast a compiled network resizes and crops photos, beside Pillow: same pixels, one thread.

    python benchmarks/resize.py

The network that ships is compiled for this machine's processor, and for the oldest of its kind. Of
each photo, of noise, Pillow makes the whole resized image and crops it, as torchvision does; the
compiled function computes what is kept. Both take turns within each round; times are those of the
processor, in which nobody else on a shared machine counts. Medians and the whole range are printed,
and written beside this script as JSON. Images are compared first: they are equal.
"""

import argparse
import ctypes
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image

from shufflenet import open_model
from shufflenet.compile import compile_network
from shufflenet.preprocess import resized_size
from shufflenet.zoo import SHIPPED

NETWORK = SHIPPED.onnx or ""
ROUNDS = 25
LEAST_SECONDS = 5e-3  # of one timing
PHOTOS = [(500, 375), (1920, 1080), (4000, 3000), (64, 64)]  # width and height
Pixels = npt.NDArray[np.uint8]


class Compiled:
    """A library's function that resizes."""

    def __init__(self, path: Path, crop_px: int) -> None:
        library = ctypes.CDLL(str(path))
        library.shufflenet_proof.restype = ctypes.c_char_p
        size = json.loads(library.shufflenet_proof())["memory_bytes"]
        block = np.zeros(size + 64, np.uint8)
        self._memory = block[-block.ctypes.data % 64 :][:size]
        self._resize = library.shufflenet_resize
        address, number = ctypes.c_void_p, ctypes.c_int32
        self._resize.argtypes = [
            address,
            address,
            number,
            number,
            ctypes.c_ssize_t,
            number,
            address,
        ]
        library.shufflenet_prepare.argtypes = [address, ctypes.c_size_t]
        library.shufflenet_prepare(self._memory.ctypes.data, size)
        self.cropped: Pixels = np.empty((crop_px, crop_px, 3), np.uint8)

    def call(self, photo: Pixels) -> Callable[[], object]:
        """Return a function that resizes a photo, ``(height, width, 3)``."""
        height, width, _ = photo.shape
        memory, source, to = (each.ctypes.data for each in (self._memory, photo, self.cropped))
        return lambda: self._resize(memory, source, width, height, width * 3, 3, to)


def by_pillow(photo: Pixels, resize_px: int, crop_px: int) -> Callable[[], Image.Image]:
    """Return a function that resizes and crops a photo by Pillow."""
    image = Image.fromarray(photo)
    size = resized_size(image.width, image.height, resize_px)
    left, top = (round((side - crop_px) / 2) for side in size)
    box = (left, top, left + crop_px, top + crop_px)
    return lambda: image.resize(size, Image.Resampling.BILINEAR).crop(box)


def milliseconds(work: Callable[[], object], times: int) -> float:
    """Return the time of the processor that some work takes, the mean of so many times."""
    started = time.thread_time()
    for _ in range(times):
        work()
    return 1e3 * (time.thread_time() - started) / times


def spread(values: list[float]) -> dict[str, float]:
    """Return median, least and greatest."""
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 4) for name, value in found.items()}


def compare(ours: Callable[[], object], pillow: Callable[[], object]) -> dict[str, object]:
    """Time both in turn."""
    calls = []
    for work in (ours, pillow):
        times = 1e3 * LEAST_SECONDS / milliseconds(work, 3)
        calls.append((work, max(1, int(times))))
    rounds = [[milliseconds(*each) for each in calls] for _ in range(ROUNDS)]
    return {
        "ours, ms": spread([a for a, _ in rounds]),
        "Pillow, ms": spread([b for _, b in rounds]),
        "Pillow / ours": spread([b / a for a, b in rounds]),
    }


def main() -> None:
    """Measure, print, write.

    Raises:
        SystemExit: the images differ.
    """
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    result: dict[str, object] = {
        "machine": f"{platform.machine()}, one thread",
        "pillow": PIL.__version__,
    }
    how = open_model().card.preprocess
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 256, (height, width, 3), np.uint8) for width, height in PHOTOS]
    for target in ("host", "x86-64"):
        for crop_px in (how.height_px, 224):
            resize_px = round(how.resize_px * crop_px / how.height_px)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "network.so")
                compile_network(NETWORK, path, target, image_px=(crop_px, crop_px))
                compiled = Compiled(path, crop_px)
            for photo in photos:
                ours, pillow = compiled.call(photo), by_pillow(photo, resize_px, crop_px)
                if ours() or not np.array_equal(compiled.cropped, np.asarray(pillow())):
                    raise SystemExit("the images differ")
                height, width, _ = photo.shape
                name = f"{target}: {width}x{height} to {resize_px}, {crop_px} of it"
                result[name] = compare(ours, pillow)
    text = json.dumps(result, indent=2)
    print(text)
    Path(__file__).with_suffix(".json").write_text(f"{text}\n")


if __name__ == "__main__":
    main()
