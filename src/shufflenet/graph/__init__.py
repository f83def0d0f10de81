"""An exported ONNX file as layers, in float32 or int8."""

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
from shufflenet.graph._read import read_network

__all__ = [
    "LARGEST_BYTE",
    "ChannelSlice",
    "Convolution",
    "Floats",
    "Layer",
    "Linear",
    "MaxPool",
    "Mean",
    "Network",
    "QuantParams",
    "Weights",
    "only_reader",
    "read_network",
    "residual_of",
]
