"""What an ONNX file says about itself, read without ``onnx`` and without a session.

An ONNX file is one protobuf message, ``ModelProto``. Its metadata are the entries of field 14,
each a message of a key and a value; its graph is field 7. Every other field is skipped by its
length, so that a file of any size costs a few reads.

Source: onnx.proto3 of onnx 1.23 (``ModelProto``, ``StringStringEntryProto``, ``GraphProto``,
``ValueInfoProto``, ``TypeProto``, ``TensorShapeProto``)
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from shufflenet.errors import DamagedOnnx
from shufflenet.files._model_file import open_model
from shufflenet.files._protobuf_reader import Field, contents, fields, number_in, only
from shufflenet.outside import check_kind
from shufflenet.spec import MAX_CARD_BYTES

__all__ = ["OnnxFile", "Shape", "hash_onnx_graph", "read_onnx_file"]

Shape: TypeAlias = tuple[int | None, ...]
"""The sizes of a tensor's axes; None for those that may vary."""

_GRAPH, _METADATA = 7, 14  # of ModelProto
_KEY, _VALUE = 1, 2  # of StringStringEntryProto
_INITIALIZER, _INPUT, _OUTPUT = 5, 11, 12  # of GraphProto
_TENSOR_NAME = 8  # of TensorProto
_NAME, _TYPE = 1, 2  # of ValueInfoProto
_TENSOR, _SHAPE, _AXIS, _SIZE = 1, 2, 1, 1  # of TypeProto and what is in it
_MAX_BYTES = (1 << 31) - 1  # of a protobuf message
_MAX_NAME_BYTES, _MAX_AXES = 1 << 16, 16
_BLOCK = 1 << 18  # bytes that are read at a time: they fit the cache of a core


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """What an ONNX file says about itself.

    Attributes:
        metadata: Texts by key.
        input: The shape of the first input that is no weight; None if it is not stated.
        output: The shape of the first output; None if it is not stated.
    """

    metadata: Mapping[str, str]
    input: Shape | None
    output: Shape | None


def read_onnx_file(path: str | Path) -> OnnxFile:
    """Read the metadata of an ONNX file, and the shapes of its input and its output.

    Raises:
        FileMissing: there is no such file.
        NotAFile: it is a folder, a pipe or a device.
        FileUnreadable: reading the file fails, as for lack of permission.
        DamagedOnnx: it is not a complete protobuf message, or says something twice.
    """
    with open_model(path) as file:
        try:
            return _read(file, os.fstat(file.fileno()).st_size)
        except ValueError as error:
            check_kind(path, file, ".onnx")
            raise DamagedOnnx(path, error) from error


def hash_onnx_graph(path: str | Path) -> str:
    """Compute the SHA-256 of an ONNX file's graph, in hexadecimal digits: of all but its metadata.

    Raises:
        FileMissing: there is no such file.
        NotAFile: it is a folder, a pipe or a device.
        FileUnreadable: reading the file fails, as for lack of permission.
        DamagedOnnx: it is not a complete protobuf message.
    """
    with open_model(path) as file:
        try:
            whole = Field(0, 0, 0, os.fstat(file.fileno()).st_size, has_length=True)
            graph = only(file, whole, _GRAPH) or Field(_GRAPH, 0, 0, 0, has_length=True)
        except ValueError as error:
            raise DamagedOnnx(path, error) from error
        digest, block = hashlib.sha256(), memoryview(bytearray(_BLOCK))
        file.seek(graph.start)
        left = graph.end - graph.start
        while read := file.readinto(block[:left]):
            digest.update(block[:read])
            left -= read
        return digest.hexdigest()


def _read(file: BinaryIO, size: int) -> OnnxFile:
    """Read an open file of so many bytes.

    Raises:
        ValueError: it is not a complete protobuf message, or says something twice.
    """
    if not 0 < size <= _MAX_BYTES:
        raise ValueError(f"it has {size} bytes")
    whole = Field(0, 0, 0, size, has_length=True)
    metadata: dict[str, str] = {}
    for entry in fields(file, 0, size):
        if entry.number == _METADATA:
            if not entry.has_length:
                raise ValueError(f"field {_METADATA} is no text")
            key = contents(file, only(file, entry, _KEY), MAX_CARD_BYTES)
            if key in metadata:
                raise ValueError(f"its metadata has {key[:40]!r} twice")
            metadata[key] = contents(file, only(file, entry, _VALUE), MAX_CARD_BYTES)
    graph = only(file, whole, _GRAPH)
    if graph is None:
        return OnnxFile(metadata, None, None)
    return OnnxFile(metadata, *_shapes(file, graph))


def _shapes(file: BinaryIO, graph: Field) -> tuple[Shape | None, Shape | None]:
    """Return the shapes of a graph's first input that is no weight, and of its first output."""
    parts: dict[int, list[Field]] = {_INITIALIZER: [], _INPUT: [], _OUTPUT: []}
    for field in fields(file, graph.start, graph.end):
        if field.number in parts:
            parts[field.number].append(field)
    inputs = parts[_INPUT]
    if len(inputs) > 1:  # files of old versions list weights among the inputs
        names = {_name(file, each, _TENSOR_NAME) for each in parts[_INITIALIZER]}
        inputs = [each for each in inputs if _name(file, each, _NAME) not in names]
    first = [values[0] if values else None for values in (inputs, parts[_OUTPUT])]
    images, logits = (None if value is None else _shape(file, value) for value in first)
    return images, logits


def _name(file: BinaryIO, message: Field, number: int) -> str:
    return contents(file, only(file, message, number), _MAX_NAME_BYTES)


def _shape(file: BinaryIO, value: Field) -> Shape | None:
    """Return the shape of a graph's input or output; None if it is not stated.

    Raises:
        ValueError: it has more axes than an image, or is no message.
    """
    message: Field | None = value
    for number in (_TYPE, _TENSOR, _SHAPE):
        message = only(file, message, number) if message else None
    if message is None:
        return None
    axes = [each for each in fields(file, message.start, message.end) if each.number == _AXIS]
    if len(axes) > _MAX_AXES:
        raise ValueError(f"a shape has {len(axes)} axes")
    return tuple(number_in(file, axis, _SIZE) for axis in axes)
