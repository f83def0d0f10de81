"""A file against the logits that it holds: those that its network had when it was written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shufflenet.errors import DamagedCheck, NoProof, NotVerifiable
from shufflenet.outside import read_json, typed
from shufflenet.runtimes._classifier import Classifier
from shufflenet.runtimes._compiled import CompiledClassifier
from shufflenet.runtimes._file_card import file_metadata
from shufflenet.runtimes._open import find_runtimes, open_by
from shufflenet.runtimes._proof import (
    CHECK_KEY,
    FLOAT_CHECK_KEY,
    PRECISION_KEY,
    SQUARES,
    proof_of,
    stated_image,
    tolerance_for,
)
from shufflenet.runtimes._wasmtime import WasmClassifier
from shufflenet.spec import FLOAT32_TOLERANCE, FORMATS, INT8_TOLERANCE

__all__ = ["Verified", "verify_file"]


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
    metadata = file_metadata(path, opening[0])
    expected = np.array(_logits_in(path, metadata, classifier), np.float32)
    image = stated_image(metadata, classifier.card.preprocess, path)
    computed = proof_of(classifier.logits_from_pixels(image), classifier.card)
    if expected.shape != computed.shape or not np.isfinite(expected).all():
        raise DamagedCheck(path)
    difference = float(np.abs(computed - expected).max())
    relative = tolerance_for(_tolerance(path, metadata, classifier), classifier.card)
    tolerance = relative * max(1.0, float(np.abs(expected).max()))
    return Verified(str(path), opening[0].name, difference, tolerance, difference <= tolerance)


def _tolerance(path: Path, metadata: Mapping[str, str], classifier: Classifier) -> float:
    """Return the largest difference that is rounding, relative to the largest logit."""
    if classifier.card.int8:
        return INT8_TOLERANCE
    forms = [form for form in FORMATS.values() if form.suffix == path.suffix.lower()]
    precision = metadata.get(PRECISION_KEY)
    stated = [size for form in forms for name, size in form.tolerances.items() if name == precision]
    return stated[0] if stated else FLOAT32_TOLERANCE


def _logits_in(
    path: Path, metadata: Mapping[str, str], classifier: Classifier
) -> tuple[float, ...]:
    """Return the logits that a file holds of the image of ``check_image``.

    Raises:
        DamagedCheck: they cannot be read.
        NoProof: there are none.
    """
    if isinstance(classifier, CompiledClassifier | WasmClassifier):
        if classifier.proof.image != SQUARES:
            raise NoProof(path)
        return classifier.proof.logits
    text = metadata.get(CHECK_KEY, metadata.get(FLOAT_CHECK_KEY))
    if text is None:
        raise NoProof(path)
    try:
        return typed(read_json(text), tuple[float, ...], "logits")
    except ValueError as error:  # a SpecError is one
        raise DamagedCheck(path) from error
