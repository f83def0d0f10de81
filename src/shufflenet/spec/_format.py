"""Formats: the files that a network is exported to, one row each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = [
    "DETECTOR_TOLERANCE",
    "FLOAT16_TOLERANCE",
    "FLOAT32_TOLERANCE",
    "FORMATS",
    "INT8_TOLERANCE",
    "Format",
    "Precision",
]

Precision: TypeAlias = Literal["float32", "float16", "int8"]

# How far two float32 computations of one network may differ, relative to the largest logit. Sums
# in another order differed by 2e-6 over all networks and several image sizes (as in
# tests/test_deploy.py), so ten times as much is a fault.
FLOAT32_TOLERANCE = 2e-5
# Likewise of one int8 network by two runtimes, which round other values halfway between two bytes;
# see INT8_AGREEMENT in runtimes/_int8.py.
INT8_TOLERANCE = 0.1
# Likewise of weights, maps and sums in float16: 4e-4 for networks of V1, V2 and V2+, and ten times
# as much is a fault. Each of 56 layers rounds by up to 2**-11.
FLOAT16_TOLERANCE = 5e-3

# How far two computations of a detector may differ, whatever the numbers are: in scores, 0 to 1,
# and in boxes as shares of the input's longer side. Scores are off by a quarter of what
# logits are, and these reach 15.
DETECTOR_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A kind of file that a network can be exported to.

    Attributes:
        name: What options and errors call it.
        title: The format's own name.
        suffix: How its files' names end; ``export --to`` chooses the format by it.
        package: The Python package that writes or computes it.
        extra: The extra of this package that installs that; empty if every installation has it.
        module: The module that writes it. Its function ``write(program, request)`` returns the
            content of each file by its name; it is imported when the first file is written.
        runtime: The name in ``RUNTIMES`` of what computes a file before it is kept.
        options: The options of ``shufflenet export`` that it takes.
        tolerances: For each precision that it offers the largest difference between the file's
            logits and the network's that is accepted, relative to the largest logit.
        card: Whether the card is in the file, or beside it as ``FILE.json``.
        weights: The suffix of a second file, which holds the weights; empty if there is none.
    """

    name: str
    title: str
    suffix: str
    package: str
    extra: str
    module: str
    runtime: str
    options: tuple[str, ...]
    tolerances: Mapping[Precision, float]
    card: Literal["inside", "beside"] = "inside"
    weights: str = ""


FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format(
            name="onnx",
            title="ONNX",
            suffix=".onnx",
            package="onnx",
            extra="onnx",
            module="shufflenet.export._onnx_file",
            runtime="onnxruntime",
            options=("opset", "batch", "image_px"),
            tolerances={
                "float32": FLOAT32_TOLERANCE,
                "float16": FLOAT16_TOLERANCE,
                "int8": INT8_TOLERANCE,
            },
        ),
        Format(
            name="openvino",
            title="OpenVINO",
            suffix=".xml",
            package="openvino",
            extra="openvino",
            module="shufflenet.export._openvino",
            runtime="openvino",
            weights=".bin",
            options=("batch", "image_px"),
            tolerances={
                "float32": FLOAT32_TOLERANCE,
                "float16": FLOAT16_TOLERANCE,
                "int8": INT8_TOLERANCE,
            },
        ),
        Format(
            name="coreml",
            title="Core ML",
            suffix=".mlpackage",
            package="onnx",
            extra="onnx",
            module="shufflenet.export._coreml",
            runtime="coreml-program",
            options=("image_px",),
            # What rounding to float16 after every layer moves logits by, sums in float32: 9e-4 was
            # seen of 1,000 photos by the model that ships. Weights in 8 bits are read as float16,
            # so that of an int8 network the rounding of values between layers is left out: 5 %.
            tolerances={
                "float16": 1e-2,
                "float32": FLOAT32_TOLERANCE,
                "int8": INT8_TOLERANCE,
            },
        ),
        Format(
            name="ncnn",
            title="ncnn",
            suffix=".param",
            package="ncnn",
            extra="ncnn",
            module="shufflenet.export._ncnn",
            runtime="ncnn",
            weights=".bin",
            options=(),
            tolerances={
                "float32": FLOAT32_TOLERANCE,
                "float16": FLOAT16_TOLERANCE,
                "int8": INT8_TOLERANCE,
            },
            card="beside",
        ),
        Format(
            name="executorch",
            title="ExecuTorch",
            suffix=".pte",
            package="executorch",
            extra="executorch",
            module="shufflenet.export._executorch",
            runtime="executorch",
            options=("batch", "image_px"),
            tolerances={"float32": FLOAT32_TOLERANCE, "int8": INT8_TOLERANCE},
        ),
        Format(
            name="pt2",
            title="torch.export",
            suffix=".pt2",
            package="torch",
            extra="torch",
            module="shufflenet.export._pt2",
            runtime="torch",
            options=("batch", "image_px"),
            tolerances={"float32": FLOAT32_TOLERANCE, "int8": INT8_TOLERANCE},
        ),
        Format(
            name="litert",
            title="LiteRT",
            suffix=".tflite",
            package="ai_edge_litert",
            extra="litert",
            module="shufflenet.export._litert",
            runtime="litert",
            options=("batch", "image_px"),
            tolerances={
                "float32": FLOAT32_TOLERANCE,
                # Of weights alone, rounded by up to 2**-11: 4e-3 was seen, of a published V1.
                "float16": 2e-2,
                "int8": INT8_TOLERANCE,
            },
        ),
    )
}
