"""The fastest runtime for a file on this machine: measured once, then remembered."""

import contextlib
import json
import logging
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet.errors import (
    CheckpointError,
    MissingDependency,
    NoCacheFolder,
    NoRuntimeOpens,
    RunsNoDetectors,
    SpecError,
    WriteError,
)
from shufflenet.files import cache_dir, check_model_file, hash_content, write_atomic
from shufflenet.machine import cores
from shufflenet.outside import read_json, read_regular, typed
from shufflenet.preprocess import Pixels, draw_noise
from shufflenet.runtimes._classifier import Classifier
from shufflenet.runtimes._installed import installed_version
from shufflenet.runtimes._int8 import INT8_AGREEMENT
from shufflenet.runtimes._open import open_by, opens_at_once
from shufflenet.runtimes._proof import comparable, tolerance_for
from shufflenet.spec import FLOAT32_TOLERANCE, RUNTIMES, Arithmetic, Runtime

__all__ = ["choose_at_once", "open_fastest"]

_log = logging.getLogger(__name__)

_Image: TypeAlias = Pixels | npt.NDArray[np.float32]

_MOST_CHOICES, _MAX_BYTES = 1000, 1 << 20  # of the file; a choice takes 200 bytes

_CALLS, _BLOCKS, _PATIENCE_S = 10, 5, 1.0
_WORTH_IT = 0.95  # of the time: a smaller gain is noise, and one runtime takes less memory


def open_fastest(
    path: str | Path,
    among: Iterable[Runtime] | None = None,
    *,
    threads: int | None = None,
    precision: Arithmetic = "float32",
) -> Classifier:
    """Open a file by the fastest installed runtime whose logits agree with the reference's.

    If several are installed, all are timed on one image, for seconds, and the choice is stored in
    ``files.cache_dir() / "runtimes.json"`` for this file, these versions and this processor.

    Args:
        path: A file that ``shufflenet export`` or ``shufflenet quantize`` wrote.
        among: The runtimes to choose from; all of ``spec.RUNTIMES`` unless given. Of those that
            open files of this suffix, the first is the reference.
        threads: The number of threads that compute a batch; one a core unless given.
        precision: The arithmetic of a float network, which all of them offer.

    Raises:
        CheckpointError: the file is missing or damaged, has no card, or no runtime opens it.
        MissingDependency: the reference runtime is not installed.
        SpecError: the processor lacks that precision.
    """
    path = Path(path)
    reference, *others = _candidates(path, among or RUNTIMES.values())
    open_file = partial(open_by, path=path, threads=threads, precision=precision)
    versions = _versions(others)
    others = [runtime for runtime in others if versions[runtime.package]]
    check_model_file(path)
    if not others:
        return open_file(reference)
    choices = {runtime.name: runtime for runtime in (reference, *others)}
    remembered, key = _read_choices(), _key(path, versions, threads or cores())
    if remembered.get(key) in choices:
        with contextlib.suppress(CheckpointError, MissingDependency):  # it was removed since
            return open_file(choices[remembered[key]])
        return open_file(reference)
    opened = {reference.name: open_file(reference)} | _open_others(others, open_file)
    chosen = _choose(opened)
    _write_choices({**remembered, key: chosen})
    return opened[chosen]


def choose_at_once(path: Path, threads: int | None) -> tuple[str, int | None]:
    """Return the runtime that opens a file soonest, for a few images, and its number of threads.

    Nothing is measured. It is the reference, unless another runtime was measured before to be the
    fastest and opens as fast, as LLVM does where code is kept.

    Args:
        path: The file, which some runtime opens.
        threads: The number of threads that compute a batch; one a core if it is None.
    """
    reference, *others = _candidates(path, RUNTIMES.values())
    remembered = _read_choices() if others and path.exists() else {}
    if remembered:
        versions = _versions(others)
        for number in dict.fromkeys((threads or cores(), 1)):
            name = remembered.get(_key(path, versions, number), reference.name)
            if name != reference.name and opens_at_once(RUNTIMES[name], path, number):
                return name, number
    return reference.name, threads


def _versions(runtimes: Iterable[Runtime]) -> dict[str, str | None]:
    """Return the version of each runtime's package; None of those that are not installed."""
    return {runtime.package: installed_version(runtime.package) for runtime in runtimes}


def _candidates(path: Path, among: Iterable[Runtime]) -> list[Runtime]:
    """Return the runtimes that open files of this suffix.

    Raises:
        NoRuntimeOpens: there is none.
    """
    candidates = [runtime for runtime in among if path.suffix.lower() in runtime.suffixes]
    if not candidates:
        raise NoRuntimeOpens(path)
    return candidates


def _open_others(
    runtimes: Iterable[Runtime], open_file: Callable[[Runtime], Classifier]
) -> dict[str, Classifier]:
    """Open a file by runtimes that may lack what it needs; those that fail are left out."""
    opened = {}
    for runtime in runtimes:
        try:
            opened[runtime.name] = open_file(runtime)
        except RunsNoDetectors:  # it never does: nothing that a user could mend
            continue
        except (CheckpointError, MissingDependency) as error:
            _log.info("%s is not used: %s", runtime.title, error)
    return opened


def _choose(opened: Mapping[str, Classifier]) -> str:
    """Return the name of the fastest classifier that agrees with the first.

    One other than the first is chosen only if it is faster by more than noise.
    """
    first, *others = opened
    card = opened[first].card
    how, rng = card.preprocess, np.random.default_rng(0)
    image: _Image = (
        draw_noise(rng, how, 1)  # as photos are predicted
        if card.takes_pixels
        else rng.standard_normal((1, card.network.in_channels, *how.size_px), np.float32)
    )
    expected = comparable(_logits(opened[first], image), card)
    relative = INT8_AGREEMENT if card.int8 else tolerance_for(FLOAT32_TOLERANCE, card)
    allowed = float(np.abs(expected).max()) * relative
    agreeing = [first]
    for name in others:
        try:
            computed = comparable(_logits(opened[name], image), card)
            difference = float(np.abs(computed - expected).max())
        except CheckpointError as error:
            _log.info("%s is not used: %s", name, error)
            continue
        if difference <= allowed:
            agreeing.append(name)
        else:
            _log.info("%s is not used: its logits differ by %.0e.", name, difference)
    times = _times({name: opened[name] for name in agreeing}, image)
    _log.info("Milliseconds for an image: %s.", {n: round(1e3 * s, 3) for n, s in times.items()})
    fastest = min(times, key=lambda name: times[name])
    return fastest if times[fastest] < _WORTH_IT * times[first] else first


def _times(
    classifiers: Mapping[str, Classifier],
    image: _Image,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return each classifier's median seconds a call; blocks alternate, so that noise affects all.

    Args:
        classifiers: What is timed.
        image: The image of every call: pixels ``(1, h, w, c)``, or prepared, float32
            ``(1, channels, h, w)``.
        clock: Returns seconds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in classifiers}
    end = clock() + _PATIENCE_S
    for _ in range(_BLOCKS):
        for name, classifier in classifiers.items():
            for _ in range(_CALLS):
                start = clock()
                _logits(classifier, image)
                now = clock()
                seconds[name].append(now - start)
                if now > end and min(map(len, seconds.values())) > 1:
                    break
    return {name: float(np.median(each)) for name, each in seconds.items()}


def _logits(classifier: Classifier, image: _Image) -> npt.NDArray[np.float32]:
    """Compute the logits of pixels, ``(1, h, w, c)``, or of a prepared image, float32."""
    if image.dtype != np.float32:
        return classifier.logits_from_pixels(np.asarray(image, image.dtype))
    return classifier.logits(np.asarray(image, np.float32))


def _key(path: Path, versions: Mapping[str, str | None], threads: int) -> str:
    content = hash_content(path)
    machine = f"{platform.node()} {platform.processor() or platform.machine()}"
    others = [*versions.values(), *map(installed_version, ("onnxruntime", "shufflenet"))]
    return f"{content} {' '.join(map(str, others))} {threads} {machine}"


def _read_choices() -> dict[str, str]:
    """Read the choices made before; if they cannot be read they are made again."""
    try:
        stored = typed(read_json(read_regular(_path(), _MAX_BYTES)), dict[str, str], "choices")
    except (OSError, SpecError, NoCacheFolder):
        return {}
    known = [(key, name) for key, name in stored.items() if name in RUNTIMES]
    return dict(known[-_MOST_CHOICES:])


def _write_choices(choices: dict[str, str]) -> None:
    try:
        write_atomic(_path(), json.dumps(choices, indent=1).encode())
    except (WriteError, NoCacheFolder) as error:
        _log.info("The choice of a runtime is not stored: %s", error)


def _path() -> Path:
    return cache_dir() / "runtimes.json"
