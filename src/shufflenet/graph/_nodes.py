"""The nodes, attributes and constants of an ONNX model as plain values."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

__all__ = ["Array", "Node", "OnnxGraph", "read_onnx_graph", "separate_weights"]

Array: TypeAlias = npt.NDArray[Any]

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
_WEIGHTED = ("Conv", "Gemm")
_POOL = {
    "auto_pad": b"NOTSET",
    "ceil_mode": 0,
    "dilations": [1, 1],
    "pads": [0] * 4,
    "strides": [1, 1],
}
# The values that the ONNX standard gives to attributes that a node leaves out.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "AveragePool": {**_POOL, "count_include_pad": 0},
    "Concat": {"axis": 0},
    "Conv": {
        "auto_pad": b"NOTSET",
        "dilations": [1, 1],
        "group": 1,
        "pads": [0] * 4,
        "strides": [1, 1],
    },
    "DequantizeLinear": {"axis": 1, "block_size": 0, "output_dtype": 0},
    "Gather": {"axis": 0},
    "Gemm": {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0},
    "MaxPool": _POOL,
    "QuantizeLinear": {"axis": 1, "block_size": 0, "output_dtype": 0},
    "ReduceMean": {"keepdims": 1, "noop_with_empty_axes": 0},
    "Split": {"axis": 0},
}


@dataclass(frozen=True, slots=True)
class Node:
    """An operation of an ONNX graph.

    Attributes:
        name: Its name, which may be empty.
        op: The type of the operation, such as ``Conv``.
        inputs: The names of the tensors and constants that it reads.
        outputs: The names of the tensors that it writes.
        attributes: The attributes by name; those left out have the default of the standard.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    @property
    def output(self) -> str:
        """The name of the first tensor that it writes."""
        return self.outputs[0]


@dataclass(frozen=True)
class OnnxGraph:
    """The operations of an ONNX model in order, and its constants by name.

    Attributes:
        nodes: The operations.
        constants: The arrays that the file holds.
        inputs: The number of channels of each input, by its name; 0 where the file does not say.
        outputs: The names of the outputs.
    """

    nodes: tuple[Node, ...]
    constants: dict[str, Array]
    inputs: dict[str, int]
    outputs: tuple[str, ...]


def read_onnx_graph(model: onnx.ModelProto) -> OnnxGraph:
    """Return the nodes and constants of a model, which is not changed."""
    graph = model.graph
    return OnnxGraph(
        nodes=tuple(_node(each) for each in graph.node),
        constants={each.name: numpy_helper.to_array(each) for each in graph.initializer},
        inputs={each.name: _channels(each) for each in graph.input},
        outputs=tuple(each.name for each in graph.output),
    )


def separate_weights(model: onnx.ModelProto) -> None:
    """Change a model so that every Conv and Gemm has weights and a bias of its own, in float32.

    It computes the same. Constants in float16 with a Cast are replaced by float32 ones, constants
    that several nodes read (exporters store equal ones once) are copied for each Conv and Gemm, and
    a layer without a bias gets one of zeros. Constants of other kinds, and the nodes of an int8
    file, whose weights pass through a DequantizeLinear, stay as they are.
    """
    _widen_constants(model.graph)
    _copy_shared_constants(model.graph)
    _add_biases(model.graph)


def _node(node: onnx.NodeProto) -> Node:
    attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    return Node(
        name=node.name,
        op=node.op_type,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes=_DEFAULTS.get(node.op_type, {}) | attributes,
    )


def _channels(value: onnx.ValueInfoProto) -> int:
    sizes = value.type.tensor_type.shape.dim
    return int(sizes[1].dim_value) if len(sizes) > 1 else 0


def _widen_constants(graph: onnx.GraphProto) -> None:
    """Replace each float constant that a Cast makes float32 by its values in float32."""
    constants = {each.name: each for each in graph.initializer}
    for node in list(graph.node):
        if node.op_type != "Cast" or node.input[0] not in constants:
            continue
        narrow = constants[node.input[0]]
        target = next(each.i for each in node.attribute if each.name == "to")
        if target != onnx.TensorProto.FLOAT or narrow.data_type not in _FLOATS:
            continue
        array = numpy_helper.to_array(narrow).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        graph.node.remove(node)
        if not any(narrow.name in other.input for other in graph.node):
            graph.initializer.remove(narrow)


def _copy_shared_constants(graph: onnx.GraphProto) -> None:
    """Replace each constant of a Conv or Gemm that other nodes read as well by a copy."""
    constants = {each.name: each for each in graph.initializer}
    readers = Counter(name for node in graph.node for name in node.input)
    for node in graph.node:
        for place, name in enumerate(node.input):
            if node.op_type in _WEIGHTED and name in constants and readers[name] > 1:
                copy = graph.initializer.add()
                copy.CopyFrom(constants[name])
                copy.name = node.input[place] = f"{name}_of_{node.output[0]}"


def _add_biases(graph: onnx.GraphProto) -> None:
    """Add a bias of zeros to each Conv and Gemm that has constant weights and no bias."""
    constants = {each.name: each for each in graph.initializer}
    for node in graph.node:
        lacks_bias = node.op_type in _WEIGHTED and len(node.input) == 2
        if lacks_bias and node.input[1] in constants:
            zeros = np.zeros(constants[node.input[1]].dims[0], np.float32)
            name = f"{node.input[1]}_no_bias"
            graph.initializer.append(numpy_helper.from_array(zeros, name))
            node.input.append(name)
