"""Images that are the same photo, or nearly: copied, compressed anew or resized."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet.analyze._answers import Answers
from shufflenet.data import ImageSet, Photo, Sample
from shufflenet.errors import ImageError
from shufflenet.runtimes import Answering, run_batches

__all__ = ["Duplicate", "duplicates", "duplicates_between"]

# Chosen by looking at Tiny-ImageNet-200's validation photos: of 40 compressed anew at quality 30 to
# 75 or resized by 0.5 to 5, the least were 0.981 and 0.52; no two of the 5,000 had a correlation
# above 0.98. That script was not kept; benchmarks/report.py counts what is found with these.
_LEAST_CORRELATION = 0.98
_LEAST_COSINE = 0.5
_FLATTEST = 2.0  # standard deviation of the 8 x 8 pixels, of 255, below which there is no pattern
_BLOCK = 1024  # images that are compared with 4 times as many at once: 16 MB
_CANDIDATES = 4  # images of a block that may be the same as one image

_Floats: TypeAlias = npt.NDArray[np.float32]
# Rows, columns, correlations and cosines of matches, each ``(m,)``.
_Found: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], _Floats, _Floats]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two images that are the same photo, or nearly.

    Attributes:
        sample: The image.
        other: The other: an earlier one of the same set, or one of the training data. Labels are of
            the model's classes.
        correlation: Of their pixels averaged to 8 x 8, to 1.
        cosine: Of their embeddings, to 1.
    """

    sample: Sample
    other: Sample
    correlation: float
    cosine: float

    @property
    def same_label(self) -> bool:
        """Whether both have the same label."""
        return self.sample.label == self.other.label


@dataclass(frozen=True, eq=False, slots=True)
class _Looks:
    """How images look: ``n`` of them.

    Attributes:
        patterns: Their 8 x 8 pixels less their mean, of length 1 or 0, ``(n, 64 channels)``.
        embeddings: ``(n, d)``.
    """

    patterns: _Floats
    embeddings: _Floats

    def part(self, rows: slice) -> "_Looks":
        """Return how some of them look."""
        return _Looks(self.patterns[rows], self.embeddings[rows])


def duplicates(answers: Answers) -> tuple[Duplicate, ...] | None:
    """Return the images that are nearly the same photo as an earlier one, the most alike first.

    Two images are, where the correlation of their pixels averaged to 8 x 8 is at least 0.98 and the
    cosine of their embeddings at least 0.5. Each image is named with the earlier one that it is
    most like. Images of a single color have no pattern to compare and are passed over. The time is
    that of ``n^2 / 2`` products of 64 numbers a channel; the memory beside the answers is 256
    bytes an image and channel, and a few blocks of 16 MB.

    Args:
        answers: The answers.

    Returns:
        The pairs; None where the runtime tells no embeddings.
    """
    if answers.embeddings is None:
        return None
    looks = _looks(answers.small, answers.embeddings)
    matches = _Matches(answers.samples)
    for start in range(0, len(answers), _BLOCK):
        rows = slice(start, start + _BLOCK)
        for columns in _column_blocks(min(rows.stop, len(answers))):
            found = _match(looks.part(rows), looks.part(columns), start - columns.start)
            matches.add(start, found, answers.samples[columns])
    return matches.pairs()


def duplicates_between(
    answers: Answers,
    network: Answering,
    training: ImageSet,
    *,
    batch: int = 50,
    on_progress: Callable[[int], None] = lambda done: None,
) -> tuple[Duplicate, ...] | None:
    """Return the images that are nearly the same photo as one of the training data.

    The training images are computed, compared in blocks and forgotten, so that memory does not grow
    with them. What is the same is as in ``duplicates``.

    Args:
        answers: The answers to the images measured on.
        network: The model that gave them.
        training: The images trained on, labeled by the model's classes, see ``data.label_as``.
        batch: The number of images in a call of the model.
        on_progress: Called with the number of training images compared since the last call.

    Returns:
        Each image with the training image that it is most like, the most alike first; None where
        the runtime tells no embeddings.

    Raises:
        SpecError: the network takes other channels than its preprocessing gives.
        CheckpointError: the network cannot be computed, or not to finite numbers.
    """
    if answers.embeddings is None or not network.dimensions:
        return None
    looks = _looks(answers.small, answers.embeddings)
    matches = _Matches(answers.samples)
    photos = run_batches(network.rows, network.card, map(Photo, training.samples), batch=batch)
    for block in _blocks(photos, _BLOCK):
        read = [(photo, row) for photo, row in block if not isinstance(row, ImageError)]
        on_progress(len(block))
        if not read:
            continue
        embeddings = np.stack([row for _, row in read])[:, network.card.network.classes :]
        others = _looks(np.stack([photo.small for photo, _ in read]), embeddings)
        samples = [photo.sample for photo, _ in read]
        for rows in _column_blocks(len(answers)):
            matches.add(rows.start, _match(looks.part(rows), others), samples)
    return matches.pairs()


@dataclass(frozen=True, eq=False, slots=True)
class _Matches:
    """The pair that each image is most like in, by the image's place.

    Attributes:
        samples: The images.
        best: The pairs.
    """

    samples: Sequence[Sample]
    best: dict[int, Duplicate] = field(default_factory=dict)

    def add(self, start: int, found: _Found, others: Sequence[Sample]) -> None:
        """Take in the matches of a block of images, the first of which has the place ``start``."""
        for row, column, correlation, cosine in zip(*found, strict=True):
            place = start + int(row)
            before = self.best.get(place)
            if before is None or before.correlation < correlation:
                pair = self.samples[place], others[int(column)]
                self.best[place] = Duplicate(*pair, float(correlation), float(cosine))

    def pairs(self) -> tuple[Duplicate, ...]:
        """Return the pairs, the most alike first."""
        return tuple(sorted(self.best.values(), key=lambda each: (-each.correlation, -each.cosine)))


def _match(rows: _Looks, columns: _Looks, shift: int | None = None) -> _Found:
    """Find the column that each row is most like, if it is the same photo.

    Args:
        rows: At most a few thousand images.
        columns: The same.
        shift: The place of the first row less that of the first column, where both are of one set
            and each image is compared with those before it; None where they are of two.

    Returns:
        Rows, columns, correlations and cosines of the matches.
    """
    alike = rows.patterns @ columns.patterns.T
    height, width = alike.shape
    if shift is not None and shift < width:  # some columns do not come before all rows
        alike *= np.tri(height, width, shift - 1, np.float32)
    found = np.flatnonzero(alike.max(axis=1) >= _LEAST_CORRELATION)
    count = min(_CANDIDATES, width)
    candidates = np.argpartition(-alike[found], count - 1, axis=1)[:, :count]
    alike = np.minimum(np.take_along_axis(alike[found], candidates, axis=1), 1)
    one, other = rows.embeddings[found], columns.embeddings[candidates]
    lengths = np.linalg.norm(one, axis=1)[:, None] * np.linalg.norm(other, axis=2)
    cosines = np.einsum("nd,nkd->nk", one, other) / np.maximum(lengths, 1e-30)
    same = (alike >= _LEAST_CORRELATION) & (cosines >= _LEAST_COSINE)
    best = np.where(same, alike, -1).argmax(axis=1)[:, None]
    columns_found, correlations, cosines, same = (
        np.take_along_axis(each, best, axis=1)[:, 0] for each in (candidates, alike, cosines, same)
    )
    return found[same], columns_found[same], correlations[same], np.minimum(cosines[same], 1)


def _looks(small: npt.NDArray[np.uint8], embeddings: _Floats) -> _Looks:
    patterns = small.reshape(len(small), math.prod(small.shape[1:])).astype(np.float32)
    patterns -= patterns.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(patterns, axis=1, keepdims=True)
    flat = lengths < _FLATTEST * np.sqrt(patterns.shape[1])
    patterns /= np.where(flat, np.inf, lengths)
    return _Looks(patterns, embeddings)


def _column_blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, 4 * _BLOCK):
        yield slice(start, min(start + 4 * _BLOCK, count))


def _blocks(
    items: Iterator[tuple[Photo, _Floats | ImageError]], size: int
) -> Iterator[list[tuple[Photo, _Floats | ImageError]]]:
    while block := list(islice(items, size)):
        yield block
