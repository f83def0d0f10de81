"""Reading the weights of an ONNX file: its initializers, and constants that its nodes make."""

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from shufflenet.convert._pickled_values import Stored
from shufflenet.errors import ExternalWeights, Int8Source, NeedsCheckpoint
from shufflenet.spec import CARD_KEY

if TYPE_CHECKING:
    import onnx

__all__ = ["read_onnx"]

_INT8 = frozenset(("QLinearConv", "QuantizeLinear", "ConvInteger"))
_MAX_CONSTANT = 1 << 26  # numbers that one node may make: the largest weight has 2 ** 23


def read_onnx(path: Path) -> tuple["onnx.ModelProto", dict[str, object]]:
    """Read an ONNX file.

    Returns:
        The file, and its arrays of floats by name, among them those that ``ConstantOfShape`` makes,
        as in the files that the package ``onnx`` carries for its own tests; these take no memory.

    Raises:
        ExternalWeights: it stores its weights in another file.
        Int8Source: it computes in int8.
        NeedsCheckpoint: this package exported it, from a checkpoint.
        ValueError: it is damaged; other errors of ``onnx`` mean the same.
    """
    import onnx  # noqa: PLC0415  # only here, and it is slow to import
    from google.protobuf.message import DecodeError  # noqa: PLC0415  # likewise

    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except DecodeError as error:
        raise ValueError(str(error)) from error
    if any(entry.key == CARD_KEY for entry in model.metadata_props):
        raise NeedsCheckpoint(path)
    if any(node.op_type in _INT8 for node in model.graph.node):
        raise Int8Source(path)
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise ExternalWeights(path)
        arrays[tensor.name] = onnx.numpy_helper.to_array(tensor)
    for node in model.graph.node:
        if node.op_type == "Identity" and node.input and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]  # torch writes equal arrays once
        if node.op_type == "ConstantOfShape" and node.input and node.input[0] in arrays:
            arrays[node.output[0]] = _constant(node, arrays[node.input[0]])
    return model, {
        name: Stored(partial(_read, array))
        for name, array in arrays.items()
        if np.issubdtype(array.dtype, np.floating)  # and not the shapes and axes of its nodes
    }


def _read(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return array


def _constant(node: "onnx.NodeProto", shape: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Return a view, ``(*shape,)``, of the one number that a node repeats.

    Raises:
        ValueError: the shape is none of an array of weights.
    """
    import onnx  # noqa: PLC0415  # as above

    sizes = [int(size) for size in shape.ravel()[:9]]
    if len(sizes) > 8 or min(sizes, default=0) < 0 or math.prod(sizes) > _MAX_CONSTANT:
        raise ValueError("a node makes an array of an impossible shape")
    values = [a.t for a in node.attribute if a.name == "value"]
    number = onnx.numpy_helper.to_array(values[0]).ravel() if values else np.zeros(1, np.float32)
    return np.broadcast_to(number[0], sizes)
