"""Classifiers: images in, logits out; and logits to predictions."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from shufflenet.data import Sample, load
from shufflenet.errors import CheckpointError, ImageError, SpecError
from shufflenet.preprocess import normalised
from shufflenet.spec import CARD_KEY, Card, Label

__all__ = [
    "Classifier",
    "Model",
    "OnnxClassifier",
    "Prediction",
    "answered",
    "classify",
    "cores",
    "top_k",
]

_Source = TypeVar("_Source", Path, Sample)


class Classifier(Protocol):
    """What every runtime looks like to evaluation, prediction and service."""

    card: Card

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map images ``(n, 3, h, w)`` to logits ``(n, classes)``."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One class a model sees in an image; probabilities of all classes sum to 1."""

    index: int
    label: str
    probability: float


class OnnxClassifier:
    """An ONNX file with a card inside, run by ONNX Runtime on the CPU."""

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        """Load a model.

        Args:
            path: A file that ``shufflenet export`` wrote.
            threads: How many threads one image is computed on; one a core, unless given.

        Raises:
            CheckpointError: the file is missing, damaged, or has no card.
        """
        import onnxruntime  # noqa: PLC0415  # a tenth of a second that `import shufflenet` saves
        from onnxruntime.capi import onnxruntime_pybind11_state as ort  # noqa: PLC0415  # likewise

        if not Path(path).is_file():
            raise CheckpointError(
                path, "does not exist", "See the names you can use: shufflenet list."
            )
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; they are raised as well
        options.intra_op_num_threads = threads or 0
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except (
            ort.Fail,
            ort.InvalidArgument,
            ort.InvalidGraph,
            ort.InvalidProtobuf,
            ort.NotImplemented,
            ort.RuntimeException,
        ) as error:
            raise CheckpointError(
                path, "is no ONNX file that can be run", "Export it again."
            ) from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        try:
            self.card = Card.from_json(metadata[CARD_KEY])
        except (KeyError, SpecError) as error:
            raise CheckpointError(
                path, "has no card that can be read", "Export it: shufflenet export --help."
            ) from error
        self._input = self._session.get_inputs()[0].name

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map images ``(n, 3, h, w)`` to logits ``(n, classes)``."""
        (result,) = self._session.run(None, {self._input: batch})
        return np.asarray(result, dtype=np.float32)


class Model:
    """A classifier with its doors: what ``shufflenet.open_model`` gives."""

    def __init__(self, classifier: Classifier) -> None:
        self.card = classifier.card
        self._classifier = classifier

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map prepared images ``(n, 3, h, w)`` to logits ``(n, classes)``.

        ``shufflenet.preprocess.prepare`` makes one image of such a batch.

        Raises:
            SpecError: the batch has another shape or type.
        """
        channels = self.card.network.in_channels
        if batch.ndim != 4 or batch.shape[1] != channels or batch.dtype != np.float32:
            given = f"{batch.dtype} {batch.shape}"
            raise SpecError("the batch", given, f"float32 of shape (n, {channels}, height, width)")
        return self._classifier.logits(batch)

    def classify(self, images: Iterable[str | Path], k: int = 5) -> list[list[Prediction]]:
        """Give the ``k`` most probable classes of every image file, most probable first.

        Raises:
            ImageError: a file cannot be read as an image.
        """
        found = []
        for _, result in classify(self._classifier, images, k=k):
            if isinstance(result, ImageError):
                raise result
            found.append(list(result))
        return found


def cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # fewer than the machine has, in many a container
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def top_k(
    logits: npt.NDArray[np.float32], labels: Sequence[Label], k: int
) -> tuple[Prediction, ...]:
    """Turn the logits of one image, ``(classes,)``, into its ``k`` most probable classes.

    >>> top_k(np.array([0, 1], np.float32), [Label("a", "ant"), Label("b", "bee")], k=1)
    (Prediction(index=1, label='bee', probability=0.7310585975646973),)
    """
    exponentials = np.exp(logits - logits.max())
    probabilities = exponentials / exponentials.sum()
    order = np.argsort(-probabilities, kind="stable")[:k]
    return tuple(Prediction(int(i), labels[i].name, float(probabilities[i])) for i in order)


def answered(
    classifier: Classifier, sources: Iterable[_Source], *, batch: int
) -> Iterator[tuple[_Source, npt.NDArray[np.float32] | ImageError]]:
    """Decode images and compute their logits on all cores, in order, a few batches ahead.

    There are as many threads as cores, and each decodes a batch and then computes it, so that
    some decode while others compute; a classifier should use one thread itself.

    Args:
        classifier: Any runtime; it is called by several threads at once.
        sources: Paths or samples.
        batch: How many images go through the network at once.

    Yields:
        Each source with its logits, ``(classes,)``, or with the reason it could not be read.

    Raises:
        SpecError: the network does not take images of three channels.
    """
    channels = classifier.card.network.in_channels
    if channels != 3:
        raise SpecError("in_channels", channels, "3 to answer image files; use logits() instead")
    threads = cores()
    waiting: deque[Future[list[tuple[_Source, npt.NDArray[np.float32] | ImageError]]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="shufflenet")
    try:
        for group in _grouped(sources, batch):
            waiting.append(pool.submit(_answer, classifier, group))
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


def _answer(
    classifier: Classifier, group: Sequence[_Source]
) -> list[tuple[_Source, npt.NDArray[np.float32] | ImageError]]:
    how = classifier.card.preprocess
    loaded = [load(source, how) for source in group]
    good = [pixels for pixels in loaded if not isinstance(pixels, ImageError)]
    logits = iter(classifier.logits(normalised(np.stack(good), how)) if good else ())
    answers = (x if isinstance(x, ImageError) else next(logits) for x in loaded)
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
