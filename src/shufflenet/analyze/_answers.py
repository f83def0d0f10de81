"""What a model answers to each image of a labeled set, computed in one pass over it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from shufflenet.data import ImageSet, Photo, Sample, check_one_label
from shufflenet.errors import ImageError
from shufflenet.runtimes import Answering, check_classifier, run_batches
from shufflenet.spec import Card

__all__ = ["Answers", "Unread", "answer", "row_blocks"]

_BLOCK_BYTES = 1 << 24  # of a block of rows of logits


@dataclass(frozen=True, slots=True)
class Unread:
    """An image that could not be read.

    Attributes:
        place: Its place in the set, from 0.
        sample: The image and its label.
        error: Why it could not be read.
    """

    place: int
    sample: Sample
    error: ImageError


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model answers to the images of a set that could be read, ``n`` of them, in its order.

    Of 50,000 images, 1,000 classes and 1,024 numbers of an embedding these are 200 MB of logits
    and 205 MB of embeddings; what is computed of them takes a few blocks of 16 MB besides.

    Attributes:
        card: The model's card; its labels name the classes.
        source: The name of the data.
        samples: The images.
        labels: Their classes, int64 ``(n,)``, as indices of the card's labels.
        logits: float32 ``(n, classes)``.
        embeddings: What the last layer read, float32 ``(n, d)``; None where the runtime does not
            tell it.
        widths: Of the upright photos, px, int32 ``(n,)``.
        heights: The same.
        brightness: The means of the cropped pixels, 0 to 255, float32 ``(n,)``.
        small: The cropped pixels averaged to 8 x 8, uint8 ``(n, 8, 8, channels)``.
        unread: The images that could not be read. They count as answered wrongly.
    """

    card: Card
    source: str
    samples: tuple[Sample, ...]
    labels: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float32]
    embeddings: npt.NDArray[np.float32] | None
    widths: npt.NDArray[np.int32]
    heights: npt.NDArray[np.int32]
    brightness: npt.NDArray[np.float32]
    small: npt.NDArray[np.uint8]
    unread: tuple[Unread, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The most probable class of each image, int64 ``(n,)``.

        Where an image's own class is as probable as another, it is the other, so that an image is
        correct where this is its label; ``evaluate`` counts the same.
        """
        result = np.zeros(len(self), np.int64)
        for rows in row_blocks(len(self), self.logits.shape[1]):
            logits, own = self.logits[rows], self.labels[rows]
            best = logits.argmax(axis=1)
            tied = np.flatnonzero((best == own) & (self.rank[rows] > 1))
            others = logits[tied]
            others[np.arange(len(tied)), own[tied]] = -np.inf
            best[tied] = others.argmax(axis=1)
            result[rows] = best
        return result

    @cached_property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each image is answered correctly, ``(n,)``."""
        return np.equal(self.predicted, self.labels)

    @cached_property
    def rank(self) -> npt.NDArray[np.int64]:
        """The rank of each image's own class, 1 for the most probable, int64 ``(n,)``.

        Classes that are as probable are before it.
        """
        result = np.zeros(len(self), np.int64)
        for rows in row_blocks(len(self), self.logits.shape[1]):
            logits = self.logits[rows]
            right = np.take_along_axis(logits, self.labels[rows, None], axis=1)
            result[rows] = (logits >= right).sum(axis=1)
        return result

    @cached_property
    def confidence(self) -> npt.NDArray[np.float64]:
        """The probability of the class predicted for each image, float64 ``(n,)``."""
        return self._probability_of(self.predicted)

    @cached_property
    def own_probability(self) -> npt.NDArray[np.float64]:
        """The probability of each image's own class, float64 ``(n,)``."""
        return self._probability_of(self.labels)

    def probabilities(self, rows: slice) -> npt.NDArray[np.float64]:
        """Compute the softmax of some images' logits, float64 ``(n, classes)``."""
        logits = self.logits[rows].astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        exponentials = np.exp(logits, out=logits)
        exponentials /= exponentials.sum(axis=1, keepdims=True)
        return exponentials

    def _probability_of(self, classes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        result = np.zeros(len(self))
        for rows in row_blocks(len(self), self.logits.shape[1]):
            found = np.take_along_axis(self.probabilities(rows), classes[rows, None], axis=1)
            result[rows] = found[:, 0]
        return result


def row_blocks(count: int, width: int) -> Iterator[slice]:
    """Yield slices of rows of ``width`` float64 numbers, each of at most 16 MB.

    >>> list(row_blocks(3, 1 << 20))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    step = max(1, _BLOCK_BYTES // (8 * max(1, width)))
    for start in range(0, count, step):
        yield slice(start, min(count, start + step))


def answer(
    network: Answering,
    images: ImageSet,
    *,
    batch: int = 50,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Answers:
    """Compute a model's answers to all images of a set labeled by its class indices, on all cores.

    Each image is decoded once, and computed once.

    Args:
        network: The model, see ``runtimes.open_answering``; it should use one thread itself.
        images: The set; see ``data.label_as``.
        batch: The number of images in a call of the model.
        on_progress: Called with the number of images answered since the last call.

    Raises:
        FindsBoxes: the model is a detector.
        SeveralRightClasses: the set is multi-label.
        SpecError: the model is a multi-label one, or takes no images.
        CheckpointError: the network cannot be computed, or not to finite numbers.
    """
    check_classifier(network.card, "answer images of classes")
    check_one_label(images, network.card)
    store = _Store(network, len(images))
    photos = map(Photo, images.samples)
    for photo, row in run_batches(network.rows, network.card, photos, batch=batch):
        store.add(photo, row)
        on_progress(1)
    return store.answers(images.source)


class _Store:
    """Arrays that are allocated once and filled image by image."""

    def __init__(self, network: Answering, images: int) -> None:
        self._network = network
        classes = network.card.network.classes
        channels = network.card.network.in_channels
        self._logits = np.empty((images, classes), np.float32)
        self._embeddings = np.empty((images, network.dimensions), np.float32)
        self._sizes = np.empty((2, images), np.int32)
        self._brightness = np.empty(images, np.float32)
        self._small = np.empty((images, 8, 8, channels), np.uint8)
        self._samples: list[Sample] = []
        self._unread: list[Unread] = []

    def add(self, photo: Photo, row: npt.NDArray[np.float32] | ImageError) -> None:
        """Keep what was computed of an image, ``(classes + dimensions,)``, or why it was not."""
        at = len(self._samples)
        if isinstance(row, ImageError):
            self._unread.append(Unread(at + len(self._unread), photo.sample, row))
            return
        classes = self._logits.shape[1]
        self._logits[at], self._embeddings[at] = row[:classes], row[classes:]
        self._sizes[:, at] = photo.width, photo.height
        self._brightness[at], self._small[at] = photo.brightness, photo.small
        self._samples.append(photo.sample)

    def answers(self, source: str) -> Answers:
        """Return what was kept."""
        count = len(self._samples)
        return Answers(
            card=self._network.card,
            source=source,
            samples=tuple(self._samples),
            labels=np.array([sample.label for sample in self._samples], np.int64),
            logits=self._logits[:count],
            embeddings=self._embeddings[:count] if self._network.dimensions else None,
            widths=self._sizes[0, :count],
            heights=self._sizes[1, :count],
            brightness=self._brightness[:count],
            small=self._small[:count],
            unread=tuple(self._unread),
        )
