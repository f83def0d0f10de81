"""Exported ONNX files, read as nodes and constants and as layers in float32 or int8."""

from shufflenet.graph._layers import (
    LARGEST_BYTE,
    ChannelSlice,
    Convolution,
    Floats,
    Layer,
    Linear,
    MaxPool,
    Mean,
    Network,
    QuantParams,
    Weights,
    only_reader,
    residual_of,
)
from shufflenet.graph._nodes import Array, Node, OnnxGraph, read_onnx_graph, separate_weights
from shufflenet.graph._read_network import load_onnx, read_network
from shufflenet.graph._weighted_layers import WeightedLayer, weighted_layers

__all__ = [
    "LARGEST_BYTE",
    "Array",
    "ChannelSlice",
    "Convolution",
    "Floats",
    "Layer",
    "Linear",
    "MaxPool",
    "Mean",
    "Network",
    "Node",
    "OnnxGraph",
    "QuantParams",
    "WeightedLayer",
    "Weights",
    "load_onnx",
    "only_reader",
    "read_network",
    "read_onnx_graph",
    "residual_of",
    "separate_weights",
    "weighted_layers",
]
