"""Errors in converting weights of other projects, and in writing weights for them."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from shufflenet.errors._base import ShuffleNetError, count_of, first_line
from shufflenet.errors._model_files import CheckpointError

__all__ = [
    "AlreadyConverted",
    "ArrayUnreadable",
    "ExternalWeights",
    "ForeignFileDamaged",
    "ImpossibleScale",
    "Int8Source",
    "LabelCount",
    "LabelsNeeded",
    "LayoutError",
    "NegativeVariances",
    "NoArrays",
    "NoClassifier",
    "NoDictionary",
    "NoSuchKey",
    "NotComputable",
    "NotQuantized",
    "OtherOutputShape",
    "OtherSource",
    "PublishedInt8",
    "QuantizedSource",
    "SeveralSets",
    "UnknownSource",
    "UnsafeContent",
    "WeightsNotFinite",
    "WholeNetwork",
]


class AlreadyConverted(CheckpointError):
    """The file is a checkpoint of this package."""

    def __init__(self, path: str | Path) -> None:
        remedy = "Use it as it is, or write it for another project: --layout."
        super().__init__(path, "is already a checkpoint of this package", remedy)


class UnsafeContent(CheckpointError):
    """A pickle names functions or classes that weights do not need."""

    def __init__(self, path: str | Path, reason: object) -> None:
        said = str(reason)[:200]
        super().__init__(
            path,
            f"holds more than arrays and plain values ({said}), and nothing in it is run",
            "Save only the weights in it: torch.save(net.state_dict(), FILE).",
        )


class QuantizedSource(CheckpointError):
    """The file's tensors are of torch's int8 engine."""

    def __init__(self, path: str | Path, reason: object) -> None:
        remedy = "Convert it to an int8 file, --to FILE.onnx, or convert the float network's file."
        super().__init__(path, f"is quantized ({reason})", remedy)


class NotQuantized(CheckpointError):
    """A file of weights in float is to be converted to an int8 file."""

    def __init__(self, path: str | Path) -> None:
        remedy = (
            "Convert it --to FILE.safetensors, unless this package wrote it, then export that: "
            "shufflenet export --help."
        )
        super().__init__(
            path, "holds no tensors that torch quantized, and only those become .onnx", remedy
        )


class ImpossibleScale(CheckpointError):
    """Weights, a bias, a scale or a zero point of a quantized file are missing or impossible."""

    def __init__(self, path: str | Path, name: str) -> None:
        problem = f"has an impossible scale, or none, or damaged numbers for {name!r}"
        super().__init__(path, problem, "Download it again.")


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
        float_weights = f"se float weights of the same network: shufflenet list {network}."
        problem, remedy = (
            "is an int8 file, which cannot be converted to a network",
            f"U{float_weights}",
        )
        if not runs:
            problem = "is an int8 file of torch's own engine, which becomes an .onnx file only"
            remedy = f"Convert it --to FILE.onnx, or u{float_weights}"
        super().__init__(filename, problem, remedy)


class ForeignFileDamaged(CheckpointError):
    """No reader understands the file to its end."""

    def __init__(self, path: str | Path, cause: Exception) -> None:
        problem = f"is not a complete file of weights in a known format ({first_line(cause)})"
        super().__init__(path, problem, "Download it again, or name another.")


class WholeNetwork(CheckpointError):
    """A pickle holds an object of a network's class, not its weights."""

    def __init__(self, path: str | Path, kind: str) -> None:
        super().__init__(
            path,
            f"holds a whole object of the class {kind}, not its weights, and nothing in it is run",
            "Save its weights where its code is: torch.save(net.state_dict(), FILE).",
        )


class ArrayUnreadable(CheckpointError):
    """An array is of a kind that no weights are of, such as complex or sparse."""

    def __init__(self, path: str | Path, array: str, reason: object) -> None:
        super().__init__(
            path,
            f"cannot be converted, since {array!r} has {reason}",
            "Save its weights as float32: torch.save(net.float().state_dict(), FILE).",
        )


class SeveralSets(CheckpointError):
    """The file holds several sets of weights, and nothing tells which to take."""

    def __init__(self, path: str | Path, names: Sequence[str]) -> None:
        known = ", ".join(name or "''" for name in names[:8])
        problem = f"holds {len(names)} sets of weights ({known})"
        super().__init__(path, problem, f"Name the one to convert: --key {shlex.quote(names[0])}.")


class NoSuchKey(CheckpointError):
    """The file has no set of weights of that key."""

    def __init__(self, path: str | Path, key: str, names: Sequence[str]) -> None:
        known = f"It has these: {', '.join(names[:8])}." if names else "Leave out --key."
        super().__init__(path, f"has no weights under {key!r}", known)


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
    """The names in the file are of no known project.

    Args:
        path: The file.
        names: Names of its arrays.
        sources: The known projects.
        family: The family of networks that the names are of, with an article; or empty.
    """

    def __init__(
        self, path: str | Path, names: Sequence[str], sources: Iterable[str], family: str = ""
    ) -> None:
        known = f", but those of {family}" if family else ""
        super().__init__(
            path,
            f"has names of no known project ({', '.join(names[:3])}, ...){known}",
            f"Files of these can be converted: {', '.join(sources)}.",
        )


class NoClassifier(CheckpointError):
    """The file holds a network without its classifier.

    Args:
        path: The file.
        network: The network.
        missing: The name of an array that is missing.
        others: What else is in the file: the first parts of names.
    """

    def __init__(self, path: str | Path, network: str, missing: str, others: Sequence[str]) -> None:
        beside = f"; beside it are {', '.join(others[:4])}" if others else ""
        super().__init__(
            path,
            f"holds a backbone, {network!r} without its classifier ({missing} is missing{beside}), "
            "which answers nothing",
            "Save the network with its classifier, or train one on it in Python: "
            f"create_model({network!r}).load_state_dict(weights, strict=False).",
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


class LayoutError(ShuffleNetError):
    """A set of weights cannot be written in the layout of another project."""

    def __init__(self, network: str, layout: str, reason: str) -> None:
        super().__init__(
            f"{network!r} cannot be written for {layout}: {reason}. "
            "Keep it as .safetensors, or export it as ONNX: shufflenet export --help."
        )
