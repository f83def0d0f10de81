"""Errors in the programs of ExecuTorch and torch.export."""

from pathlib import Path

from shufflenet.errors._model_files import CheckpointError

__all__ = ["DamagedProgram", "MayRunCode"]


class DamagedProgram(CheckpointError):
    """A file is no program of its format, or is damaged.

    Args:
        path: The file.
        title: What computes such programs.
        reason: What is wrong with it, as a clause.
    """

    def __init__(self, path: str | Path, title: str, reason: object) -> None:
        problem = f"is no whole program of {title} ({str(reason).rstrip('.')})"
        super().__init__(path, problem, "Copy it again, or export the network again.")


class MayRunCode(CheckpointError):
    """A program of torch.export has what no exported network has, and is not loaded.

    Args:
        path: The file.
        reason: What it has, as a clause.
    """

    def __init__(self, path: str | Path, reason: object) -> None:
        problem = f"is not loaded, since loading it may run code ({str(reason).rstrip('.')})"
        remedy = "Export the network again; torch.export.load opens it if you trust its maker."
        super().__init__(path, problem, remedy)
