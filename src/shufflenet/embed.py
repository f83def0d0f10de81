"""Embeddings: a vector for each image, computed from image files and written with their paths."""

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shufflenet.errors import ImageError, MissingDependency, SpecError
from shufflenet.files import write_atomic, write_together
from shufflenet.runtimes import run_batches
from shufflenet.spec import Card

__all__ = ["SUFFIXES", "Embedder", "Embedding", "check_destination", "embed", "write_embedding"]

SUFFIXES = (".npy", ".parquet")  # of the files that write_embedding writes


class Embedder(Protocol):
    """A model that computes a vector for each image, as ``runtimes``' torch classifier does."""

    card: Card

    def embed_from_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Compute vectors ``(n, d)`` of cropped RGB images ``(n, h, w, 3)``, 0 to 255."""


@dataclass(frozen=True, eq=False, slots=True)
class Embedding:
    """The vectors of images.

    Attributes:
        paths: The images that could be read, in the order given.
        vectors: A row for each, ``(images, dimensions)``; ``(0, 0)`` if there are none.
        failures: Why the other images could not be read.
    """

    paths: tuple[Path, ...]
    vectors: npt.NDArray[np.float32]
    failures: tuple[ImageError, ...]


def embed(
    embedder: Embedder,
    paths: Sequence[Path],
    *,
    batch: int = 8,
    on_image: Callable[[ImageError | None], None] = lambda failure: None,
) -> Embedding:
    """Compute the vectors ``(images, dimensions)`` of image files on all cores.

    Args:
        embedder: The model; it should use one thread itself.
        paths: The image files.
        batch: The number of images in a call of the model.
        on_image: Called after each image, with the reason if it could not be read.

    Raises:
        SpecError: the network does not take images of three channels.
    """
    read: list[Path] = []
    failures: list[ImageError] = []
    vectors = np.empty((0, 0), np.float32)
    network = embedder.embed_from_pixels
    for path, row in run_batches(network, embedder.card, paths, batch=batch):
        if isinstance(row, ImageError):
            failures.append(row)
            on_image(row)
            continue
        if not read:  # allocated once, for there may be millions of rows
            vectors = np.empty((len(paths), len(row)), np.float32)
        vectors[len(read)] = row
        read.append(path)
        on_image(None)
    return Embedding(tuple(read), vectors[: len(read)], tuple(failures))


def check_destination(to: Path, paths: Sequence[Path]) -> None:
    """Check that the vectors of these images can be written there, before they are computed.

    Raises:
        MissingDependency: it is parquet, and pyarrow is not installed.
        SpecError: the file has another suffix than ``SUFFIXES``, or it is ``.npy`` and a path
            has several lines, so that it cannot be listed as one.
    """
    if to.suffix not in SUFFIXES:
        raise SpecError("the file's suffix", to.suffix, " or ".join(SUFFIXES))
    if to.suffix == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401, PLC0415  # only a check that it is installed
        except ModuleNotFoundError as error:
            raise MissingDependency("Writing parquet", "pyarrow", "parquet") from error
        return
    broken = next((str(path) for path in paths if len(str(path).splitlines()) > 1), None)
    if broken:
        raise SpecError("a path", broken, "of one line, as it is listed so; or write a .parquet")


def write_embedding(to: Path, embedding: Embedding) -> None:
    """Write vectors ``(images, dimensions)`` with the paths of their images.

    A ``.npy`` file holds the array, and a ``.paths.txt`` beside it a path a line; a ``.parquet``
    file has the columns ``path`` and ``embedding``.

    Args:
        to: A file that ``check_destination`` accepts.
        embedding: Vectors of at least one image.

    Raises:
        WriteError: the disk is full or the place cannot be written.
    """
    if to.suffix == ".parquet":
        write_atomic(to, _parquet(embedding))
        return
    content = io.BytesIO()
    np.save(content, embedding.vectors)
    lines = b"".join(os.fsencode(path) + b"\n" for path in embedding.paths)
    write_together({to.with_suffix(".paths.txt"): lines, to: content.getvalue()})


def _parquet(embedding: Embedding) -> bytes:
    import pyarrow  # noqa: PLC0415  # an extra
    import pyarrow.parquet  # noqa: PLC0415  # likewise

    # A name that is not valid UTF-8 cannot be stored in a column of text.
    names = [os.fsencode(path).decode("utf-8", "backslashreplace") for path in embedding.paths]
    numbers = pyarrow.array(embedding.vectors.reshape(-1))
    rows = pyarrow.FixedSizeListArray.from_arrays(numbers, embedding.vectors.shape[1])
    table = pyarrow.table({"path": pyarrow.array(names, pyarrow.string()), "embedding": rows})
    content = io.BytesIO()
    pyarrow.parquet.write_table(table, content)
    return content.getvalue()
