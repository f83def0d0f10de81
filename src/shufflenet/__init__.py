"""The home of the ShuffleNet family: tiny, fast image classifiers.

>>> import shufflenet
>>> model = shufflenet.open_model()  # the one that ships in the package
>>> model.card.network.name
'shufflenet_v2_x1_0'

``model.classify(["cat.jpg"])`` gives the five most probable classes of each image. Nothing here
loads torch; the networks themselves are in ``shufflenet.models``.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from shufflenet.runtimes import Classifier, Model

__all__ = ["__version__", "open_model"]

__version__ = "0.1.0"


def open_model(
    name: str | Path = "default",
    *,
    runtime: Literal["auto", "onnxruntime", "openvino", "llvm", "torch"] = "auto",
    threads: int | None = None,
    precision: Literal["float32", "bfloat16"] = "float32",
) -> "Model":
    """Open a classifier by name or file.

    Args:
        name: ``default``, another name of ``shufflenet list``, or a ``.onnx`` or ``.safetensors``
            file that this package wrote. Published weights are downloaded, converted and exported
            as ONNX when they are first named, and kept (``SHUFFLENET_HOME``).
        runtime: What computes. ``auto`` is ONNX Runtime, or OpenVINO or LLVM where it is installed
            and was found faster for this file on this machine (``runtimes.open_fastest``); torch
            for a ``.safetensors`` file.
        threads: How many threads compute a batch; one a core, unless given. 1 suits many images
            best: ``classify`` works on as many batches at once as there are cores.
        precision: Of the sums of a float network. ``bfloat16`` is OpenVINO's, where the processor
            has it: faster, and logits move by about a tenth.

    Raises:
        SpecError: there is no such runtime, or no such precision in it on this processor.
        UnknownName: it is neither a file nor a checkpoint's name.
        NoWeights: it is a network's name.
        CheckpointError: the file is damaged or not one of ours.
        DownloadError: published weights cannot be had.
        MissingDependency: the runtime is not installed.
    """
    from shufflenet.errors import CheckpointError, MissingDependency, SpecError
    from shufflenet.runtimes import Model
    from shufflenet.zoo import find_weights

    runtimes = ("auto", "onnxruntime", "openvino", "llvm", "torch")
    if runtime not in runtimes:
        raise SpecError("runtime", runtime, ", ".join(f"'{known}'" for known in runtimes))
    if precision not in ("float32", "bfloat16"):
        raise SpecError("precision", precision, "'float32' or 'bfloat16'")
    if precision == "bfloat16" and runtime == "auto":
        runtime = "openvino"
    if precision == "bfloat16" and runtime != "openvino":
        raise SpecError("precision", precision, f"'float32' with {runtime}")
    files = find_weights(name)
    if files.published:
        from shufflenet.hub import obtain

        files = obtain(name, as_checkpoint=runtime == "torch")
        if files.onnx is None and runtime != "torch":
            from shufflenet.export import export_kept

            files = export_kept(files)
    if runtime not in ("auto", "torch") or (runtime == "auto" and files.onnx):
        if files.onnx is None:
            remedy = f"Export it first: shufflenet export {name} --to model.onnx."
            raise CheckpointError(name, "is no ONNX file", remedy)
        return Model(_opened(files.onnx, runtime, threads, precision))
    if files.checkpoint is None:
        raise CheckpointError(name, "is no checkpoint that torch can load", "Use its .safetensors.")
    try:
        from shufflenet.runtimes._torch import open_torch
    except ModuleNotFoundError as error:
        raise MissingDependency("The torch runtime", error.name or "torch", "torch") from error
    return Model(open_torch(files.checkpoint, threads=threads))


def _opened(
    onnx: Path, runtime: str, threads: int | None, precision: Literal["float32", "bfloat16"]
) -> "Classifier":
    from shufflenet.runtimes import LlvmClassifier, OnnxClassifier, OpenVinoClassifier, open_fastest

    if runtime == "openvino":
        return OpenVinoClassifier(onnx, threads=threads, precision=precision)
    if runtime == "onnxruntime":
        return OnnxClassifier(onnx, threads=threads)
    if runtime == "llvm":
        return LlvmClassifier(onnx, threads=threads)
    return open_fastest(onnx, threads=threads)
