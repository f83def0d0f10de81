"""Errors in model files: finding and reading them, their cards, and quantizing them."""

from collections.abc import Iterable
from pathlib import Path

from shufflenet.errors._base import ShuffleNetError

__all__ = [
    "AlreadyInt8",
    "CardMismatch",
    "CardUnreadable",
    "CheckpointError",
    "CheckpointMismatch",
    "DamagedFile",
    "DamagedOnnx",
    "FileChanged",
    "FileMissing",
    "FileTooLarge",
    "FileUnreadable",
    "NotAFile",
    "NumbersTooFarApart",
    "OldOperators",
    "PublishedUnderOtherName",
    "UnsoundOnnx",
]


def _first_few(differences: Iterable[str]) -> str:
    differences = list(differences)
    more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
    return f"{'; '.join(differences[:3])}{more}"


class CheckpointError(ShuffleNetError):
    """A model file cannot be used."""

    def __init__(self, path: str | Path, problem: str, remedy: str, *, what: str = "file") -> None:
        super().__init__(f"The {what} {str(path)!r} {problem}. {remedy}")


# --- finding and opening a file ---


class FileMissing(CheckpointError):
    """There is no such file."""

    def __init__(self, path: str | Path) -> None:
        remedy = "Check the path, or see the names you can use: shufflenet list."
        super().__init__(path, "does not exist", remedy)


class FileChanged(CheckpointError):
    """The file is not the one that was opened any more."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "was changed while it was in use", "Open it again.")


class PublishedUnderOtherName(CheckpointError):
    """There is no such file, but a published file has that name at its source."""

    def __init__(self, path: str | Path, name: str) -> None:
        remedy = f"The published file with that filename is called {name!r} here."
        super().__init__(path, "does not exist", remedy)


class NotAFile(CheckpointError):
    """The path leads to a folder, a pipe, a device or a socket."""

    def __init__(self, path: str | Path) -> None:
        kind = "a pipe" if Path(path).is_fifo() else "not a regular file"
        kind = "a folder" if Path(path).is_dir() else kind
        super().__init__(path, f"is {kind}", "Name a file of weights.", what="path")


class FileUnreadable(CheckpointError):
    """Reading the file fails, as for lack of permission."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(path, f"cannot be read ({reason})", "Check its permissions and its disk.")


class FileTooLarge(CheckpointError):
    """The file is larger than any that is read, and nothing of it was.

    Args:
        path: The file.
        reason: How large it may be, as a clause: "it is larger than 4.29 GB".
    """

    def __init__(self, path: str | Path, reason: object) -> None:
        remedy = "No network of the family is: name another file, or save the weights alone."
        super().__init__(path, f"is not read ({reason})", remedy)


class DamagedFile(CheckpointError):
    """The file is not a complete safetensors file."""

    def __init__(self, path: str | Path, reason: object) -> None:
        super().__init__(
            path,
            f"is not a complete safetensors file ({reason})",
            "It may be truncated: write, copy or train it again.",
        )


class DamagedOnnx(CheckpointError):
    """The file is not a complete ONNX file."""

    def __init__(self, path: str | Path, reason: object) -> None:
        problem = f"is not a complete ONNX file ({reason})"
        super().__init__(path, problem, "It may be truncated: copy or export it again.")


class UnsoundOnnx(CheckpointError):
    """The graph of an ONNX file means nothing, or has what no exported network has.

    Args:
        path: The file.
        problem: What it does or has, as a predicate: "makes the tensor 'a' twice".
    """

    def __init__(self, path: str | Path, problem: object) -> None:
        remedy = "Export it again, or predict with --runtime onnxruntime."
        super().__init__(path, f"{problem}, unlike files of shufflenet export", remedy)


class OldOperators(CheckpointError):
    """An ONNX file is of a version of the operators that is older than what is read as layers.

    Args:
        path: The file.
        opset: Its version.
        oldest: The oldest that is read.
    """

    def __init__(self, path: str | Path, opset: int, oldest: int) -> None:
        problem = (
            f"is of ONNX operator set {opset}; only from {oldest} on is a file read as layers, to "
            "export, compile or quantize it"
        )
        remedy = (
            "ONNX Runtime predicts with it as it is. For the rest begin with the float network "
            "that it was made from: shufflenet convert, of another project's file, then export."
        )
        super().__init__(path, problem, remedy)


class CardUnreadable(CheckpointError):
    """The file's card is damaged or of a newer version."""

    def __init__(self, path: str | Path, reason: object) -> None:
        problem = f"has a card that cannot be read: {str(reason).rstrip('.')}"
        super().__init__(path, problem, "Write the file again, or upgrade this package.")


class CardMismatch(CheckpointError):
    """The file's card describes another network than the one in the file.

    Args:
        path: The file.
        network: The card's network.
        differences: What differs, in predicates with their subject.
    """

    def __init__(self, path: str | Path, network: str, differences: Iterable[str]) -> None:
        problem = f"has a card of {network!r}, which it does not hold: {_first_few(differences)}"
        super().__init__(path, problem, "Write the file again, with the card of its network.")


# --- quantizing ---


class AlreadyInt8(CheckpointError):
    """A file to quantize is quantized."""

    def __init__(self, path: str | Path) -> None:
        remedy = "Export a float network: shufflenet export --help."
        super().__init__(path, "is in int8 already", remedy)


class NumbersTooFarApart(CheckpointError):
    """Values of a layer are so large, or so far apart, that no scale of int8 fits them."""

    def __init__(self, path: str | Path, layer: str) -> None:
        problem = f"has numbers in {layer!r} that are too large or too far apart for int8"
        super().__init__(path, problem, "Train the network again, or leave it in float.")


# --- weights and networks ---


class CheckpointMismatch(ShuffleNetError):
    """A set of weights does not fit the network that it was given to."""

    def __init__(self, network: str, differences: Iterable[str]) -> None:
        super().__init__(
            f"The weights do not fit {network!r}: {_first_few(differences)}. "
            "Use weights of exactly this network."
        )
