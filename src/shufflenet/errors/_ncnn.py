"""Errors in the files of ncnn."""

from pathlib import Path

from shufflenet.errors._model_files import CheckpointError

__all__ = ["DamagedNcnn"]


class DamagedNcnn(CheckpointError):
    """The files of an ncnn network are damaged, or ones that this package would not write.

    Args:
        path: The ``.param`` file.
        reason: What it has or lacks, as a predicate.
    """

    def __init__(self, path: str | Path, reason: object) -> None:
        problem = f"is no network that shufflenet export wrote for ncnn (it {reason})"
        remedy = "Copy it again, with its .bin and .json files, or export the network again."
        super().__init__(path, problem, remedy)
