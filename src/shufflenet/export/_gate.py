"""The gate behind every format: a file is kept only if it computes what its network does."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.errors import ParityError
from shufflenet.export._aside import written_aside
from shufflenet.export._source import Images, computing
from shufflenet.runtimes import comparable, open_by, tolerance_for
from shufflenet.spec import RUNTIMES, Card, Format, Precision

__all__ = ["Agreement", "compare"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the logits of a file are from those of its network.

    Of detectors they are scores and, in shares of the input's longer side, boxes.

    Attributes:
        max_abs_difference: The largest difference.
        max_abs_logit: The network's largest logit.
        tolerance: The largest difference that was accepted.
        images: The number of images that were compared.
        same_top1: Of how many of them both name the same class first, of detectors in one cell.
    """

    max_abs_difference: float
    max_abs_logit: float
    tolerance: float
    images: int
    same_top1: int


def compare(
    form: Format,
    precision: Precision,
    contents: Mapping[str, bytes],
    images: Images,
    expected: npt.NDArray[np.float32],
) -> Agreement:
    """Compute files by their format's own runtime, and compare.

    Args:
        form: The format.
        precision: The numbers in which the files compute.
        contents: The content of each file by its name.
        images: Pixels ``(n, h, w, c)``, or prepared images ``(n, c, h, w)``.
        expected: The logits of them, ``(n, classes)``, or ``(n, cells, 4 + classes)``.

    Raises:
        CheckpointError: the runtime cannot compute the files.
        MissingDependency: it is not installed.
        ParityError: the difference is larger than accepted, or not a number.
        WriteError: the folder of temporary files is full, or there is none.
    """
    with written_aside(contents) as folder:
        opened = next(folder.glob(f"*{form.suffix}"))
        classifier = open_by(RUNTIMES[form.runtime], opened, threads=1)
        rows = computing(classifier)(images)
    computed, expected = (comparable(each, classifier.card) for each in (rows, expected))
    largest = float(np.abs(expected).max())
    allowed = tolerance_for(form.tolerances[precision], classifier.card) * max(largest, 1.0)
    difference = float(np.abs(computed - expected).max())
    if not difference <= allowed:  # so written, NaN is refused too
        raise ParityError("The exported file", difference, allowed)
    same = int((_first(computed, classifier.card) == _first(expected, classifier.card)).sum())
    return Agreement(difference, largest, allowed, len(images), same)


def _first(rows: npt.NDArray[np.float32], card: Card) -> npt.NDArray[np.intp]:
    """Return the class of the largest logit of every image, or the cell and class of a score."""
    scores = rows if card.detector is None else rows[..., 4:].reshape(len(rows), -1)
    return np.asarray(scores.argmax(axis=1), np.intp)
