"""Verifying that a network computes what the ONNX file that it was made from computes."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch

from shufflenet.convert._read import Arrays
from shufflenet.errors import NotComputable, OtherOutputShape, ParityError
from shufflenet.networks import build
from shufflenet.spec import FLOAT32_TOLERANCE, NetworkSpec

__all__ = ["onnx_difference"]

_OLDEST_OPSET = 7  # the oldest that ONNX Runtime supports
_MAX_IMAGES, _MAX_PX = 128, 512  # that a file may take at a time, so that it can be verified
_MAX_NUMBERS = 1 << 28  # that one of its nodes may make
_OPERATORS = {
    "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant",
    "ConstantOfShape", "Conv", "Div", "Dropout", "Flatten", "Gather", "Gemm", "GlobalAveragePool",
    "HardSigmoid", "HardSwish", "Identity", "MatMul", "MaxPool", "Mul", "ReduceMean", "Relu",
    "Reshape", "Shape", "Sigmoid", "Slice", "Softmax", "Split", "Squeeze", "Sub", "Sum",
    "Transpose", "Unsqueeze",
}  # fmt: skip


def onnx_difference(path: Path, model: onnx.ModelProto, arrays: Arrays, spec: NetworkSpec) -> float:
    """Compare the logits of a file and of the network made from it, for one random image.

    A file that takes a fixed number of images, or a fixed size, is given those.

    Files with operators that no ShuffleNet needs are not run. Files of opsets that ONNX Runtime no
    longer supports are first upgraded by ONNX's own converter. If a file ends in a softmax, the
    values before it are compared.

    Args:
        path: The ONNX file's name in errors.
        model: The file; it is changed.
        arrays: The network's arrays by name, in the shapes of its state.
        spec: The network.

    Returns:
        The max abs difference of the logits, a scalar.

    Raises:
        NotComputable: the file cannot be run.
        OtherOutputShape: the file's output has another shape than the network's.
        ParityError: the difference is larger than rounding explains.
    """
    try:
        shape = _images_shape(model.graph, spec.in_channels)
        images = np.random.default_rng(0).standard_normal(shape, np.float32)
        theirs = _run(model, images)
    except Exception as error:  # onnx and ONNX Runtime raise dozens of their own
        raise NotComputable(path, error) from error
    with torch.inference_mode():
        ours = _load(arrays, spec)(torch.from_numpy(images)).numpy()
    if ours.shape != theirs.shape:
        raise OtherOutputShape(path, theirs.shape, ours.shape)
    difference, largest = float(np.abs(ours - theirs).max()), float(np.abs(theirs).max())
    allowed = FLOAT32_TOLERANCE * max(largest, 1.0)
    if not difference <= allowed:  # written this way, NaN is refused too
        raise ParityError("The network made from the file", difference, allowed)
    return difference


def _images_shape(graph: onnx.GraphProto, channels: int) -> tuple[int, int, int, int]:
    """Return the shape of the images that a graph takes: its own sizes, or 1 image of 224 px.

    Raises:
        ValueError: it takes other than some images of so many channels.
    """
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [each for each in graph.input if each.name not in weights]
    if len(inputs) != 1:
        raise ValueError(f"it has {len(inputs)} inputs, not one")
    stated = [axis.dim_value for axis in inputs[0].type.tensor_type.shape.dim] or [0] * 4
    usual = (1, channels, 224, 224)
    shape = [size or own for size, own in zip(stated, usual, strict=False)]
    images, own_channels, height, width = (*shape, 0, 0, 0, 0)[:4]
    fits = len(stated) == 4 and own_channels == channels and 0 < images <= _MAX_IMAGES
    if not (fits and 0 < height <= _MAX_PX and 0 < width <= _MAX_PX):
        raise ValueError(f"its input has the shape {tuple(stated)}")
    return images, channels, height, width


def _run(model: onnx.ModelProto, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Run a file on images, ``(n, c, h, w)``, and return its logits, ``(n, classes)``.

    Raises:
        ValueError: it has operators that no ShuffleNet needs, or several inputs or outputs.
    """
    if unexpected := {node.op_type for node in model.graph.node} - _OPERATORS:
        raise ValueError(f"no ShuffleNet needs {', '.join(sorted(unexpected))}")
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    for newer in (6, _OLDEST_OPSET):  # ONNX's converter needs these two steps
        if opset < newer:
            model = onnx.version_converter.convert_version(model, newer)
    _end_before_softmax(model.graph)
    _check_sizes(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # only what ends the process; errors are raised
    session = onnxruntime.InferenceSession(
        model.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        enable_fallback=0,  # which prints
    )
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(f"it has {len(inputs)} inputs and {len(outputs)} outputs, not one of each")
    logits: npt.NDArray[np.float32] = session.run(None, {inputs[0].name: images})[0]
    return logits


def _check_sizes(model: onnx.ModelProto) -> None:
    """Check the sizes that the operators' definitions give for what nodes make.

    Raises:
        ValueError: one is larger than any network needs.
    """
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        sizes = [axis.dim_value or 1 for axis in value.type.tensor_type.shape.dim]
        if math.prod(sizes) > _MAX_NUMBERS:
            raise ValueError(f"{value.name[:40]!r} would be of {math.prod(sizes):,} numbers")


def _end_before_softmax(graph: onnx.GraphProto) -> None:
    last = graph.node[-1]
    if last.op_type == "Softmax":
        graph.output[0].name = last.input[0]
        graph.node.pop()


def _load(arrays: Arrays, spec: NetworkSpec) -> torch.nn.Module:
    net = build(spec).eval()
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    net.load_state_dict(tensors, strict=False)  # only num_batches_tracked may be absent
    return net
