"""Which runtime answers a model fastest on this machine: tried once, then remembered."""

import contextlib
import hashlib
import json
import logging
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.errors import CheckpointError, MissingDependency, WriteError
from shufflenet.files import cache_dir, write_atomic
from shufflenet.machine import cores
from shufflenet.runtimes._classifier import Classifier
from shufflenet.runtimes._int8 import INT8_AGREEMENT
from shufflenet.runtimes._llvm import LlvmClassifier
from shufflenet.runtimes._onnxruntime import OnnxClassifier
from shufflenet.runtimes._openvino import OpenVinoClassifier

__all__ = ["AGREEMENT", "open_fastest"]

_log = logging.getLogger(__name__)

# How far two runtimes may lie apart, of the largest logit: float32 sums of another order were seen
# to differ by 2e-6. For int8 see ``engine.INT8_AGREEMENT``.
AGREEMENT = 2e-5
# By the package that each needs.
_OTHERS: dict[str, Callable[..., Classifier]] = {
    "openvino": OpenVinoClassifier,
    "llvmlite": LlvmClassifier,
}
_CALLS, _BLOCKS, _PATIENCE_S = 10, 5, 1.0
_WORTH_IT = 0.95  # of the time: less is noise, and one runtime loaded is less memory


def open_fastest(path: str | Path, *, threads: int | None = None) -> Classifier:
    """Open an ONNX file in the fastest runtime installed that computes what ONNX Runtime does.

    Where OpenVINO or LLVM is installed all are tried on one image, for seconds, and the choice is
    kept in ``cache_dir() / "runtimes.json"`` for this file, these versions and this processor.

    Args:
        path: A file that ``shufflenet export`` or ``shufflenet quantize`` wrote.
        threads: As for the runtimes.

    Raises:
        CheckpointError: the file is missing, damaged, or has no card.
    """
    installed = {package: _version(package) for package in _OTHERS}
    if not any(installed.values()) or not Path(path).is_file():
        return OnnxClassifier(path, threads=threads)
    remembered, key = _remembered(), _key(path, installed, threads or cores())
    if remembered.get(key) in _OTHERS:
        with contextlib.suppress(CheckpointError, MissingDependency):  # of what was taken away
            return _OTHERS[remembered[key]](path, threads=threads)
    if key in remembered:
        return OnnxClassifier(path, threads=threads)
    opened: dict[str, Classifier] = {"onnxruntime": OnnxClassifier(path, threads=threads)}
    for package in filter(installed.get, _OTHERS):
        try:
            opened[package] = _OTHERS[package](path, threads=threads)
        except (CheckpointError, MissingDependency) as error:
            _log.info("%s is left aside: %s", package, error)
    chosen = _chosen(opened)
    _remember({**remembered, key: chosen})
    return opened[chosen]


def _chosen(opened: Mapping[str, Classifier]) -> str:
    """Take what is faster than the first by more than noise, and computes the same."""
    first, *others = opened
    card = opened[first].card
    side = card.preprocess.crop_px
    shape = (1, card.network.in_channels, side, side)
    image = np.random.default_rng(0).standard_normal(shape, np.float32)
    expected = opened[first].logits(image)
    agreeing = [first]
    for name in others:
        difference = np.abs(opened[name].logits(image) - expected).max() / np.abs(expected).max()
        if difference <= (INT8_AGREEMENT if card.int8 else AGREEMENT):
            agreeing.append(name)
        else:
            _log.info("%s is left aside: its logits differ by %.0e.", name, difference)
    times = _times({name: opened[name] for name in agreeing}, image)
    _log.info("Milliseconds for an image: %s.", {n: round(1e3 * s, 3) for n, s in times.items()})
    fastest = min(times, key=lambda name: times[name])
    return fastest if times[fastest] < _WORTH_IT * times[first] else first


def _times(
    classifiers: Mapping[str, Classifier], image: npt.NDArray[np.float32]
) -> dict[str, float]:
    """Give each one's median seconds a call; they take turns, for noise to meet all."""
    taken: dict[str, list[float]] = {name: [] for name in classifiers}
    end = time.perf_counter() + _PATIENCE_S
    for _ in range(_BLOCKS):
        for name, classifier in classifiers.items():
            for _ in range(_CALLS):
                start = time.perf_counter()
                classifier.logits(image)
                taken[name].append(time.perf_counter() - start)
                if time.perf_counter() > end and min(map(len, taken.values())) > 1:
                    break
    return {name: statistics.median(own) for name, own in taken.items()}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _key(path: str | Path, installed: Mapping[str, str | None], threads: int) -> str:
    content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    machine = f"{platform.node()} {platform.processor() or platform.machine()}"
    others = [*installed.values(), *(_version(name) for name in ("onnxruntime", "shufflenet"))]
    return f"{content} {' '.join(map(str, others))} {threads} {machine}"


def _remembered() -> dict[str, str]:
    """Read what was found before; what cannot be read is found again."""
    try:
        found = json.loads(_place().read_text())
    except (OSError, ValueError):
        return {}
    known = ("onnxruntime", *_OTHERS)
    return {k: v for k, v in found.items() if v in known} if isinstance(found, dict) else {}


def _remember(choices: dict[str, str]) -> None:
    try:
        write_atomic(_place(), json.dumps(choices, indent=1).encode())
    except WriteError as error:
        _log.info("The choice of a runtime is not kept: %s", error)


def _place() -> Path:
    return cache_dir() / "runtimes.json"
