"""Errors in exports to other formats, and of the cards beside their files."""

from pathlib import Path

from shufflenet.errors._model_files import CheckpointError

__all__ = ["NeedsInt8", "NoSidecar", "NotExportable", "SidecarUnreadable"]


class NeedsInt8(CheckpointError):
    """A network in float32 is to be exported in int8."""

    def __init__(self, name: str | Path) -> None:
        quantize = f"shufflenet quantize {name} --data DATA --to int8.onnx"
        remedy = f"Quantize it first, and export what that writes: {quantize}."
        super().__init__(name, "is in float32", remedy, what="model")


class NoSidecar(CheckpointError):
    """The card that should be beside a file is missing."""

    def __init__(self, path: str | Path, sidecar: str | Path) -> None:
        problem = f"has no card beside it, {Path(sidecar).name!r}"
        super().__init__(path, problem, "Copy both files together, or export the network again.")


class NotExportable(CheckpointError):
    """A network has an operation that no writer of a format translates."""

    def __init__(self, name: str | Path, title: str, reason: object) -> None:
        problem = f"{reason}, so that it cannot be written as {title}"
        super().__init__(name, problem, "Use a model that this package wrote.", what="model")


class SidecarUnreadable(CheckpointError):
    """The card beside a file is damaged."""

    def __init__(self, path: str | Path, sidecar: str | Path, reason: object) -> None:
        problem = f"has a card beside it, {Path(sidecar).name!r}, that cannot be read: "
        remedy = "Copy both files together, or export the network again."
        super().__init__(path, f"{problem}{str(reason).rstrip('.')}", remedy)
