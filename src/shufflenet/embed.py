"""Embeddings: a vector for each image, computed from image files and written with their paths."""

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.errors import EmbeddingUnreadable, ImageError, MissingDependency, SpecError
from shufflenet.files import write_atomic, write_together
from shufflenet.outside import open_regular
from shufflenet.runtimes import Embedder, run_batches

__all__ = [
    "SUFFIXES",
    "Embedding",
    "check_destination",
    "embed",
    "read_embedding",
    "write_embedding",
]

SUFFIXES = (".npy", ".parquet")  # of the files that write_embedding writes


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
        SpecError: the network takes other channels than its preprocessing gives.
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
    if to.suffix.lower() not in SUFFIXES:
        raise SpecError("the file's suffix", to.suffix, " or ".join(SUFFIXES))
    if to.suffix.lower() == ".parquet":
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
    if to.suffix.lower() == ".parquet":
        write_atomic(to, _parquet(embedding))
        return
    content = io.BytesIO()
    np.save(content, embedding.vectors)
    lines = b"".join(os.fsencode(path) + b"\n" for path in embedding.paths)
    write_together({to.with_suffix(".paths.txt"): lines, to: content.getvalue()})


def read_embedding(path: Path) -> Embedding:
    """Read what ``write_embedding`` wrote; the numbers of a ``.npy`` file stay there until used.

    Args:
        path: A ``.npy`` file with its ``.paths.txt`` beside it, or a ``.parquet`` file.

    Raises:
        EmbeddingUnreadable: it is missing, damaged, or of another form.
        MissingDependency: it is parquet, and pyarrow is not installed.
    """
    is_parquet = path.suffix.lower() == ".parquet"
    try:
        with open_regular(path):
            pass
        paths, vectors = (_read_parquet if is_parquet else _read_npy)(path)
    except MissingDependency:
        raise
    except Exception as error:  # libraries raise anything on a damaged file
        raise EmbeddingUnreadable(path, error) from error
    if vectors.ndim != 2 or vectors.dtype != np.float32 or not vectors.size:
        raise EmbeddingUnreadable(path, f"holds {vectors.dtype} of shape {vectors.shape}")
    if len(paths) != len(vectors):
        raise EmbeddingUnreadable(path, f"has {len(vectors)} rows for {len(paths)} paths")
    return Embedding(paths, vectors, ())


def _read_npy(path: Path) -> tuple[tuple[Path, ...], npt.NDArray[np.float32]]:
    with open_regular(path.with_suffix(".paths.txt")) as file:
        paths = tuple(Path(os.fsdecode(line)) for line in file.read().splitlines())
    vectors: npt.NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    return paths, vectors


def _read_parquet(path: Path) -> tuple[tuple[Path, ...], npt.NDArray[np.float32]]:
    """Read paths and vectors.

    Raises:
        MissingDependency: pyarrow is not installed.
    """
    try:
        from pyarrow import parquet  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise MissingDependency("Reading parquet", "pyarrow", "parquet") from error
    table = parquet.read_table(path, columns=["path", "embedding"])
    rows = table["embedding"].combine_chunks()
    vectors = rows.flatten().to_numpy(zero_copy_only=False).reshape(len(rows), -1)
    return tuple(Path(name) for name in table["path"].to_pylist()), vectors


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
