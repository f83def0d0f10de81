"""Errors in the files of LiteRT and OpenVINO."""

from pathlib import Path

from shufflenet.errors._model_files import CheckpointError

__all__ = ["DamagedLiteRt", "DamagedOpenVino"]


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
