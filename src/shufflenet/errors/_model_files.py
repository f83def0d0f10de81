"""Errors in model files: this package's checkpoints, ONNX files and those of other projects."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from shufflenet.errors._base import ShuffleNetError, count_of, first_line

__all__ = [
    "AlreadyConverted",
    "AlreadyInt8",
    "CardUnreadable",
    "CheckpointError",
    "CheckpointMismatch",
    "DamagedCheck",
    "DamagedFile",
    "ExternalWeights",
    "FileMissing",
    "FileUnreadable",
    "ForeignFileDamaged",
    "Int8Source",
    "LabelCount",
    "LabelsNeeded",
    "LayoutError",
    "LogitsNotNumbers",
    "MissingInstruction",
    "ModelZooFile",
    "NeedsCheckpoint",
    "NeedsOnnx",
    "NegativeVariances",
    "NoArrays",
    "NoCard",
    "NoDictionary",
    "NotAFile",
    "NotComputable",
    "NotOurFormat",
    "NotRunnable",
    "OtherOutputShape",
    "OtherSource",
    "PublishedInt8",
    "PublishedUnderOtherName",
    "QuantizedSource",
    "RunFolder",
    "UnknownSource",
    "UnsafeContent",
    "UnsupportedByRuntime",
    "WeightsNotFinite",
]

_OTHER_RUNTIME = "Use --runtime onnxruntime."


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


class PublishedUnderOtherName(CheckpointError):
    """There is no such file, but a published file is called so at its source."""

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
    """The system does not allow to read the file."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(path, f"cannot be read ({reason})", "Check its permissions and its disk.")


class NotOurFormat(CheckpointError):
    """The file has neither suffix of this package's files."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(
            path,
            "is neither a .onnx nor a .safetensors file",
            f"Convert it: shufflenet convert {path} --to {Path(path).stem}.safetensors.",
        )


class RunFolder(CheckpointError):
    """The path is the folder of a training run."""

    def __init__(self, path: str | Path, checkpoint: str | Path) -> None:
        super().__init__(path, "is a run folder", f"Use {checkpoint}.", what="path")


class DamagedFile(CheckpointError):
    """The file is not a complete safetensors file."""

    def __init__(self, path: str | Path, reason: object) -> None:
        super().__init__(
            path,
            f"is not a complete safetensors file ({reason})",
            "It may be truncated: write, copy or train it again.",
        )


class NoCard(CheckpointError):
    """The file has no card."""

    def __init__(self, path: str | Path) -> None:
        remedy = "Use a file that this package wrote: see shufflenet convert and shufflenet export."
        super().__init__(path, "has no card", remedy)


class CardUnreadable(CheckpointError):
    """The file's card is damaged or of a newer version."""

    def __init__(self, path: str | Path, reason: object) -> None:
        problem = f"has a card that cannot be read: {str(reason).rstrip('.')}"
        super().__init__(path, problem, "Write the file again, or upgrade this package.")


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


class NotRunnable(CheckpointError):
    """A runtime cannot parse or run the file."""

    def __init__(self, path: str | Path, runtime: str) -> None:
        super().__init__(path, f"is not an ONNX file that {runtime} can run", "Export it again.")


class UnsupportedByRuntime(CheckpointError):
    """The file is valid, but has something that a runtime does not support.

    Args:
        path: The file.
        feature: What it has, such as "a Transpose", as the object of a sentence.
        runtime: The runtime, as people call it.
    """

    def __init__(self, path: str | Path, feature: str, runtime: str) -> None:
        problem = f"has {feature}, which the {runtime} runtime does not support"
        super().__init__(path, problem, _OTHER_RUNTIME)


class MissingInstruction(CheckpointError):
    """The file's int8 weights need an instruction that this processor lacks."""

    def __init__(self, path: str | Path, weights: str, instruction: str) -> None:
        problem = (
            f"has int8 {weights}, which the LLVM runtime multiplies with {instruction}, and this "
            "processor lacks it"
        )
        super().__init__(path, problem, _OTHER_RUNTIME)


class ModelZooFile(CheckpointError):
    """A file of the ONNX model zoo was given to a runtime other than ONNX Runtime."""

    def __init__(self, path: str | Path) -> None:
        problem = "is from the ONNX model zoo, which only ONNX Runtime runs unchanged"
        super().__init__(path, problem, _OTHER_RUNTIME)


class DamagedCheck(CheckpointError):
    """The logits in an int8 file, which its result is compared with, are damaged."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "holds damaged logits for its check", "Quantize the network again.")


# --- converting files of other projects ---


class AlreadyConverted(CheckpointError):
    """The file is a checkpoint of this package."""

    def __init__(self, path: str | Path) -> None:
        remedy = "Use it as it is, or write it for another project: --layout."
        super().__init__(path, "is already a checkpoint of this package", remedy)


class UnsafeContent(CheckpointError):
    """A pickle names functions or classes that weights do not need."""

    def __init__(self, path: str | Path, reason: object) -> None:
        super().__init__(
            path,
            f"holds more than arrays and plain values ({reason}), and nothing in it is run",
            "Save only the weights in it: torch.save(net.state_dict(), FILE).",
        )


class QuantizedSource(CheckpointError):
    """The file's tensors are of torch's int8 engine."""

    def __init__(self, path: str | Path, reason: object) -> None:
        remedy = "Convert the file of the float network that it was made from."
        super().__init__(path, f"is quantized ({reason})", remedy)


class Int8Source(CheckpointError):
    """An ONNX file computes in int8."""

    def __init__(self, path: str | Path) -> None:
        remedy = "Use it as it is, or convert the float file that it was made from."
        super().__init__(path, "computes in int8", remedy)


class PublishedInt8(CheckpointError):
    """A published int8 file cannot be converted.

    Args:
        filename: The file.
        network: Its network, of which float weights may be listed.
        runs: Whether this package runs it as it is.
    """

    def __init__(self, filename: str, network: str, *, runs: bool) -> None:
        problem = "is an int8 file of torch's own engine, which this package does not run"
        if runs:
            problem = "is an int8 file, which cannot be converted to a network"
        remedy = f"Use float weights of the same network: shufflenet list {network}."
        super().__init__(filename, problem, remedy)


class ForeignFileDamaged(CheckpointError):
    """No reader understands the file to its end."""

    def __init__(self, path: str | Path, cause: Exception) -> None:
        problem = f"is not a complete file of weights in a known format ({first_line(cause)})"
        super().__init__(path, problem, "Download it again, or name another.")


class NoArrays(CheckpointError):
    """The file holds no named arrays."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "holds no named arrays", "Name a file of weights.")


class NoDictionary(CheckpointError):
    """A pickle holds something other than a dictionary of arrays."""

    def __init__(self, path: str | Path) -> None:
        remedy = "Save one: torch.save(net.state_dict(), FILE)."
        super().__init__(path, "holds no dictionary of arrays", remedy)


class ExternalWeights(CheckpointError):
    """An ONNX file stores its weights in another file."""

    def __init__(self, path: str | Path) -> None:
        remedy = "Save it whole: onnx.save_model(onnx.load(FILE), OTHER)."
        super().__init__(path, "stores its weights in another file", remedy)


class WeightsNotFinite(CheckpointError):
    """An array holds infinities or NaN."""

    def __init__(self, path: str | Path, array: str) -> None:
        remedy = "Download the file again, or train or export it again."
        super().__init__(path, f"holds infinities or NaN in {array!r}", remedy)


class NegativeVariances(CheckpointError):
    """A running variance is below 0."""

    def __init__(self, path: str | Path, array: str) -> None:
        super().__init__(path, f"has negative variances in {array!r}", "Download the file again.")


class UnknownSource(CheckpointError):
    """The names in the file are of no known project."""

    def __init__(self, path: str | Path, names: Sequence[str], sources: Iterable[str]) -> None:
        super().__init__(
            path,
            f"has names of no known project ({', '.join(names[:3])}, ...)",
            f"Files of these can be converted: {', '.join(sources)}.",
        )


class OtherSource(CheckpointError):
    """The names in the file are of another project than the one given."""

    def __init__(self, path: str | Path, layout: str, source: str) -> None:
        problem = f"has the names of {layout}, not of {source}"
        super().__init__(path, problem, "Leave out --source.")


class LabelsNeeded(CheckpointError):
    """The network's classes are not ImageNet's, and no labels are given."""

    def __init__(self, path: str | Path, classes: int) -> None:
        super().__init__(
            path,
            f"has {classes} classes, whose labels are unknown",
            "Name them in order: --labels FILE, one line per class.",
        )


class LabelCount(CheckpointError):
    """There are more or fewer labels than classes."""

    def __init__(self, path: str | Path, classes: int, labels: int) -> None:
        given = count_of(labels, "label")
        problem = f"has {count_of(classes, 'class', 'classes')}, but was given {given}"
        super().__init__(path, problem, f"Give {count_of(classes, 'label')}, one per line.")


class NotComputable(CheckpointError):
    """Running an ONNX file to verify its conversion fails."""

    def __init__(self, path: str | Path, cause: Exception) -> None:
        problem = f"cannot be computed ({first_line(cause)})"
        super().__init__(path, problem, "Export it again, as a whole network.")


class OtherOutputShape(CheckpointError):
    """An ONNX file's output has another shape than its network's."""

    def __init__(self, path: str | Path, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
        problem = f"has an output of shape {shape}, where its network has {expected}"
        super().__init__(path, problem, "Export it again, as a whole network.")


# --- quantizing ---


class AlreadyInt8(CheckpointError):
    """A file to quantize is quantized."""

    def __init__(self, path: str | Path) -> None:
        remedy = "Export a float network: shufflenet export --help."
        super().__init__(path, "is in int8 already", remedy)


class LogitsNotNumbers(CheckpointError):
    """A network to quantize computes infinities or NaN."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "computes logits that are infinite or NaN", "Train it again.")


# --- weights and networks ---


class CheckpointMismatch(ShuffleNetError):
    """A set of weights does not fit the network that it was given to."""

    def __init__(self, network: str, differences: Iterable[str]) -> None:
        differences = list(differences)
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        super().__init__(
            f"The weights do not fit {network!r}: {'; '.join(differences[:3])}{more}. "
            "Use weights of exactly this network."
        )


class LayoutError(ShuffleNetError):
    """A set of weights cannot be written in the layout of another project."""

    def __init__(self, network: str, layout: str, reason: str) -> None:
        super().__init__(
            f"{network!r} cannot be written for {layout}: {reason}. "
            "Keep it as .safetensors, or export it as ONNX: shufflenet export --help."
        )
