"""The integers in the attributes of an ONNX file's nodes, checked without ``onnx``.

Source: onnx.proto3 of onnx 1.23 (``ModelProto``, ``GraphProto``, ``FunctionProto``, ``NodeProto``,
``AttributeProto``)
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from shufflenet.errors import DamagedOnnx, UnsoundOnnx
from shufflenet.files._model_file import open_model
from shufflenet.files._protobuf_reader import Field, contents, fields, integers, only

__all__ = ["check_onnx_numbers"]

_GRAPH, _FUNCTIONS = 7, 25  # of ModelProto
_NODES = {_GRAPH: 1, _FUNCTIONS: 7}  # of GraphProto and FunctionProto
_ATTRIBUTE = 5  # of NodeProto
_NAME, _INTEGERS, _GRAPHS = 1, (3, 8), (6, 11)  # of AttributeProto
_MOST = 1 << 14  # the largest integer that a node may have: more than channels, sides or axes
_MAX_NAME_BYTES, _SHOWN = 1 << 16, 40


def check_onnx_numbers(path: str | Path) -> None:
    """Check that no stride, padding, axis or other integer of a node is huge, nested graphs' too.

    OpenVINO 2026.4 keeps the lowest 32 bits of a stride, which may be 0, and ends the process when
    it divides by that. ONNX Runtime accepts such a graph.

    Raises:
        FileMissing: there is no such file.
        NotAFile: it is a folder, a pipe or a device.
        FileUnreadable: reading the file fails, as for lack of permission.
        DamagedOnnx: it is not a complete protobuf message.
        UnsoundOnnx: an integer is more than 16,384 or less than -16,384.
    """
    with open_model(path) as file:
        try:
            for attribute, number in _integers(file, os.fstat(file.fileno()).st_size):
                if not -_MOST <= number <= _MOST:
                    name = contents(file, only(file, attribute, _NAME), _MAX_NAME_BYTES)
                    raise UnsoundOnnx(path, f"has a node with {name[:_SHOWN]!r} of {number}")
        except ValueError as error:
            raise DamagedOnnx(path, error) from error


def _integers(file: BinaryIO, size: int) -> Iterator[tuple[Field, int]]:
    """Yield each integer in the attributes of a model's nodes, with the attribute.

    Nodes are those of the graph, of functions, and of graphs inside attributes.

    Raises:
        ValueError: it is no protobuf message of so many bytes.
    """
    waiting = [each for each in fields(file, 0, size) if each.number in _NODES and each.has_length]
    while waiting:
        graph = waiting.pop()
        nodes = _messages(file, graph, _NODES.get(graph.number, _NODES[_GRAPH]))
        for attribute in (each for node in nodes for each in _messages(file, node, _ATTRIBUTE)):
            for part in fields(file, attribute.start, attribute.end):
                if part.number in _INTEGERS:
                    yield from ((attribute, number) for number in integers(file, part))
                elif part.number in _GRAPHS and part.has_length:
                    waiting.append(part)


def _messages(file: BinaryIO, message: Field, number: int) -> Iterator[Field]:
    """Yield the messages in a message's field of a number.

    Raises:
        ValueError: it is no protobuf message.
    """
    for field in fields(file, message.start, message.end):
        if field.number == number and field.has_length:
            yield field
