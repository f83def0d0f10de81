"""Which runtime answers a model fastest on this machine: tried once, then remembered."""

import hashlib
import json
import logging
import platform
import statistics
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.checkpoint import write_atomic
from shufflenet.download import home
from shufflenet.engine import (
    INT8_AGREEMENT,
    Classifier,
    OnnxClassifier,
    OpenVinoClassifier,
    cores,
)
from shufflenet.errors import CheckpointError, MissingDependency, WriteError

__all__ = ["AGREEMENT", "open_fastest"]

_log = logging.getLogger(__name__)

# How far two runtimes may lie apart, of the largest logit: float32 sums of another order were seen
# to differ by 2e-6. For int8 see ``engine.INT8_AGREEMENT``.
AGREEMENT = 2e-5
_CALLS, _BLOCKS, _PATIENCE_S = 10, 5, 1.0
_WORTH_IT = 0.95  # of the time: less is noise, and one runtime loaded is less memory


def open_fastest(path: str | Path, *, threads: int | None = None) -> Classifier:
    """Open an ONNX file in the fastest runtime installed that computes what ONNX Runtime does.

    Where OpenVINO is installed both are tried on one image, for a second or less, and the choice is
    kept in ``download.home() / "runtimes.json"`` for this file, these versions and this processor.

    Args:
        path: A file that ``shufflenet export`` or ``shufflenet quantize`` wrote.
        threads: As for the runtimes.

    Raises:
        CheckpointError: the file is missing, damaged, or has no card.
    """
    openvino = _version("openvino")
    if openvino is None or not Path(path).is_file():
        return OnnxClassifier(path, threads=threads)
    remembered, key = _remembered(), _key(path, openvino, threads or cores())
    if key in remembered:
        return (OpenVinoClassifier if remembered[key] else OnnxClassifier)(path, threads=threads)
    first = OnnxClassifier(path, threads=threads)
    try:
        second = OpenVinoClassifier(path, threads=threads)
    except (CheckpointError, MissingDependency) as error:
        _log.info("OpenVINO is left aside: %s", error)
        return first
    chosen = _chosen(first, second)
    _remember({**remembered, key: chosen is second})
    return chosen


def _chosen(first: OnnxClassifier, second: OpenVinoClassifier) -> Classifier:
    """Take the second if it computes the same and is faster by more than noise."""
    card = first.card
    side = card.preprocess.crop_px
    shape = (1, card.network.in_channels, side, side)
    image = np.random.default_rng(0).standard_normal(shape, np.float32)
    expected = first.logits(image)
    difference = np.abs(second.logits(image) - expected).max() / np.abs(expected).max()
    if not difference <= (INT8_AGREEMENT if card.int8 else AGREEMENT):
        _log.info("OpenVINO is left aside: its logits differ by %.0e of the largest.", difference)
        return first
    times = _times(first, second, image)
    _log.info("OpenVINO takes %.2f of the time that ONNX Runtime takes.", times[1] / times[0])
    return second if times[1] < _WORTH_IT * times[0] else first


def _times(
    first: Classifier, second: Classifier, image: npt.NDArray[np.float32]
) -> tuple[float, float]:
    """Give each one's median seconds a call; they take turns, for noise to meet both."""
    taken: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + _PATIENCE_S
    for _ in range(_BLOCKS):
        for classifier, own in zip((first, second), taken, strict=True):
            for _ in range(_CALLS):
                start = time.perf_counter()
                classifier.logits(image)
                own.append(time.perf_counter() - start)
                if time.perf_counter() > end and min(map(len, taken)) > 1:
                    break
    return statistics.median(taken[0]), statistics.median(taken[1])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _key(path: str | Path, openvino: str, threads: int) -> str:
    content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    machine = f"{platform.node()} {platform.processor() or platform.machine()}"
    return f"{content} {_version('onnxruntime')} {openvino} {threads} {machine}"


def _remembered() -> dict[str, bool]:
    """Read what was found before; what cannot be read is found again."""
    try:
        found = json.loads(_place().read_text())
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in found.items() if v in (True, False)} if isinstance(found, dict) else {}


def _remember(choices: dict[str, bool]) -> None:
    try:
        write_atomic(_place(), json.dumps(choices, indent=1).encode())
    except WriteError as error:
        _log.info("The choice of a runtime is not kept: %s", error)


def _place() -> Path:
    return home() / "runtimes.json"
