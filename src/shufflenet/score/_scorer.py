"""A worker's work: a part read, computed and written."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet.data.parts import Part, read_part
from shufflenet.errors import ImageError, OtherJob, SpecError
from shufflenet.files.stores import join
from shufflenet.preprocess import Pixels, decode_as, one_image, resize_and_crop
from shufflenet.runtimes import Opening, check_classifier, guarded, open_embedder
from shufflenet.score._answers import Columns, Counts, Row, answers_name, answers_table
from shufflenet.score._job import Task
from shufflenet.score._model_files import hash_files, read_files
from shufflenet.spec import Card, Preprocess

__all__ = ["Scorer", "check_photos", "open_network"]

_Image: TypeAlias = tuple[str, bytes | ImageError]
_Network: TypeAlias = Callable[[Pixels], npt.NDArray[np.float32]]


def open_network(opening: Opening, columns: Columns) -> tuple[Card, _Network]:
    """Open what maps pixels of cropped images, ``(n, h, w, c)``, to rows: logits, or vectors.

    Returns:
        The model's card, and the function.

    Raises:
        CheckpointError: the file cannot be opened.
        FindsBoxes: it is a detector.
        MissingDependency: the runtime is not installed.
        SpecError: the network takes other channels than its preprocessing gives.
    """
    if columns == "embeddings":
        embedder = open_embedder(opening.path, threads=opening.threads)
        card = embedder.card
        network: _Network = embedder.embed_from_pixels
    else:
        model = opening.open()
        card, network = model.card, guarded(model)
    check_photos(card)
    return card, network


def check_photos(card: Card) -> None:
    """Check that a model takes photos, and answers each as a whole.

    Raises:
        FindsBoxes: it is a detector.
        SpecError: it takes images of another number of channels.
    """
    check_classifier(card, "answer images by rows of a table")
    if not card.takes_pixels:
        expected = f"{card.preprocess.in_channels} to score photos"
        raise SpecError("in_channels", card.network.in_channels, expected)


class Scorer:
    """An open model that answers parts, with one thread."""

    def __init__(self, task: Task) -> None:
        """Open the model.

        Raises:
            OtherJob: its file was written again since the run began, as by a training that goes on.
            ShuffleNetError: it cannot be opened here.
        """
        self._task = task
        self._card, self._network = open_network(task.opening, task.columns)
        sha256 = hash_files(read_files(task.opening.path))
        if sha256 != task.sha256:
            raise OtherJob(task.answers, "content of the model's file", task.sha256, sha256)

    def score(self, part: Part, on_image: Callable[[], None] = lambda: None) -> Counts:
        """Answer a part and write the answers, whole or not at all.

        Args:
            part: What is answered.
            on_image: Called when an image was read and decoded.

        Raises:
            ShuffleNetError: the source changed or cannot be read, or the answers not be written.
        """
        task = self._task
        images = _telling(read_part(task.store, part, task.source), on_image)
        names, rows = list[str](), list[Row]()
        for name, row in _rows(self._network, self._card, images, task.batch):
            names.append(name)
            rows.append(row)
        content, counts = answers_table(names, rows, task.columns, self._card, task.top)
        task.out.write(join(task.answers, answers_name(part)), content)
        return counts


def _telling(images: Iterator[_Image], on_image: Callable[[], None]) -> Iterator[_Image]:
    for image in images:
        yield image
        on_image()


def _rows(
    network: _Network, card: Card, images: Iterator[_Image], batch: int
) -> Iterator[tuple[str, Row]]:
    """Compute a row for each image, in order, ``batch`` of those that can be read at once."""
    held: list[tuple[str, Pixels | ImageError]] = []
    readable = 0
    for name, content in images:
        pixels = _pixels(name, content, card.preprocess)
        held.append((name, pixels))
        readable += not isinstance(pixels, ImageError)
        if readable == batch:
            yield from _computed(network, held)
            held, readable = [], 0
    yield from _computed(network, held)


def _pixels(name: str, content: bytes | ImageError, how: Preprocess) -> Pixels | ImageError:
    if isinstance(content, ImageError):
        return content
    try:
        with one_image(name):  # resizing too may find no memory
            return resize_and_crop(decode_as(content, how, name), how)
    except ImageError as error:
        return error


def _computed(
    network: _Network, held: list[tuple[str, Pixels | ImageError]]
) -> Iterator[tuple[str, Row]]:
    pixels = [each for _, each in held if not isinstance(each, ImageError)]
    rows = iter(network(np.stack(pixels)) if pixels else ())
    for name, each in held:
        yield name, each if isinstance(each, ImageError) else next(rows)
