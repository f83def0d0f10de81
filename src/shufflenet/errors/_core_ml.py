"""Errors in Core ML packages."""

from pathlib import Path

from shufflenet.errors._model_files import CheckpointError

__all__ = ["DamagedPackage", "OtherSystem"]


class DamagedPackage(CheckpointError):
    """A folder is no complete Core ML package, or holds a program of another kind.

    Args:
        path: The folder.
        reason: What is wrong with it, as a clause: "it has no Manifest.json".
    """

    def __init__(self, path: str | Path, reason: object) -> None:
        super().__init__(
            path,
            f"is no complete Core ML package of a classifier ({reason})",
            "Copy its whole folder again, or export it again.",
        )


class OtherSystem(CheckpointError):
    """A library computes a file on another operating system only.

    Args:
        path: The file.
        library: The library, as people call it.
        system: The system.
        instead: The option that computes here.
    """

    def __init__(self, path: str | Path, library: str, system: str, instead: str) -> None:
        problem = f"is computed by {library} on {system} only"
        super().__init__(path, problem, f"Use {instead} here.")
