"""Runtimes: the programs that compute a model's file, one row each."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["RUNTIMES", "Arithmetic", "Runtime"]

Arithmetic: TypeAlias = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A program that computes a model's file.

    Attributes:
        name: The value of ``--runtime`` and of ``open_model(runtime=...)``.
        title: The program's own name, for sentences and charts.
        package: The Python package that it needs.
        extra: The extra of this package that installs it; empty if every installation has it.
        suffixes: The files that it opens.
        precisions: The arithmetic that it offers for float networks; the first is its default.
        module: The module that opens a file with it. Its function
            ``open_file(path, *, threads, precision)`` returns a ``Classifier``; it is imported
            when the first file is opened.
    """

    name: str
    title: str
    package: str
    extra: str
    suffixes: tuple[str, ...]
    precisions: tuple[Arithmetic, ...] = ("float32",)
    module: str


# In the order in which runtimes are listed. The first one that opens a file is the default, and the
# reference that faster ones must agree with.
RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime
    for runtime in (
        Runtime(
            name="onnxruntime",
            title="ONNX Runtime",
            package="onnxruntime",
            extra="",
            suffixes=(".onnx",),
            module="shufflenet.runtimes._onnxruntime",
        ),
        Runtime(
            name="openvino",
            title="OpenVINO",
            package="openvino",
            extra="openvino",
            suffixes=(".onnx", ".xml"),
            precisions=("float32", "bfloat16"),
            module="shufflenet.runtimes._openvino",
        ),
        Runtime(
            name="llvm",
            title="LLVM",
            package="llvmlite",
            extra="llvm",
            suffixes=(".onnx",),
            module="shufflenet.runtimes._llvm",
        ),
        Runtime(
            name="ncnn",
            title="ncnn",
            package="ncnn",
            extra="ncnn",
            suffixes=(".param",),
            module="shufflenet.runtimes._ncnn",
        ),
        Runtime(
            name="compiled",
            title="Compiled file",
            package="numpy",
            extra="",
            suffixes=(".so", ".dylib", ".dll"),
            module="shufflenet.runtimes._compiled",
        ),
        Runtime(
            name="wasmtime",
            title="Wasmtime",
            package="wasmtime",
            extra="wasm",
            suffixes=(".wasm",),
            module="shufflenet.runtimes._wasmtime",
        ),
        Runtime(
            name="litert",
            title="LiteRT",
            package="ai_edge_litert",
            extra="litert",
            suffixes=(".tflite",),
            module="shufflenet.runtimes._litert",
        ),
        Runtime(
            name="torch",
            title="PyTorch",
            package="torch",
            extra="torch",
            suffixes=(".safetensors", ".pt2"),
            module="shufflenet.runtimes.pytorch",
        ),
        Runtime(
            name="coreml-program",
            title="Core ML program",
            package="onnxruntime",
            extra="",
            suffixes=(".mlpackage",),
            module="shufflenet.runtimes._coreml_program",
        ),
        Runtime(
            name="coreml",
            title="Core ML",
            package="coremltools",
            extra="coreml",
            suffixes=(".mlpackage",),
            module="shufflenet.runtimes._coreml",
        ),
        Runtime(
            name="executorch",
            title="ExecuTorch",
            package="executorch",
            extra="executorch",
            suffixes=(".pte",),
            module="shufflenet.runtimes._executorch",
        ),
    )
}
