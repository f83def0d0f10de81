"""The container of a checkpoint: a safetensors file, read by a header that is believed in nothing.

Eight bytes are the header's length, little-endian; the header is JSON that maps each tensor's name
to its type, its shape and the place of its bytes after the header, and ``__metadata__`` to texts.

Source: https://github.com/huggingface/safetensors, README.md, Format
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from shufflenet.outside import read_json, typed

__all__ = ["Header", "read_header", "read_tensors"]

_MAX_HEADER_BYTES = 1 << 25
_MAX_AXES = 8
_DTYPES: dict[str, str] = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
}


@dataclass(frozen=True, slots=True)
class _Tensor:
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Header:
    """What a safetensors file says it holds, found to fit its size.

    Attributes:
        metadata: Texts by key.
        tensors: Each array's type, shape and place, by name.
        start: Where the bytes of the first array begin.
    """

    metadata: Mapping[str, str]
    tensors: Mapping[str, _Tensor]
    start: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each array, by name."""
        return {name: tensor.shape for name, tensor in self.tensors.items()}


def read_header(file: BinaryIO) -> Header:
    """Read the header of an open file, and check it against the file's size.

    Raises:
        ValueError: it is no complete safetensors file; the message says why.
        OSError: it cannot be read.
    """
    size = os.fstat(file.fileno()).st_size
    first = file.read(8)
    length = int.from_bytes(first, "little")
    if len(first) < 8 or length > size - 8:
        raise ValueError(f"it ends within its header, after {size} bytes")
    if length > _MAX_HEADER_BYTES:
        raise ValueError(f"its header has {length} bytes")
    value = read_json(file.read(length), "its header", limit_bytes=_MAX_HEADER_BYTES)
    fields = typed(value, dict[str, object], "its header")
    metadata = typed(fields.pop("__metadata__", {}), dict[str, str], "__metadata__")
    tensors = {
        name: typed(each, _Tensor, f"its tensor {name[:80]!r}") for name, each in fields.items()
    }
    _check(tensors, size - 8 - length)
    return Header(metadata, tensors, 8 + length)


def _check(tensors: Mapping[str, _Tensor], data_bytes: int) -> None:
    """Check that tensors lie one after the other, each as long as its shape, to the file's end.

    Raises:
        ValueError: they do not.
    """
    end = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        what = f"its tensor {name[:80]!r}"
        if tensor.dtype not in _DTYPES:
            raise ValueError(f"{what} is of the type {tensor.dtype[:20]!r}")
        if len(tensor.shape) > _MAX_AXES or min(tensor.shape, default=0) < 0:
            raise ValueError(f"{what} has an impossible shape")
        begin, after = tensor.data_offsets
        length = math.prod(tensor.shape) * np.dtype(_DTYPES[tensor.dtype]).itemsize
        if begin != end or after - begin != length:
            raise ValueError(f"{what} is not where its header says, or of another size")
        end = after
    if end != data_bytes:
        raise ValueError(f"it holds {data_bytes} bytes of numbers and describes {end}")


def read_tensors(file: BinaryIO, header: Header) -> dict[str, npt.NDArray[np.generic]]:
    """Read all arrays of an open file, of any shape, in the types it has.

    Raises:
        ValueError: the file became shorter since its header was read.
        OSError: it cannot be read.
    """
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for name, tensor in header.tensors.items():
        array = np.empty(tensor.shape, _DTYPES[tensor.dtype])
        file.seek(header.start + tensor.data_offsets[0])
        content = file.read(array.nbytes)
        if len(content) < array.nbytes:
            raise ValueError("it became shorter while it was read")
        array.ravel()[:] = np.frombuffer(content, array.dtype)
        arrays[name] = array
    return arrays
