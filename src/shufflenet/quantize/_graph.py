"""A float ONNX file as layers with weights, and which channel of which tensor is which."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from shufflenet.errors import CheckpointError

__all__ = ["Channels", "Graph", "Layer", "as_model", "read_graph"]

Floats = npt.NDArray[np.float64]
_PASSED_ON = ("Concat", "ReduceMean", "GlobalAveragePool", "Flatten")
_REMEDY = "Export a float network: shufflenet export --help."


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution, or the classifier as one of 1x1.

    Attributes:
        nodes: The names of its nodes in the graph: itself and the ReLU after it.
        reads: The tensor it reads.
        makes: The tensor that is left of it, after the ReLU.
        weight: The name of its weights, ``(out, in / groups, kh, kw)``.
        bias: The name of its bias, ``(out,)``.
        pads: Rows above, columns left, rows below, columns right.
    """

    nodes: tuple[str, ...]
    reads: str
    makes: str
    weight: str
    bias: str
    groups: int = 1
    pads: tuple[int, ...] = (0, 0, 0, 0)
    strides: tuple[int, ...] = (1, 1)


@dataclass(frozen=True)
class Channels:
    """Every channel that a layer makes has a number, which it keeps where it is only passed on.

    Attributes:
        of: The numbers of each tensor's channels, by the tensor's name.
        scalable: ``(channels,)``, whether all that reads a channel can take it times a factor, and
            give it back: layers can, and so can ReLU, pooling, Split and Concat between them.
        shiftable: ``(channels,)``, whether all that reads it can take it plus a constant: layers
            that pad nothing can, and nothing that has a zero of its own.
    """

    of: dict[str, npt.NDArray[np.int64]]
    scalable: npt.NDArray[np.bool_]
    shiftable: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Graph:
    """A float model; ``weights`` are those of its layers, in float64, and stand for the model's."""

    model: onnx.ModelProto
    layers: tuple[Layer, ...]
    weights: dict[str, Floats]
    channels: Channels

    @property
    def input(self) -> str:
        """The name of the tensor that images come in as."""
        return str(self.model.graph.input[0].name)

    def columns(self, layer: Layer) -> npt.NDArray[np.int64]:
        """Give the number of the channel that each weight is multiplied with, ``(out, in/g)``."""
        out, taken = self.weights[layer.weight].shape[:2]
        read = self.channels.of[layer.reads].reshape(layer.groups, taken)
        return read.repeat(out // layer.groups, axis=0)

    def with_weights(self, weights: dict[str, Floats]) -> "Graph":
        """Give the same graph with other weights in place of those named."""
        return replace(self, weights=self.weights | weights)


def read_graph(content: bytes, path: str | Path) -> Graph:
    """Read an exported file.

    Args:
        content: What is in the file.
        path: Its name, for errors.

    Raises:
        CheckpointError: the file is quantised already, or holds weights that are no numbers.
    """
    model = onnx.load_from_string(content)
    if any("Quantize" in node.op_type or "QLinear" in node.op_type for node in model.graph.node):
        raise CheckpointError(path, "is in int8 already", _REMEDY)
    _widen(model)
    _share_nothing(model)
    _add_biases(model)
    constants = {x.name: numpy_helper.to_array(x) for x in model.graph.initializer}
    if not all(np.isfinite(x).all() for x in constants.values() if x.dtype == np.float32):
        raise CheckpointError(path, "holds weights that are no numbers", "Train or export it anew.")
    for number, node in enumerate(model.graph.node):  # a name is how one is chosen later
        node.name = node.name or f"node_{number}"
    layers = _layers(model, constants)
    weights = {}
    for layer in layers:
        array = constants[layer.weight].astype(np.float64)
        weights[layer.weight] = array.reshape(array.shape + (1,) * (4 - array.ndim))
        weights[layer.bias] = constants[layer.bias].astype(np.float64)
    return Graph(model, layers, weights, _follow(model, constants, layers))


def as_model(graph: Graph) -> onnx.ModelProto:
    """Write a graph's weights into a copy of its model."""
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    for constant in model.graph.initializer:
        if constant.name in graph.weights:
            array = graph.weights[constant.name].astype(np.float32).reshape(constant.dims)
            constant.CopyFrom(numpy_helper.from_array(array, constant.name))
    return model


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Read the attributes of a node."""
    return {x.name: helper.get_attribute_value(x) for x in node.attribute}


def _widen(model: onnx.ModelProto) -> None:
    """Put float32 weights in place of float16 ones with a Cast."""
    constants = {x.name: x for x in model.graph.initializer}
    for node in [x for x in model.graph.node if x.op_type == "Cast" and x.input[0] in constants]:
        narrow = constants[node.input[0]]
        array = numpy_helper.to_array(narrow).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        model.graph.initializer.remove(narrow)
        model.graph.node.remove(node)


def _share_nothing(model: onnx.ModelProto) -> None:
    """Give every layer weights and a bias of its own, for exporters keep equal ones once."""
    constants = {x.name: x for x in model.graph.initializer}
    readers = Counter(name for node in model.graph.node for name in node.input)
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if node.op_type in ("Conv", "Gemm") and name in constants and readers[name] > 1:
                own = model.graph.initializer.add()
                own.CopyFrom(constants[name])
                own.name = node.input[place] = f"{name}_of_{node.output[0]}"


def _add_biases(model: onnx.ModelProto) -> None:
    """Give every layer a bias, of zeros where it has none, for rounding to make up by."""
    constants = {x.name: x for x in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm") and len(node.input) == 2 and node.input[1] in constants:
            zeros = np.zeros(constants[node.input[1]].dims[0], np.float32)
            name = f"{node.input[1]}_no_bias"
            model.graph.initializer.append(numpy_helper.from_array(zeros, name))
            node.input.append(name)


def _layers(model: onnx.ModelProto, constants: dict[str, npt.NDArray[Any]]) -> tuple[Layer, ...]:
    relus = {node.input[0]: node for node in model.graph.node if node.op_type == "Relu"}
    layers = []
    for node in model.graph.node:
        known = len(node.input) == 3 and {node.input[1], node.input[2]} <= constants.keys()
        has = attributes(node)
        if not known or not (node.op_type == "Conv" or (node.op_type == "Gemm" and has["transB"])):
            continue
        relu = relus.get(node.output[0])
        layers.append(
            Layer(
                nodes=(node.name, relu.name) if relu else (node.name,),
                reads=node.input[0],
                makes=relu.output[0] if relu else node.output[0],
                weight=node.input[1],
                bias=node.input[2],
                groups=has.get("group", 1),
                pads=tuple(has.get("pads", (0, 0, 0, 0))),
                strides=tuple(has.get("strides", (1, 1))),
            )
        )
    return tuple(layers)


def _follow(
    model: onnx.ModelProto, constants: dict[str, npt.NDArray[Any]], layers: tuple[Layer, ...]
) -> Channels:
    """Number the channels and follow them through the graph."""
    of: dict[str, npt.NDArray[np.int64]] = {}
    rigid, fixed = set[int](), set[int]()  # channels that may not be scaled, and not be shifted
    by_node = {layer.nodes[0]: layer for layer in layers}
    count = 0

    def number(tensor: str, channels: int) -> None:
        nonlocal count
        of[tensor] = np.arange(count, count + channels)
        count += channels

    first = by_node[next(node.name for node in model.graph.node if node.name in by_node)]
    number(model.graph.input[0].name, constants[first.weight].shape[1])
    rigid.update(of[model.graph.input[0].name].tolist())
    for node in model.graph.node:
        layer = by_node.get(node.name)
        taken = constants[layer.weight].shape[1] * layer.groups if layer else 0
        if layer and len(of.get(layer.reads, ())) != taken:  # something else made or reshaped it
            rigid.update(of.get(layer.reads, np.arange(0)).tolist())
            number(layer.reads, taken)
            rigid.update(of[layer.reads].tolist())
        read = [of[name] for name in node.input if name in of]
        everything = np.concatenate(read) if read else np.arange(0)
        if layer:
            number(node.output[0], len(constants[layer.weight]))
            fixed.update(everything.tolist() if any(layer.pads) else ())
        elif node.input and node.input[0] not in of:
            rigid.update(everything.tolist())
        elif node.op_type in ("Relu", "MaxPool", "AveragePool"):
            of[node.output[0]] = everything
            fixed.update(everything.tolist())
        elif node.op_type in _PASSED_ON and all(x in of or x in constants for x in node.input):
            of[node.output[0]] = everything
        elif node.op_type == "Split" and len(node.input) == 2:
            ends = np.cumsum(constants[node.input[1]])[:-1]
            of.update(zip(node.output, np.split(everything, ends), strict=True))
        else:
            rigid.update(everything.tolist())
    for output in model.graph.output:
        rigid.update(of[output.name].tolist() if output.name in of else ())
    scalable = ~np.isin(np.arange(count), list(rigid))
    return Channels(of, scalable, scalable & ~np.isin(np.arange(count), list(fixed)))
