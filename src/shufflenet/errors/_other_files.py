"""Errors in model files that this package did not write: of other kinds, or without a card."""

import shlex
from pathlib import Path

from shufflenet.errors._model_files import CheckpointError

__all__ = ["NoCard", "NotOurFormat", "OtherKind", "OtherSuffix"]


def _convert(path: str | Path) -> str:
    """Return the command that makes a file of this package of another project's, as a sentence."""
    source = Path(path)
    stem = source.name.removesuffix(".tar").removesuffix(source.suffix).removesuffix(".pth")
    stem += "-converted" if source.suffix == ".safetensors" else ""
    target = f"{stem or 'weights'}.safetensors"
    command = f"shufflenet convert {shlex.quote(str(path))} --to {shlex.quote(target)}"
    return f"Convert it: {command}."


class NotOurFormat(CheckpointError):
    """The file has neither suffix of this package's files."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "is neither a .onnx nor a .safetensors file", _convert(path))


class OtherSuffix(CheckpointError):
    """The file is one of a kind that this package reads, but is not called so.

    Args:
        path: The file.
        what: The kind, with an article.
        suffix: The suffix of its files.
    """

    def __init__(self, path: str | Path, what: str, suffix: str) -> None:
        remedy = f"Rename it so that it ends in {suffix}."
        super().__init__(path, f"is {what} by another name", remedy)


class OtherKind(CheckpointError):
    """The file is of a kind that this package neither reads nor converts.

    Args:
        path: The file.
        what: The kind, with an article.
        remedy: What to do with one, as a sentence.
    """

    def __init__(self, path: str | Path, what: str, remedy: str) -> None:
        super().__init__(path, f"is {what}", remedy)


class NoCard(CheckpointError):
    """The file has no card."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "has no card, so another program wrote it", _convert(path))
