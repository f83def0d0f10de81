"""Exported ONNX files, read as nodes and constants and as layers in float32 or int8."""

from shufflenet.graph._layers import (
    LARGEST_BYTE,
    ChannelSlice,
    Convolution,
    Dequantize,
    Floats,
    Layer,
    Linear,
    MaxPool,
    Mean,
    Network,
    Quantize,
    QuantParams,
    Weights,
    dtype_of,
    only_reader,
    residual_of,
)
from shufflenet.graph._load import load_onnx, parse_onnx
from shufflenet.graph._nodes import Node, OnnxGraph, read_onnx_graph
from shufflenet.graph._program import OPERATIONS, Program, read_program
from shufflenet.graph._read_network import read_network
from shufflenet.graph._separate import separate_weights
from shufflenet.graph._sound import Unsound
from shufflenet.graph._tensors import Array
from shufflenet.graph._weighted_layers import WeightedLayer, weighted_layers

__all__ = [
    "LARGEST_BYTE",
    "OPERATIONS",
    "Array",
    "ChannelSlice",
    "Convolution",
    "Dequantize",
    "Floats",
    "Layer",
    "Linear",
    "MaxPool",
    "Mean",
    "Network",
    "Node",
    "OnnxGraph",
    "Program",
    "QuantParams",
    "Quantize",
    "Unsound",
    "WeightedLayer",
    "Weights",
    "dtype_of",
    "load_onnx",
    "only_reader",
    "parse_onnx",
    "read_network",
    "read_onnx_graph",
    "read_program",
    "residual_of",
    "separate_weights",
    "weighted_layers",
]
