"""Image files through a classifier, on all cores."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from shufflenet.data import Sample, load
from shufflenet.errors import ImageError, SpecError
from shufflenet.machine import cores
from shufflenet.preprocess import normalize
from shufflenet.runtimes._classifier import Classifier, Prediction, top_k
from shufflenet.spec import Card

__all__ = ["answered", "classify", "computed"]

_Source = TypeVar("_Source", Path, Sample)
_Network: TypeAlias = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


def answered(
    classifier: Classifier, sources: Iterable[_Source], *, batch: int
) -> Iterator[tuple[_Source, npt.NDArray[np.float32] | ImageError]]:
    """Do what ``computed`` does with a classifier's logits, ``(classes,)``."""
    return computed(classifier.logits, classifier.card, sources, batch=batch)


def computed(
    compute: _Network, card: Card, sources: Iterable[_Source], *, batch: int
) -> Iterator[tuple[_Source, npt.NDArray[np.float32] | ImageError]]:
    """Decode images and compute a row for each on all cores, in order, a few batches ahead.

    There are as many threads as cores, and each decodes a batch and then computes it, so that
    some decode while others compute; ``compute`` should use one thread itself.

    Args:
        compute: Maps prepared images ``(n, 3, h, w)`` to rows ``(n, d)``, as a classifier's
            ``logits`` does; it is called by several threads at once.
        card: Of the model that computes.
        sources: Paths or samples.
        batch: How many images go through the network at once.

    Yields:
        Each source with its row, ``(d,)``, or with the reason it could not be read.

    Raises:
        SpecError: the network does not take images of three channels.
    """
    channels = card.network.in_channels
    if channels != 3:
        raise SpecError("in_channels", channels, "3 to answer image files; use logits() instead")
    threads = cores()
    waiting: deque[Future[list[tuple[_Source, npt.NDArray[np.float32] | ImageError]]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="shufflenet")
    try:
        for group in _grouped(sources, batch):
            waiting.append(pool.submit(_compute, compute, card, group))
            if len(waiting) > 2 * threads:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _grouped(items: Iterable[_Source], size: int) -> Iterator[list[_Source]]:
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group


def _compute(
    compute: _Network, card: Card, group: Sequence[_Source]
) -> list[tuple[_Source, npt.NDArray[np.float32] | ImageError]]:
    how = card.preprocess
    loaded = [load(source, how) for source in group]
    good = [pixels for pixels in loaded if not isinstance(pixels, ImageError)]
    rows = iter(compute(normalize(np.stack(good), how)) if good else ())
    answers = (x if isinstance(x, ImageError) else next(rows) for x in loaded)
    return list(zip(group, answers, strict=True))


def classify(
    classifier: Classifier, paths: Iterable[str | Path], *, k: int = 5, batch: int = 8
) -> Iterator[tuple[Path, tuple[Prediction, ...] | ImageError]]:
    """Classify image files on all cores.

    Yields:
        Every path, in order, with its ``k`` most probable classes or with the reason it could
        not be read.
    """
    labels = classifier.card.labels
    for path, answer in answered(classifier, map(Path, paths), batch=batch):
        yield path, answer if isinstance(answer, ImageError) else top_k(answer, labels, k)
