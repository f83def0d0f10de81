"""The file ``weight.bin`` of a Core ML package: large constants, each aligned to 64 bytes.

It begins with their number and a version. Each constant has 64 bytes that describe it (a mark, its
type, its size, the place of its bytes), then its bytes.

Source: coremltools 9.0, mlmodel/src/MILBlob/Blob/StorageFormat.hpp
"""

import math
import struct

import numpy as np
import numpy.typing as npt

from shufflenet.files.mlpackage._values import TensorType

__all__ = ["BlobReader", "BlobWriter"]

_ALIGNMENT, _MARK, _VERSION = 64, 0xDEADBEEF, 2
_HEADER, _BLOB = struct.Struct("<II56x"), struct.Struct("<IIQQQ32x")
_TYPES = {"float16": 1, "float32": 2, "uint8": 3, "int8": 4}


class BlobWriter:
    """Gathers constants and makes the file."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = _HEADER.size

    @staticmethod
    def holds(value: npt.NDArray[np.generic]) -> bool:
        """Return whether a constant belongs into this file: others stand in the program.

        Source: coremltools 9.0, converters/mil/backend/mil/load.py, ``should_use_weight_file``
        """
        return value.size >= 10 and value.dtype.name in _TYPES

    def add(self, value: npt.NDArray[np.generic]) -> int:
        """Add a constant, and return the place of its description."""
        place, content = self._size, value.astype(value.dtype.newbyteorder("<")).tobytes()
        kind, start = _TYPES[value.dtype.name], place + _BLOB.size
        padding = bytes(-len(content) % _ALIGNMENT)
        self._parts += [_BLOB.pack(_MARK, kind, len(content), start, 0), content, padding]
        self._size = start + len(content) + len(padding)
        return place

    def content(self) -> bytes:
        """Return the bytes of the file."""
        return _HEADER.pack(len(self._parts) // 3, _VERSION) + b"".join(self._parts)


class BlobReader:
    """Reads constants of a file that a stranger may have written."""

    def __init__(self, content: bytes) -> None:
        """Read the header.

        Raises:
            ValueError: the file is too short, or of another version.
        """
        if len(content) < _HEADER.size or _HEADER.unpack_from(content)[1] != _VERSION:
            raise ValueError("its weights do not begin as those of Core ML do")
        self._content = content

    def read(self, place: int, kind: TensorType) -> npt.NDArray[np.generic]:
        """Return the constant that is described at a place.

        Raises:
            ValueError: none of that type and shape is there, or not all of its bytes.
        """
        if not 0 <= place <= len(self._content) - _BLOB.size:
            raise ValueError(f"its weights end before byte {place}")
        mark, number, size, start, _ = _BLOB.unpack_from(self._content, place)
        count = math.prod(kind.shape)
        if mark != _MARK or number != _TYPES.get(kind.dtype):
            raise ValueError(f"its weights have no {kind.dtype} at byte {place}")
        dtype = np.dtype(kind.dtype).newbyteorder("<")
        if size != count * dtype.itemsize or start > len(self._content) - size:
            raise ValueError(f"its weights at byte {place} are of another size than it says")
        array = np.frombuffer(self._content, dtype, count, start)
        return array.reshape(kind.shape).astype(kind.dtype)
