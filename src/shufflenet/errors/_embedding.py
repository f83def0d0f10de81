"""Errors of embedding: what the last layers of a network do not have."""

from pathlib import Path

from shufflenet.errors._base import ShuffleNetError, first_line
from shufflenet.errors._data import DataError
from shufflenet.errors._model_files import CheckpointError

__all__ = [
    "DamagedScale",
    "EmbeddingUnreadable",
    "EmbeddingsDiffer",
    "NeedsGradients",
    "NoLastLayer",
    "NoMaps",
]


class NoLastLayer(CheckpointError):
    """An ONNX file ends with no fully connected layer whose input could be an embedding.

    Args:
        path: The file.
        problem: What it has instead, as a predicate: "has a Conv in place of its last layer".
    """

    def __init__(self, path: str | Path, problem: str) -> None:
        remedy = "Embed with a file that shufflenet export or quantize wrote."
        super().__init__(path, f"{problem}, so that it has no embedding", remedy)


class DamagedScale(CheckpointError):
    """The factors in a file by which its embeddings become those of the float network are damaged.

    Args:
        path: The file.
        width: How many there must be.
    """

    def __init__(self, path: str | Path, width: int) -> None:
        problem = f"holds an embedding scale that is not {width} positive numbers"
        super().__init__(path, problem, "Copy it again, or quantize the network again.")


class EmbeddingUnreadable(DataError):
    """A file of embeddings is not what ``shufflenet embed`` writes.

    Args:
        path: The file.
        problem: What is wrong with it, as a predicate; or the error that reading it raised.
    """

    def __init__(self, path: str | Path, problem: str | Exception) -> None:
        if isinstance(problem, Exception):
            problem = f"cannot be read ({first_line(problem)})"
        remedy = "Give a .npy or .parquet file that shufflenet embed wrote."
        super().__init__(path, problem, remedy, what="file of embeddings")


class EmbeddingsDiffer(DataError):
    """A file of embeddings is of another model than the one that embeds the photos.

    Args:
        path: The file.
        numbers: How many an embedding has.
        model: The model.
        expected: How many its embeddings have.
    """

    def __init__(self, path: str | Path, numbers: int, model: str, expected: int) -> None:
        super().__init__(
            path,
            f"has embeddings of {numbers} numbers, but those of the model {model!r} have "
            f"{expected}",
            "Name the model that it was written with: --model.",
            what="file of embeddings",
        )


class NoMaps(ShuffleNetError, ValueError):
    """A network whose embedding is no mean of its last feature maps."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The model {name!r} does not end with a mean over its last feature maps and its "
            "classifier alone, so that the maps show no class. Use a network that does, such as a "
            "ShuffleNet V2."
        )


class NeedsGradients(CheckpointError):
    """An exported file of a network that is explained by gradients, which only torch computes."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(
            path,
            "is of a network whose classifier reads more than the mean of the last feature maps, "
            "so that its heat maps need gradients",
            "Give the network's checkpoint, a .safetensors file, and install torch: "
            "pip install 'shufflenet[torch]'.",
        )
