"""Constants of an ONNX model rewritten so that every layer has its own, which changes no result."""

from collections import Counter

import numpy as np
import onnx
from onnx import numpy_helper

__all__ = ["separate_weights"]

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
_WEIGHTED = ("Conv", "Gemm")


def separate_weights(model: onnx.ModelProto) -> None:
    """Change a sound model so that every Conv and Gemm has weights and a bias of its own, float32.

    It computes the same. Constants in float16 with a Cast are replaced by float32 ones, constants
    that several nodes read (exporters store equal ones once) are copied for each Conv and Gemm, and
    a layer without a bias gets one of zeros. Constants of other kinds, and the nodes of an int8
    file, whose weights pass through a DequantizeLinear, stay as they are.
    """
    _widen_constants(model.graph)
    _copy_shared_constants(model.graph)
    _add_biases(model.graph)


def _widen_constants(graph: onnx.GraphProto) -> None:
    """Replace each float constant that a Cast makes float32 by its values in float32."""
    constants = {each.name: each for each in graph.initializer}
    readers = Counter(name for node in graph.node for name in node.input)
    readers.update(each.name for each in graph.output)
    kept = []
    for node in graph.node:
        narrow = constants.get(node.input[0]) if node.op_type == "Cast" else None
        target = next((each.i for each in node.attribute if each.name == "to"), 0)
        if narrow is None or target != onnx.TensorProto.FLOAT or narrow.data_type not in _FLOATS:
            kept.append(node)
            continue
        array = numpy_helper.to_array(narrow).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        readers[narrow.name] -= 1
    if len(kept) < len(graph.node):
        unread = {name for name in constants if name in readers and not readers[name]}
        _keep(graph, kept, [each for each in graph.initializer if each.name not in unread])


def _keep(
    graph: onnx.GraphProto, nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]
) -> None:
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)


def _copy_shared_constants(graph: onnx.GraphProto) -> None:
    """Replace each constant of a Conv or Gemm that other nodes read as well by a copy."""
    constants = {each.name: each for each in graph.initializer}
    readers = Counter(name for node in graph.node for name in node.input)
    taken = _names(graph)
    for node in graph.node:
        for place, name in enumerate(node.input):
            if node.op_type in _WEIGHTED and name in constants and readers[name] > 1:
                copy = graph.initializer.add()
                copy.CopyFrom(constants[name])
                copy.name = node.input[place] = _new(f"{name}_of_{node.output[0]}", taken)


def _add_biases(graph: onnx.GraphProto) -> None:
    """Add a bias of zeros to each Conv and Gemm that has constant weights and no bias."""
    constants = {each.name: each for each in graph.initializer}
    taken = _names(graph)
    for node in graph.node:
        lacks_bias = node.op_type in _WEIGHTED and len(node.input) == 2
        if lacks_bias and node.input[1] in constants:
            by_row = node.op_type == "Conv" or any(
                a.name == "transB" and a.i for a in node.attribute
            )
            zeros = np.zeros(constants[node.input[1]].dims[0 if by_row else 1], np.float32)
            name = _new(f"{node.input[1]}_no_bias", taken)
            graph.initializer.append(numpy_helper.from_array(zeros, name))
            node.input.append(name)


def _names(graph: onnx.GraphProto) -> set[str]:
    made = {name for node in graph.node for name in node.output}
    return made | {each.name for each in (*graph.initializer, *graph.input)}


def _new(name: str, taken: set[str]) -> str:
    """Return a name that no tensor has, and note it."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name
