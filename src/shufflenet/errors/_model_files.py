"""Errors in model files: finding, opening, running and quantizing them."""

from collections.abc import Iterable
from pathlib import Path

from shufflenet.errors._base import ShuffleNetError, first_line

__all__ = [
    "AlreadyInt8",
    "CardMismatch",
    "CardUnreadable",
    "ChangedExport",
    "ChangedInt8",
    "CheckpointError",
    "CheckpointMismatch",
    "ComputationFailed",
    "DamagedCheck",
    "DamagedFile",
    "DamagedOnnx",
    "FileChanged",
    "FileMissing",
    "FileUnreadable",
    "LogitsNotNumbers",
    "ModelZooFile",
    "NeedsCheckpoint",
    "NeedsOnnx",
    "NeedsSuffix",
    "NoProof",
    "NoRuntimeOpens",
    "NotAFile",
    "NotCompiledNetwork",
    "NotLoadable",
    "NotRunnable",
    "NotVerifiable",
    "NumbersTooFarApart",
    "OtherInt8Logits",
    "OtherOutput",
    "PublishedUnderOtherName",
    "UnsoundOnnx",
    "UnsupportedByRuntime",
]

_OTHER_RUNTIME = "Use --runtime onnxruntime."


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


# --- opening a file for a runtime ---


class NeedsOnnx(CheckpointError):
    """A checkpoint was given to a runtime that runs ONNX files."""

    def __init__(self, name: str | Path) -> None:
        remedy = f"Export it first: shufflenet export {name} --to model.onnx."
        super().__init__(name, "is not an ONNX file", remedy)


class NeedsCheckpoint(CheckpointError):
    """An ONNX file was given where torch loads weights."""

    def __init__(self, name: str | Path) -> None:
        super().__init__(
            name,
            "is not a checkpoint that torch can load",
            "Name the .safetensors file that it was exported from.",
        )


class NeedsSuffix(CheckpointError):
    """A model was named that has no file of a kind that the runtime opens.

    Args:
        name: The model.
        suffixes: Those of the files that the runtime opens.
    """

    def __init__(self, name: str | Path, suffixes: Iterable[str]) -> None:
        kinds = " or ".join(suffixes)
        remedy = f"Name a {kinds} file, or choose another runtime."
        super().__init__(name, f"is not a {kinds} file", remedy)


class NoRuntimeOpens(CheckpointError):
    """None of the runtimes to choose from opens files of this suffix."""

    def __init__(self, path: str | Path) -> None:
        problem = "is of a kind that none of these runtimes opens"
        super().__init__(path, problem, "Export the model as .onnx.")


class NotRunnable(CheckpointError):
    """A runtime cannot parse or run the file."""

    def __init__(self, path: str | Path, runtime: str) -> None:
        kind = "an ONNX file" if Path(path).suffix.lower() == ".onnx" else "a file"
        super().__init__(path, f"is not {kind} that {runtime} can run", "Export it again.")


class NoProof(CheckpointError):
    """A file holds nothing that it could be verified by."""

    def __init__(self, path: str | Path) -> None:
        remedy = "Write it again: shufflenet export, quantize or compile."
        super().__init__(path, "holds no logits to be verified by", remedy)


class NotVerifiable(CheckpointError):
    """A file is of a kind that a runtime cannot run, and so not verify.

    Args:
        path: The file.
        suffixes: What files that can be verified end in.
    """

    def __init__(self, path: str | Path, suffixes: Iterable[str]) -> None:
        *most, last = suffixes
        kinds = f"{', '.join(most)} or {last}" if most else last
        remedy = f"Name a {kinds}; a network compiled as a library can be verified where it runs."
        super().__init__(path, "is of a kind that cannot be verified", remedy)


class NotCompiledNetwork(CheckpointError):
    """A library is none that ``shufflenet compile`` wrote.

    Args:
        path: The library.
        problem: What it is or lacks, as a predicate.
    """

    def __init__(self, path: str | Path, problem: str) -> None:
        remedy = "Write one: shufflenet compile NAME --to FILE.so."
        super().__init__(path, problem, remedy)


class NotLoadable(CheckpointError):
    """A library cannot be loaded by this machine.

    Args:
        path: The library.
        reason: What the system or the library says.
    """

    def __init__(self, path: str | Path, reason: object) -> None:
        is_wasm = Path(path).suffix.lower() == ".wasm"
        remedy = "Compile it for this machine: shufflenet compile NAME --to FILE.so."
        if is_wasm:
            remedy = "Write it again: shufflenet compile NAME --to FILE.wasm --target wasm32."
        super().__init__(path, f"cannot be loaded here ({reason})", remedy)


class UnsupportedByRuntime(CheckpointError):
    """The file is valid, but has something that a runtime does not support.

    Args:
        path: The file.
        feature: What it has, such as "a Transpose", as the object of a sentence.
        runtime: The runtime, as people call it.
    """

    def __init__(self, path: str | Path, feature: str, runtime: str) -> None:
        self.feature = feature
        problem = f"has {feature}, which the {runtime} runtime does not support"
        super().__init__(path, problem, _OTHER_RUNTIME)


class ModelZooFile(CheckpointError):
    """A file of the ONNX model zoo was given to a runtime other than ONNX Runtime."""

    def __init__(self, path: str | Path) -> None:
        problem = "is from the ONNX model zoo, which only ONNX Runtime runs unchanged"
        super().__init__(path, problem, _OTHER_RUNTIME)


class DamagedCheck(CheckpointError):
    """The logits in a file, which its result is compared with, are damaged."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "holds damaged logits for its check", "Write it again.")


class ChangedExport(CheckpointError):
    """A file is not as ``export`` wrote it."""

    def __init__(self, path: str | Path) -> None:
        problem = "was damaged or changed after it was exported"
        super().__init__(path, problem, "Copy it again, or export the network again.")


class ChangedInt8(CheckpointError):
    """An int8 file is not as ``quantize`` wrote it."""

    def __init__(self, path: str | Path) -> None:
        problem = "was damaged or changed after it was quantized"
        super().__init__(path, problem, "Copy it again, or quantize the network again.")


class OtherInt8Logits(CheckpointError):
    """A runtime computes other logits of an int8 file than any processor should."""

    def __init__(self, path: str | Path) -> None:
        problem = "gives other logits here than when it was quantized: this runtime is wrong on it"
        super().__init__(path, problem, "Use --runtime onnxruntime, or quantize the network again.")


# --- computing a file ---


class ComputationFailed(CheckpointError):
    """A runtime opened a file, and fails to compute it.

    Args:
        path: The file, or the model's name.
        runtime: The runtime, as people call it.
        shape: The shape of the images that it was given.
        cause: What the runtime raised.
        what: What ``path`` is: "file" or "model".
    """

    def __init__(
        self,
        path: str | Path,
        runtime: str,
        shape: tuple[int, ...],
        cause: Exception,
        *,
        what: str = "file",
    ) -> None:
        problem = f"cannot be computed by {runtime} for images of shape {shape}"
        remedy = "Give fewer or smaller images, or export it again."
        super().__init__(path, f"{problem} ({first_line(cause)})", remedy, what=what)


class OtherOutput(CheckpointError):
    """A network's output is something else than a row of logits for each image.

    Args:
        path: Its file, or its name.
        actual: Type and shape of the output.
        expected: The shape it should have.
        what: What ``path`` is: "file" or "model".
    """

    def __init__(
        self, path: str | Path, actual: str, expected: tuple[int, ...], *, what: str = "file"
    ) -> None:
        problem = f"has an output of {actual}, where its card needs floats of shape {expected}"
        super().__init__(path, problem, "Export it again, as a whole network.", what=what)


class LogitsNotNumbers(CheckpointError):
    """A network computes infinities or NaN.

    Args:
        path: Its file, or its name.
        what: What that is: "file" or "model".
    """

    def __init__(self, path: str | Path, *, what: str = "file") -> None:
        remedy = "Copy or export it again, or train it again."
        super().__init__(path, "computes logits that are infinite or NaN", remedy, what=what)


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
