"""ONNX models as bytes, written without the package ``onnx``: predicting does not need it.

Source: onnx 1.23, onnx.proto3
"""

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet.files.protobuf_writer import chunk, fixed32, integer, integers_packed

__all__ = ["Attribute", "graph_bytes", "node_bytes", "tensor_bytes"]

Attribute: TypeAlias = int | float | list[int]

_IR_VERSION, _OPSET = 8, 17  # what ONNX Runtime of 2022 and later reads
_FLOAT, _TYPES = 1, {"float32": 1, "int64": 7}


def node_bytes(
    op: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Attribute]
) -> bytes:
    """Return a ``NodeProto``."""
    parts = b"".join(chunk(1, name) for name in inputs)
    parts += b"".join(chunk(2, name) for name in outputs) + chunk(4, op)
    return parts + b"".join(chunk(5, _attribute(*each)) for each in attributes.items())


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, list):
        return chunk(1, name) + integers_packed(8, value) + integer(20, 7)
    if isinstance(value, float):
        return chunk(1, name) + fixed32(2, struct.pack("<f", value)) + integer(20, 1)
    return chunk(1, name) + integer(3, value) + integer(20, 2)


def tensor_bytes(name: str, value: npt.NDArray[np.float32] | npt.NDArray[np.int64]) -> bytes:
    """Return a ``TensorProto``."""
    content = value.astype(value.dtype.newbyteorder("<")).tobytes()
    sizes = integers_packed(1, value.shape)
    return sizes + integer(2, _TYPES[value.dtype.name]) + chunk(8, name) + chunk(9, content)


def graph_bytes(
    nodes: Sequence[bytes],
    tensors: Sequence[bytes],
    inputs: Mapping[str, tuple[int, ...]],
    outputs: Mapping[str, tuple[int, ...]],
) -> bytes:
    """Return a ``ModelProto`` of nodes, constants, and inputs and outputs of float32."""
    parts = [chunk(1, node) for node in nodes] + [chunk(2, "program")]
    parts += [chunk(5, tensor) for tensor in tensors]
    parts += [chunk(11, _value(*each)) for each in inputs.items()]
    parts += [chunk(12, _value(*each)) for each in outputs.items()]
    opset = chunk(8, integer(2, _OPSET))
    return integer(1, _IR_VERSION) + chunk(7, b"".join(parts)) + opset


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    sizes = b"".join(chunk(1, integer(1, size)) for size in shape)
    tensor = integer(1, _FLOAT) + chunk(2, sizes)
    return chunk(1, name) + chunk(2, chunk(1, tensor))
