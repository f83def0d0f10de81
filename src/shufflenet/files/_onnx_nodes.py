"""The nodes of an ONNX file's graph, read and written again without ``onnx``.

Source: onnx.proto3 of onnx 1.23 (``ModelProto``, ``GraphProto``, ``NodeProto``,
``AttributeProto``, ``ValueInfoProto``)
"""

import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shufflenet.files._protobuf_reader import Field, contents, fields, integers, only
from shufflenet.files.protobuf_writer import chunk

__all__ = ["OnnxNode", "OnnxNodes", "node_content"]

_GRAPH, _METADATA = 7, 14  # of ModelProto
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12  # of GraphProto
_READS, _WRITES, _OP, _ATTRIBUTE = 1, 2, 4, 5  # of NodeProto
_NAME, _TENSOR_NAME = 1, 8  # of ValueInfoProto and AttributeProto, and of TensorProto
_FLOAT, _INTEGERS = 2, (3, 8)  # of AttributeProto
_MOST_NODES = 10_000  # the catalogue's largest network has 4,000 in int8
_MAX_NAME_BYTES = 1 << 12


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """A node: its operation, the tensors that it reads and writes, and its place in the file."""

    op: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    start: int
    end: int


def node_content(op: str, reads: Sequence[str], output: str) -> bytes:
    """Return the content of a node without attributes."""
    names = [chunk(_READS, name) for name in reads]
    return b"".join([*names, chunk(_WRITES, output), chunk(_OP, op)])


class OnnxNodes:
    """The graph of a model, as nodes, and as bytes to write again."""

    def __init__(self, content: bytes) -> None:
        """Read a model.

        Raises:
            ValueError: it is no complete protobuf message, or has too many nodes.
        """
        self._content = content
        self._file = io.BytesIO(content)
        whole = Field(0, 0, 0, len(content), has_length=True)
        graph = only(self._file, whole, _GRAPH)
        if graph is None or not graph.has_length:
            raise ValueError("it has no graph")
        self._parts = list(fields(self._file, graph.start, graph.end))
        if sum(part.number == _NODE for part in self._parts) > _MOST_NODES:
            raise ValueError(f"it has more than {_MOST_NODES} nodes")
        self.nodes = [self._node(part) for part in self._parts if part.number == _NODE]
        self.writer = {name: node for node in self.nodes for name in node.writes}
        self.outputs = self._names(_OUTPUT, _NAME)
        self._computed = set(self._names(_INPUT, _NAME)) - set(
            self._names(_INITIALIZER, _TENSOR_NAME)
        )
        self.images = frozenset(self._computed)
        for node in self.nodes:  # in the order in which they compute
            if self._computed.intersection(node.reads):
                self._computed.update(node.writes)

    def computed(self, node: OnnxNode) -> list[str]:
        """Return what a node reads that depends on the images."""
        return [name for name in node.reads if name in self._computed]

    def upwards(self, name: str) -> Iterator[OnnxNode]:
        """Yield the node that writes a tensor, the one that writes what that reads first, and on.

        What it reads first is of what depends on the images. The same node is yielded once.
        """
        seen: set[int] = set()
        while (node := self.writer.get(name)) is not None and node.start not in seen:
            seen.add(node.start)
            yield node
            name = next(iter(self.computed(node)), "")

    def numbers(self, node: OnnxNode) -> dict[str, tuple[float, ...]]:
        """Return the attributes of a node that are numbers or lists of integers.

        Raises:
            ValueError: an attribute is no such message.
        """
        found: dict[str, tuple[float, ...]] = {}
        for attribute in fields(self._file, node.start, node.end):
            if attribute.number != _ATTRIBUTE or not attribute.has_length:
                continue
            values: list[float] = []
            for part in fields(self._file, attribute.start, attribute.end):
                if part.number in _INTEGERS:
                    values.extend(integers(self._file, part))
                elif part.number == _FLOAT:
                    values.extend(struct.unpack("<f", self._content[part.start : part.end]))
            name = contents(self._file, only(self._file, attribute, _NAME), _MAX_NAME_BYTES)
            found[name] = tuple(values)
        return found

    def ending_with(self, outputs: Sequence[str]) -> bytes:
        """Return the model with these outputs, and with no node that they do not need."""
        needed = self._needed(outputs)[0]
        kept = [
            part
            for part in self._parts
            if part.number != _OUTPUT and (part.number != _NODE or part.start in needed)
        ]
        return self._model([self._chunk(part) for part in kept], outputs)

    def constants(self, names: Sequence[str], added: Mapping[str, Sequence[str]]) -> bytes:
        """Return a model that computes tensors which depend on no image, and nothing else.

        Args:
            names: The tensors.
            added: Those that no node writes yet: from their names to what a DequantizeLinear is to
                read for each.
        """
        given = [name for name in names if name not in added]
        nodes, tensors = self._needed(
            [*given, *(each for reads in added.values() for each in reads)]
        )
        kept = []
        for part in self._parts:
            if part.number == _NODE:
                keeps = part.start in nodes
            else:
                name = {_INITIALIZER: _TENSOR_NAME, _INPUT: _NAME}.get(part.number)
                keeps = name is not None and self._name(part, name) in tensors
            if keeps:
                kept.append(self._chunk(part))
        for output, reads in added.items():
            kept.append(chunk(_NODE, node_content("DequantizeLinear", reads, output)))
        return self._model(kept, names)

    def _model(self, graph: Sequence[bytes], outputs: Sequence[str]) -> bytes:
        """Return the model with another graph and these outputs, without its metadata."""
        # Runtimes find out shapes and types of outputs.
        ends = [chunk(_OUTPUT, chunk(_NAME, name)) for name in outputs]
        model, end = [], 0
        for field in fields(self._file, 0, len(self._content)):
            if field.number not in (_GRAPH, _METADATA):
                model.append(self._content[end : field.end])
            end = field.end
        return b"".join([*model, chunk(_GRAPH, b"".join([*graph, *ends]))])

    def _chunk(self, part: Field) -> bytes:
        return chunk(part.number, self._content[part.start : part.end])

    def _needed(self, outputs: Sequence[str]) -> tuple[set[int], set[str]]:
        """Return the places of the nodes that outputs depend on, and all tensors that they do."""
        places: set[int] = set()
        tensors: set[str] = set()
        waiting = list(outputs)
        while waiting:
            name = waiting.pop()
            tensors.add(name)
            node = self.writer.get(name)
            if node is not None and node.start not in places:
                places.add(node.start)
                waiting.extend(node.reads)
        return places, tensors

    def _node(self, part: Field) -> OnnxNode:
        texts: Mapping[int, list[str]] = {_READS: [], _WRITES: [], _OP: []}
        for field in fields(self._file, part.start, part.end):
            if field.number in texts:
                texts[field.number].append(contents(self._file, field, _MAX_NAME_BYTES))
        op = texts[_OP][-1] if texts[_OP] else ""
        writes = tuple(filter(None, texts[_WRITES]))
        return OnnxNode(op, tuple(texts[_READS]), writes, part.start, part.end)

    def _names(self, number: int, name: int) -> list[str]:
        """Return the names of the graph's inputs, outputs or initializers."""
        return [self._name(part, name) for part in self._parts if part.number == number]

    def _name(self, part: Field, number: int) -> str:
        return contents(self._file, only(self._file, part, number), _MAX_NAME_BYTES)
