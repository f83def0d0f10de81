"""The constants of an ONNX file as arrays, once their bytes are known to be exactly theirs."""

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper

from shufflenet.graph._sound import Unsound

__all__ = ["Array", "read_tensor"]

Array: TypeAlias = npt.NDArray[Any]

_MOST_DIMENSIONS = 8
# The types that are read, and the field that holds their numbers where they are not raw bytes.
# Source: onnx.proto3 of onnx 1.23, TensorProto
_FIELDS: dict[int, tuple[np.dtype[Any], str]] = {
    TensorProto.BOOL: (np.dtype(np.bool_), "int32_data"),
    TensorProto.DOUBLE: (np.dtype(np.float64), "double_data"),
    TensorProto.FLOAT: (np.dtype(np.float32), "float_data"),
    TensorProto.FLOAT16: (np.dtype(np.float16), "int32_data"),  # its bits
    TensorProto.INT32: (np.dtype(np.int32), "int32_data"),
    TensorProto.INT64: (np.dtype(np.int64), "int64_data"),
    TensorProto.INT8: (np.dtype(np.int8), "int32_data"),
    TensorProto.UINT8: (np.dtype(np.uint8), "int32_data"),
}
_TYPED = sorted({field for _, field in _FIELDS.values()} | {"uint64_data", "string_data"})


def read_tensor(tensor: onnx.TensorProto) -> Array:
    """Read a tensor, of any shape without a 0, that the file holds itself.

    Raises:
        Unsound: it is in another file, empty, of another type than numbers of 8 to 64 bits, or
            holds more or fewer numbers than its shape has.
    """
    name = tensor.name[:80]
    if tensor.data_location != TensorProto.DEFAULT or tensor.external_data:
        raise Unsound(f"stores the constant {name!r} in another file")
    if tensor.data_type not in _FIELDS:
        raise Unsound(f"has a constant, {name!r}, of a type that is not read")
    dtype, field = _FIELDS[tensor.data_type]
    shape = tuple(int(size) for size in tensor.dims)
    if len(shape) > _MOST_DIMENSIONS or min(shape, default=1) < 1:
        raise Unsound(f"has a constant, {name!r}, of the shape {shape[:_MOST_DIMENSIONS]}")
    wanted = {"raw_data": math.prod(shape) * dtype.itemsize, field: math.prod(shape)}
    held = {each: len(getattr(tensor, each)) for each in ("raw_data", *_TYPED)}
    filled = [each for each, length in held.items() if length]
    if tensor.HasField("raw_data") and filled != ["raw_data"]:
        filled = []
    if len(filled) != 1 or held[filled[0]] != wanted.get(filled[0]):
        raise Unsound(f"does not hold the numbers of the constant {name!r} that its shape has")
    if filled == ["int32_data"]:
        _check_range(tensor, dtype)
    return np.asarray(numpy_helper.to_array(tensor))


def _check_range(tensor: onnx.TensorProto, dtype: np.dtype[Any]) -> None:
    """Check that numbers stored in 32 bits are ones of a shorter type.

    Raises:
        Unsound: one would be cut.
    """
    numbers = np.array(tensor.int32_data, np.int64)
    if dtype.kind == "i" or dtype == np.uint8:
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    else:
        low, high = 0, 1 if dtype == np.bool_ else (1 << 16) - 1
    if int(numbers.min()) < low or int(numbers.max()) > high:
        raise Unsound(f"has a number in {tensor.name[:80]!r} that its type cannot hold")
