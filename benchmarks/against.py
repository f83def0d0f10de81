"""How this checkout compares with another one, an older release for example, in one run.

    git worktree add ../before f70cbe1
    python benchmarks/against.py ../before --photos FOLDER_OF_PHOTOS

Both are run by the same Python with the same packages, each in processes of its own, and take turns
at every measurement, so that a machine that is shared slows both. Measured are

- the latency of one image, V2 1.0 at 224 px, float32 and int8, by every runtime installed: prepared
  images through ``Model.logits``;
- the folder of photos through ``Model.classify`` by an int8 file of the model that ships, and the
  same photos decoded and resized by Pillow alone on as many threads;
- one photo through ``shufflenet predict``, the whole process, ``--runtime onnxruntime``, and this
  checkout's kept code, ``--runtime llvm``, beside the other's ONNX Runtime;
- ``import shufflenet``.

Medians, quartiles and ratios (this checkout / the other) are printed and written beside this script
as JSON. It needs the extras ``torch``, ``quantize``, ``openvino`` and ``llvm``.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from contenders import OURS, QUANTISED, Networks
from speed import machine
from tqdm import tqdm

from shufflenet.data import open_images
from shufflenet.quantize import QuantizeOptions, quantize_onnx
from shufflenet.zoo import SHIPPED

HERE = Path(__file__).resolve().parent.parent
NETWORK = "shufflenet_v2_x1_0"
RUNTIMES = ("onnxruntime", "openvino", "llvm")

# What a worker process runs: it opens what it is given and times calls when it is asked to. Only
# names that both checkouts have are used: `open_model`, `Model.logits` and `Model.classify`.
WORKER = """
import json, os, sys, time
from concurrent.futures import ThreadPoolExecutor
task = json.loads(sys.argv[1])
if task["kind"] == "decode":
    from PIL import Image
    def load(path):
        with Image.open(path) as image:
            factor = task["px"] / min(image.size)
            size = [max(task["px"], round(side * factor)) for side in image.size]
            return image.convert("RGB").resize(size, Image.Resampling.BILINEAR)
    def work():
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(load, task["photos"]))
else:
    import numpy as np
    import shufflenet
    model = shufflenet.open_model(task["file"], runtime=task["runtime"], threads=1)
    if task["kind"] == "logits":
        images = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
        work = lambda: model.logits(images)
    else:
        work = lambda: model.classify(task["photos"])
for _ in range(2):
    work()
print("ready", flush=True)
for line in sys.stdin:
    taken = []
    for _ in range(int(line)):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    print(json.dumps(taken), flush=True)
"""


class Worker:
    """A process that times one piece of work by the code of one checkout."""

    def __init__(self, checkout: Path, task: dict[str, Any]) -> None:
        command = [sys.executable, "-c", WORKER, json.dumps(task)]
        self._process = subprocess.Popen(
            command, env=environment(checkout), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._answer()

    def times(self, calls: int) -> list[float]:
        """Return the seconds of each call.

        Raises:
            RuntimeError: the process has ended.
        """
        if self._process.stdin is None:
            raise RuntimeError("the process has no standard input")
        self._process.stdin.write(f"{calls}\n")
        self._process.stdin.flush()
        found: list[float] = json.loads(self._answer())
        return found

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"the process ended with code {self._process.wait()}")
        return line


def environment(checkout: Path) -> dict[str, str]:
    """Return an environment in which Python imports the package of a checkout."""
    return {**os.environ, "PYTHONPATH": str(checkout / "src"), "SHUFFLENET_OFFLINE": "1"}


def quartiles(values: Sequence[float]) -> list[float]:
    """Return the lower quartile, the median and the upper quartile."""
    return [round(value, 5) for value in statistics.quantiles(values, n=4, method="inclusive")]


def compare(works: dict[str, Callable[[], float]], rounds: int, title: str) -> dict[str, Any]:
    """Measure works in turns, in another order each round.

    Returns:
        For each its seconds (quartiles), and how each relates to the second, round by round.
    """
    taken: dict[str, list[float]] = {name: [] for name in works}
    names = list(works)
    for number in tqdm(range(rounds), desc=title, leave=False):
        for name in names if number % 2 else reversed(names):
            taken[name].append(works[name]())
    base = taken[names[1]]
    return {
        name: {
            "ms": [round(1e3 * value, 3) for value in quartiles(own)],
            f"of {names[1]}": quartiles([a / b for a, b in zip(own, base, strict=True)]),
        }
        for name, own in taken.items()
    }


def latencies(other: Path, files: dict[str, Path], rounds: int) -> Iterator[tuple[str, Any]]:
    """Compare the latency of one image, by precision and runtime."""
    for precision, file in files.items():
        for runtime in RUNTIMES:
            task = {"kind": "logits", "file": str(file), "runtime": runtime}
            workers = {"after": Worker(HERE, task), "before": Worker(other, task)}
            works = {name: _median_of(worker, 20) for name, worker in workers.items()}
            title = f"one image, {precision}, {runtime}"
            yield title, compare(works, rounds, title)
            for worker in workers.values():
                worker.close()


def _median_of(worker: Worker, calls: int) -> Callable[[], float]:
    return lambda: statistics.median(worker.times(calls))


def folder(other: Path, file: Path, photos: list[str], rounds: int) -> Iterator[tuple[str, Any]]:
    """Compare a folder of photos with decoding and resizing alone."""
    for runtime in RUNTIMES:
        task = {"kind": "classify", "file": str(file), "runtime": runtime, "photos": photos}
        workers = {
            "after": Worker(HERE, task),
            "decode and resize": Worker(HERE, {"kind": "decode", "px": 80, "photos": photos}),
            "before": Worker(other, task),
        }
        works = {name: _median_of(worker, 1) for name, worker in workers.items()}
        title = f"{len(photos)} photos, int8, {runtime}"
        yield title, compare(works, rounds, title)
        for worker in workers.values():
            worker.close()


def processes(
    other: Path,
    arguments: list[str],
    rounds: int,
    title: str,
    *,
    of_other: list[str] | None = None,
) -> Any:  # noqa: ANN401  # JSON
    """Compare a whole process, whose arguments are the same in the other checkout unless given."""

    def run(checkout: Path) -> Callable[[], float]:
        def work() -> float:
            start = time.perf_counter()
            own = arguments if checkout == HERE else of_other or arguments
            command = [sys.executable, *own]
            subprocess.run(command, check=True, capture_output=True, env=environment(checkout))
            return time.perf_counter() - start

        return work

    return compare({"after": run(HERE), "before": run(other)}, rounds, title)


def main() -> None:
    """Measure, print, write.

    Raises:
        FileNotFoundError: the package has no model.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--photos", type=Path, required=True, help="a folder of .JPEG files")
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    other = args.other.resolve()
    photos = sorted(str(path.resolve()) for path in args.photos.rglob("*.JPEG"))
    result: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as scratch:
        networks = Networks(Path(scratch))
        files = {
            "float32": networks.file(NETWORK, OURS, "float32"),
            "int8": networks.file(NETWORK, QUANTISED, "int8"),
        }
        small = Path(scratch) / "default.int8.onnx"
        if SHIPPED.onnx is None:
            raise FileNotFoundError("the model that ships")
        quantize_onnx(
            SHIPPED.onnx, open_images(args.photos), small, QuantizeOptions(max_drop_percent=100)
        )
        predict = ["-m", "shufflenet", "predict", photos[0], "--runtime", "onnxruntime", "--json"]
        result["one photo, whole process"] = processes(other, predict, 2 * args.rounds, "one photo")
        kept = [*predict[:-2], "llvm", "--json"]
        title = "one photo, whole process, kept code"
        result[title] = processes(other, kept, 2 * args.rounds, "kept code", of_other=predict)
        result["import shufflenet"] = processes(
            other, ["-c", "import shufflenet"], 2 * args.rounds, "import"
        )
        result |= dict(folder(other, small, photos, args.rounds))
        result |= dict(latencies(other, files, 2 * args.rounds))
    text = json.dumps(result, indent=1)
    print(text)
    Path(__file__).with_suffix(".json").write_text(f"{text}\n")


if __name__ == "__main__":
    main()
