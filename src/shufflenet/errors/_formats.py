"""Errors in the files of each format that networks are exported to."""

from pathlib import Path

from shufflenet.errors._model_files import CheckpointError

__all__ = [
    "DamagedLiteRt",
    "DamagedNcnn",
    "DamagedOpenVino",
    "DamagedPackage",
    "DamagedProgram",
    "MayRunCode",
    "OtherSystem",
]


class DamagedLiteRt(CheckpointError):
    """The file is not a complete LiteRT file."""

    def __init__(self, path: str | Path, reason: object) -> None:
        problem = f"is not a complete LiteRT file ({reason})"
        super().__init__(path, problem, "It may be truncated: copy or export it again.")


class DamagedOpenVino(CheckpointError):
    """OpenVINO's file is damaged, or one that this package would not write."""

    def __init__(self, path: str | Path, reason: object) -> None:
        problem = f"is no network that shufflenet export wrote for OpenVINO ({reason})"
        remedy = "Copy it again, with the .bin file beside it, or export the network again."
        super().__init__(path, problem, remedy)


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
