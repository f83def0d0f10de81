"""A float ONNX model as layers, their weights in float64, and the channels of its tensors."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from shufflenet.errors import AlreadyInt8, NumbersTooFarApart, WeightsNotFinite
from shufflenet.graph import (
    WeightedLayer,
    read_onnx_graph,
    separate_weights,
    weighted_layers,
)
from shufflenet.quantize._channels import Channels, follow_channels

__all__ = ["FloatGraph", "Floats", "read_float_graph", "to_model"]

Floats: TypeAlias = npt.NDArray[np.float64]

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class FloatGraph:
    """A float model whose weights may be changed.

    Attributes:
        model: The model as it was read.
        layers: Its convolutions and linear layers.
        weights: The weights ``(out, in / groups, kh, kw)`` and biases ``(out,)`` of the layers in
            float64, by name; they replace those of the model.
        channels: The numbers of the channels of its tensors.
        source: The name of its file, for errors.
    """

    model: onnx.ModelProto
    layers: tuple[WeightedLayer, ...]
    weights: Mapping[str, Floats]
    channels: Channels
    source: str

    @property
    def input(self) -> str:
        """The name of the tensor that holds the images."""
        return str(self.model.graph.input[0].name)

    @property
    def decoding(self) -> frozenset[str]:
        """The names of the nodes after the last layers, which make boxes of what these compute."""
        return frozenset(_after_all(self.model.graph.node, self.layers))

    def columns(self, layer: WeightedLayer) -> npt.NDArray[np.int64]:
        """Return the numbers of the channels that weights multiply, ``(out, in / groups)``."""
        out, per_group = self.weights[layer.weight].shape[:2]
        inputs = self.channels.of[layer.input].reshape(layer.groups, per_group)
        return inputs.repeat(out // layer.groups, axis=0)

    def with_weights(self, weights: Mapping[str, Floats]) -> "FloatGraph":
        """Return the graph with some weights and biases replaced, each of the same shape."""
        return replace(self, weights={**self.weights, **weights})


def read_float_graph(model: onnx.ModelProto, path: str | Path) -> FloatGraph:
    """Read an exported model.

    Args:
        model: The model, which is changed: see :func:`separate_weights`.
        path: The name of its file, for errors.

    Raises:
        AlreadyInt8: the model is quantized already.
        WeightsNotFinite: a constant holds infinities or NaN.
    """
    if any("Quantize" in node.op_type or "QLinear" in node.op_type for node in model.graph.node):
        raise AlreadyInt8(path)
    separate_weights(model)
    for number, node in enumerate(model.graph.node):  # nodes are selected by name later
        node.name = node.name or f"node_{number}"
    graph = read_onnx_graph(model)
    for name, array in graph.constants.items():
        if array.dtype == np.float32 and not np.isfinite(array).all():
            raise WeightsNotFinite(path, name)
    layers = weighted_layers(graph)
    weights: dict[str, Floats] = {}
    for layer in layers:
        array = graph.constants[layer.weight].astype(np.float64)
        weights[layer.weight] = array.reshape(array.shape + (1,) * (4 - array.ndim))
        weights[layer.bias] = graph.constants[layer.bias].astype(np.float64)
    return FloatGraph(model, layers, weights, follow_channels(graph, layers), str(path))


def to_model(graph: FloatGraph) -> onnx.ModelProto:
    """Return a copy of the graph's model that holds the graph's weights in float32.

    Raises:
        NumbersTooFarApart: float32 does not hold a weight or a bias.
    """
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    for constant in model.graph.initializer:
        if constant.name in graph.weights:
            array = graph.weights[constant.name]
            if not (np.abs(array) <= _LARGEST).all():
                raise NumbersTooFarApart(graph.source, constant.name)
            array32 = array.astype(np.float32).reshape(constant.dims)
            constant.CopyFrom(numpy_helper.from_array(array32, constant.name))
    return model


def _after_all(nodes: Sequence[onnx.NodeProto], layers: Sequence[WeightedLayer]) -> Iterator[str]:
    """Yield the names of the nodes, in their order, that read what the last layers compute."""
    read = {layer.input for layer in layers}
    for node in reversed(nodes):
        if not read.isdisjoint(node.output):
            read.update(node.input)
    last = {layer.output for layer in layers} - read
    for node in nodes:
        if not last.isdisjoint(node.input):
            last.update(node.output)
            yield node.name
