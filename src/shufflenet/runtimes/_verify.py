"""A file against the logits that it holds: those that its network had when it was written."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shufflenet.errors import ChangedExport, DamagedCheck, NoProof, NotVerifiable
from shufflenet.files import hash_onnx_graph, read_onnx_metadata
from shufflenet.outside import read_json, typed
from shufflenet.runtimes._classifier import Classifier
from shufflenet.runtimes._compiled import CompiledClassifier
from shufflenet.runtimes._int8 import (
    CHECK_KEY,
    FLOAT_CHECK_KEY,
    FLOAT_HASH_KEY,
    INT8_AGREEMENT,
    check_image,
)
from shufflenet.runtimes._open import find_runtimes, open_by
from shufflenet.runtimes._wasmtime import WasmClassifier
from shufflenet.spec import FLOAT32_TOLERANCE

__all__ = ["Verified", "verify_file"]

_SQUARES = "squares of 8"  # how compiled files call the image of check_image
_OF_INT8 = 2 * INT8_AGREEMENT  # other processors and runtimes round other bytes; see _int8


@dataclass(frozen=True, slots=True)
class Verified:
    """What a file computes, beside what it holds.

    Attributes:
        path: The file.
        runtime: What computed it.
        max_abs_difference: The largest difference of logits.
        tolerance: The largest difference that counts as rounding.
        agrees: Whether it is no larger.
    """

    path: str
    runtime: str
    max_abs_difference: float
    tolerance: float
    agrees: bool


def verify_file(path: str | Path, runtime: str = "auto") -> Verified:
    """Compute the image whose logits a file holds, and compare.

    Args:
        path: A file that ``export``, ``quantize`` or ``compile`` wrote.
        runtime: A name of ``spec.RUNTIMES``; ``auto`` for the first that opens such files.

    Raises:
        ChangedExport: its graph is not the one that was exported. One image does not tell: it may
            leave a damaged weight without effect.
        CheckpointError: the file is missing, damaged or cannot be computed.
        DamagedCheck: the logits in the file are damaged.
        MissingDependency: the runtime is not installed.
        NoProof: it holds no logits.
        NotVerifiable: the runtime opens no such files.
        SpecError: there is no such runtime.
    """
    path = Path(path)
    opening = [each for each in find_runtimes(runtime) if path.suffix.lower() in each.suffixes]
    if not opening:
        every = (suffix for each in find_runtimes(runtime) for suffix in each.suffixes)
        raise NotVerifiable(path, dict.fromkeys(every))
    classifier = open_by(opening[0], path, threads=1)
    expected = np.array(_logits_in(path, classifier), np.float32)
    computed = classifier.logits_from_pixels(check_image(classifier.card.preprocess))[0]
    if expected.shape != computed.shape or not np.isfinite(expected).all():
        raise DamagedCheck(path)
    difference = float(np.abs(computed - expected).max())
    of_all = _OF_INT8 if classifier.card.int8 else FLOAT32_TOLERANCE
    tolerance = of_all * max(1.0, float(np.abs(expected).max()))
    return Verified(str(path), opening[0].name, difference, tolerance, difference <= tolerance)


def _logits_in(path: Path, classifier: Classifier) -> tuple[float, ...]:
    """Return the logits that a file holds of the image of ``check_image``.

    Raises:
        ChangedExport: the file's graph is not the one that was exported.
        DamagedCheck: they cannot be read.
        NoProof: there are none.
    """
    if isinstance(classifier, CompiledClassifier | WasmClassifier):
        if classifier.proof.image != _SQUARES:
            raise NoProof(path)
        return classifier.proof.logits
    metadata = read_onnx_metadata(path) if path.suffix.lower() == ".onnx" else {}
    text = metadata.get(CHECK_KEY, metadata.get(FLOAT_CHECK_KEY))
    if text is None:
        raise NoProof(path)
    if FLOAT_HASH_KEY in metadata and metadata[FLOAT_HASH_KEY] != hash_onnx_graph(path):
        raise ChangedExport(path)
    try:
        return typed(read_json(text), tuple[float, ...], "logits")
    except ValueError as error:  # a SpecError is one
        raise DamagedCheck(path) from error
