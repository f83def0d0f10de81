"""Errors of the runtimes: opening a file, computing it, and the proof in it."""

from collections.abc import Iterable
from pathlib import Path

from shufflenet.errors._base import first_line
from shufflenet.errors._model_files import CheckpointError

__all__ = [
    "ChangedExport",
    "ChangedInt8",
    "ComputationFailed",
    "DamagedCheck",
    "LogitsNotNumbers",
    "ModelZooFile",
    "NeedsCheckpoint",
    "NeedsOnnx",
    "NeedsSuffix",
    "NoProof",
    "NoRuntimeOpens",
    "NotCompiledNetwork",
    "NotLoadable",
    "NotRunnable",
    "NotVerifiable",
    "OtherInt8Logits",
    "OtherOutput",
    "UnsupportedByRuntime",
]

_OTHER_RUNTIME = "Use --runtime onnxruntime."


# --- opening a file ---


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
