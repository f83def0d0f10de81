"""Classifiers: images in, logits out; and logits to predictions."""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from shufflenet.cards import find_published, published_card
from shufflenet.data import Sample, load
from shufflenet.errors import CheckpointError, ImageError, SpecError
from shufflenet.preprocess import normalised
from shufflenet.spec import CARD_KEY, Card, Label
from shufflenet.zoo import Weights

__all__ = [
    "Classifier",
    "Model",
    "OnnxClassifier",
    "Prediction",
    "answered",
    "classify",
    "computed",
    "computes_int8_exactly",
    "cores",
    "top_k",
]

_log = logging.getLogger(__name__)

_Source = TypeVar("_Source", Path, Sample)
_Network: TypeAlias = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


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
    """An ONNX file, run by ONNX Runtime on the CPU.

    Its card is the one inside; a published file without one is known by its hash.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        """Load a model.

        Args:
            path: A file that ``shufflenet export`` wrote, or one of the ONNX model zoo.
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
        self.card, published = _card(path, self._session.get_modelmeta().custom_metadata_map)
        self._log_of_output = published is not None and published.gives == "probabilities"
        images = self._session.get_inputs()[0]
        self._input = images.name
        self._fixed_batch = images.shape[0] if isinstance(images.shape[0], int) else None
        if published is not None and published.quantised and not computes_int8_exactly():
            _log.warning(
                "This processor rounds sums of int8 products that %s was made without: "
                "its answers may differ from those published.",
                published.filename,
            )

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map images ``(n, 3, h, w)`` to logits ``(n, classes)``."""
        size = self._fixed_batch or max(1, len(batch))
        parts = [self._run(batch[start : start + size]) for start in range(0, len(batch), size)]
        result = np.concatenate(parts)
        # The softmax of log(p) is p again.
        return (
            np.log(np.maximum(result, np.finfo(np.float32).tiny)) if self._log_of_output else result
        )

    def _run(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        missing = (self._fixed_batch or 0) - len(images)
        if missing > 0:  # a file may take so many images at once and no fewer
            images = np.concatenate((images, np.zeros((missing, *images.shape[1:]), np.float32)))
        result = np.asarray(self._session.run(None, {self._input: images})[0], np.float32)
        return result[: len(result) - max(0, missing)]


def _card(path: str | Path, metadata: Mapping[str, str]) -> tuple[Card, Weights | None]:
    """Read the card of an ONNX file, or make that of the published file that it is.

    Raises:
        CheckpointError: it has none and is none.
    """
    try:
        return Card.from_json(metadata[CARD_KEY]), None
    except (KeyError, SpecError) as error:
        published = find_published(path)
        if published is None:
            remedy = "Export it: shufflenet export --help."
            raise CheckpointError(path, "has no card that can be read", remedy) from error
        return published_card(published), published


@cache
def computes_int8_exactly() -> bool:
    """Try whether this processor adds products of u8 and s8 without saturating.

    Processors with AVX2 but without VNNI add two such products in 16 bits, which overflow. What is
    tried is a 1x1 convolution of 64 channels, all weights 127, that ``tools/make_int8_probe.py``
    wrote; of pixels of 255 its exact sums, 64 * 255 * 127, are scaled to 255.

    Source: onnxruntime.ai, Quantize ONNX models, "When and why do I need to try U8U8?"
    """
    import onnxruntime  # noqa: PLC0415  # a tenth of a second that `import shufflenet` saves

    probe = Path(__file__).parent / "weights" / "int8-probe.onnx"
    session = onnxruntime.InferenceSession(str(probe), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"pixels": np.full((1, 64, 8, 8), 255, np.uint8)})
    return bool((np.asarray(result) == 255).all())


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
    rows = iter(compute(normalised(np.stack(good), how)) if good else ())
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
