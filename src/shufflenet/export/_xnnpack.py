"""The tensors and nodes of an XNNPACK graph, as ExecuTorch's delegate reads them.

Source: ExecuTorch 1.5.1, backends/xnnpack/serialization/schema.fbs (numbers of fields, unions and
types), xnnpack_graph_serialize.py (header), and runtime/XNNCompiler.cpp (how it is read).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from shufflenet.export._flatbuffer import Field, Table, write_flatbuffer
from shufflenet.graph import Array, QuantParams

__all__ = ["ANY_RANGE", "NO_VALUE", "XnnGraph"]

Shape: TypeAlias = Sequence[int]

NO_VALUE = 0xFFFFFFFF  # XNN_INVALID_VALUE_ID: also the external number of what is internal
ANY_RANGE = (-np.inf, np.inf)
_FLOAT32, _QINT8, _QCINT8, _QCINT32, _QDINT8 = 1, 3, 6, 7, 9  # XNNDatatype
_TENSOR, _QUANTIZED = 1, 2  # XValueUnion
_PER_CHANNEL, _PER_TENSOR, _PER_TOKEN = 1, 2, 3  # XNNQuantParams
_INPUT, _OUTPUT = 1, 2  # XNN_VALUE_FLAG_EXTERNAL_*
_IDENTIFIER = "XN01"
_ALIGNMENT = 16
_HEADER = struct.Struct("<4x4sHIIIQ")  # magic; sizes and offsets of header, graph and constants


@dataclass
class XnnGraph:
    """An XNNPACK graph as it is put together: values have numbers, nodes read and write them.

    Images and maps are ``(n, h, w, c)``.
    """

    _values: list[Table] = field(default_factory=list)
    _nodes: list[Table] = field(default_factory=list)
    _places: list[Table] = field(default_factory=lambda: [_place(0, 0)])  # 0: no constant
    _constants: bytearray = field(default_factory=bytearray)

    def external(self, shape: Shape, number: int) -> int:
        """Add a float32 tensor that the caller gives (number 0) or gets (1)."""
        flags = _INPUT if number == 0 else _OUTPUT
        return self._float(shape, external=number, flags=flags)

    def tensor(self, shape: Shape, params: QuantParams | None = None) -> int:
        """Add a tensor: float32, or int8 where it has parameters.

        XNNPACK's bytes are signed: ours minus 128.
        """
        if params is None:
            return self._float(shape)
        quant: dict[int, Field] = {
            0: np.float32(params.scale),
            1: np.int32(params.zero_point - 128),
        }
        return self._quantized(shape, _QINT8, _PER_TENSOR, Table(quant))

    def dynamic(self, shape: Shape) -> int:
        """Add a tensor ``(n, c)`` of int8 whose parameters XNNPACK chooses from each row."""
        return self._quantized(shape, _QDINT8, _PER_TOKEN, Table({0: np.int32(1)}))

    def constant(self, array: Array) -> int:
        """Add a float32 constant."""
        values = np.ascontiguousarray(array, np.float32)
        return self._float(values.shape, place=self._keep(values))

    def codes(self, array: Array, scales: Array, axis: int) -> int:
        """Add a constant of int8 or int32 with a scale for each index of an axis."""
        kind = _QCINT8 if array.dtype == np.int8 else _QCINT32
        quant: dict[int, Field] = {0: np.ascontiguousarray(scales, np.float32), 1: np.int32(axis)}
        place = self._keep(np.ascontiguousarray(array))
        return self._quantized(array.shape, kind, _PER_CHANNEL, Table(quant), place)

    def node(
        self, kind: int, fields: Sequence[int | Sequence[int]], limits: tuple[float, float]
    ) -> None:
        """Add a node of a kind of ``XNodeUnion``; limits clip its output."""
        values = [
            np.uint32(each) if isinstance(each, int) else np.array(each, np.uint32)
            for each in fields
        ]
        table: dict[int, Field] = {0: np.uint8(kind), 1: Table(dict(enumerate(values)))}
        if limits != ANY_RANGE:
            table[3] = Table(dict(enumerate(map(np.float32, limits))))
        self._nodes.append(Table(table))

    def to_bytes(self) -> bytes:
        """Return the graph and its constants as the delegate reads them."""
        root: dict[int, Field] = {
            0: "0",
            1: self._nodes,
            2: self._values,
            3: np.uint32(2),
            4: np.array([0], np.uint32),
            5: np.array([1], np.uint32),
            8: self._places,
        }
        graph = write_flatbuffer(Table(root), _IDENTIFIER)
        start = -(-_HEADER.size // _ALIGNMENT) * _ALIGNMENT
        padded = graph + bytes(-len(graph) % _ALIGNMENT)
        after = start + len(padded)
        sizes = (_HEADER.size, start, len(graph), after, len(self._constants))
        header = _HEADER.pack(b"XH00", *sizes)
        return header.ljust(start, b"\0") + padded + bytes(self._constants)

    def _keep(self, array: Array) -> int:
        """Append a constant, and return the number of its place."""
        content = array.tobytes()
        self._constants += bytes(-len(self._constants) % _ALIGNMENT)
        self._places.append(_place(len(self._constants), len(content)))
        self._constants += content
        return len(self._places) - 1

    def _float(
        self, shape: Shape, *, place: int = 0, external: int = NO_VALUE, flags: int = 0
    ) -> int:
        value = self._value(_FLOAT32, shape, place=place, external=external, flags=flags)
        return self._add(_TENSOR, value)

    def _quantized(self, shape: Shape, kind: int, of: int, quant: Table, place: int = 0) -> int:
        value = self._value(kind, shape, place=place)
        return self._add(_QUANTIZED, Table({0: value, 1: np.uint8(of), 2: quant}))

    def _value(
        self, kind: int, shape: Shape, *, place: int, external: int = NO_VALUE, flags: int = 0
    ) -> Table:
        fields: dict[int, Field] = {
            0: np.int16(kind),
            1: np.uint32(len(shape)),
            2: np.array(shape, np.uint32),
            3: np.uint32(place),
            4: np.uint32(external),
            5: np.uint32(flags),
            6: np.uint32(len(self._values)),
        }
        return Table(fields)

    def _add(self, union: int, value: Table) -> int:
        self._values.append(Table({0: np.uint8(union), 1: value}))
        return len(self._values) - 1


def _place(offset: int, size: int) -> Table:
    return Table({0: np.uint64(offset), 1: np.uint64(size)})
