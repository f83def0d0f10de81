"""Images through a network on all cores: decoded, cropped and computed batch by batch."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from shufflenet.data import Photo, Sample
from shufflenet.errors import ImageError, SpecError
from shufflenet.machine import cores
from shufflenet.preprocess import Pixels
from shufflenet.runtimes._classifier import Classifier, Prediction, check_classifier, check_k, top_k
from shufflenet.runtimes._guard import check_rows, guarded
from shufflenet.runtimes._pictures import Picture, load_picture
from shufflenet.spec import Card

__all__ = ["classify", "each_batch", "in_one_array", "run_batches"]

_Source = TypeVar("_Source", bound=Picture | Sample | Photo)
_Answer = TypeVar("_Answer")
_Picture = TypeVar("_Picture", bound=Picture)
_Network: TypeAlias = Callable[[Pixels], npt.NDArray[np.float32]]
_Row: TypeAlias = npt.NDArray[np.float32] | ImageError


def run_batches(
    network: _Network, card: Card, sources: Iterable[_Source], *, batch: int
) -> Iterator[tuple[_Source, _Row]]:
    """Decode images and compute a row for each on all cores, in order, a few batches ahead.

    There are as many threads as cores. Each decodes a batch and then computes it, so that some
    decode while others compute; ``network`` should use one thread itself.

    Args:
        network: Maps pixels ``(n, h, w, c)`` to rows ``(n, d)``, as a classifier's
            ``logits_from_pixels`` does; several threads call it at once.
        card: The model's card; it says how images are cropped.
        sources: Paths, samples, photos of a data set or other pictures.
        batch: The number of images in a call of ``network``.

    Returns:
        An iterator of each source with its row, ``(d,)``, or with the reason it could not be read.

    Raises:
        SpecError: the network takes other channels than its preprocessing gives, or a picture is
            none.
        CheckpointError: the network cannot be computed, or not to finite numbers.
    """
    return each_batch(partial(_run_batch, network, card), card, sources, batch=batch)


def each_batch(
    run: Callable[[Sequence[_Source]], Sequence[_Answer]],
    card: Card,
    sources: Iterable[_Source],
    *,
    batch: int,
) -> Iterator[_Answer]:
    """Answer images batch by batch, on all cores, in order, a few batches ahead.

    Args:
        run: Answers the images of a batch; several threads call it at once.
        card: The model's card.
        sources: Pictures.
        batch: The number of images in a call of ``run``.

    Yields:
        What ``run`` returns of each source.

    Raises:
        SpecError: the network takes other channels than its preprocessing gives.
    """
    if not card.takes_pixels:
        expected = f"{card.preprocess.in_channels} to classify photos; use logits() instead"
        raise SpecError("in_channels", card.network.in_channels, expected)
    threads = cores()
    waiting: deque[Future[Sequence[_Answer]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="shufflenet")
    try:
        for group in _groups(sources, batch):
            waiting.append(pool.submit(run, group))
            if len(waiting) > 2 * threads:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _groups(items: Iterable[_Source], size: int) -> Iterator[list[_Source]]:
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group


def _run_batch(
    network: _Network, card: Card, sources: Sequence[_Source]
) -> list[tuple[_Source, _Row]]:
    loaded = [load_picture(source, card.preprocess) for source in sources]
    images = [image for image in loaded if not isinstance(image, ImageError)]
    rows = iter(_rows(network, card, images) if images else ())
    results = [x if isinstance(x, ImageError) else next(rows) for x in loaded]
    return list(zip(sources, results, strict=True))


def _rows(network: _Network, card: Card, images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
    rows = network(in_one_array(images))
    check_rows(rows, (len(images), *rows.shape[1:]), card.name, what="model")
    return rows


def in_one_array(images: Sequence[Pixels]) -> Pixels:
    """Return images ``(h, w, c)`` as one array, ``(n, h, w, c)``; a single one is not copied."""
    return images[0][None] if len(images) == 1 else np.stack(images)


def classify(
    classifier: Classifier, pictures: Iterable[_Picture], *, k: int = 5, batch: int = 8
) -> Iterator[tuple[_Picture, tuple[Prediction, ...] | ImageError]]:
    """Classify images on all cores.

    Yields:
        Every picture, in order, with its ``k`` most probable classes or with the reason it could
        not be read.

    Raises:
        FindsBoxes: it is a detector.
        SpecError: the network takes other channels than its preprocessing gives, a picture is none,
            or k is no whole number of at least 1.
        CheckpointError: the network cannot be computed, or not to a finite logit for each class.
    """
    check_k(k)
    check_classifier(classifier.card, "classify images")
    network, card = guarded(classifier), classifier.card
    for picture, row in run_batches(network, card, pictures, batch=batch):
        yield picture, row if isinstance(row, ImageError) else top_k(row, card, k)
