"""ExecuTorch programs (``.pte``) as bytes: one method that a delegate computes, and texts.

Source: ExecuTorch 1.5.1, schema/program.fbs (numbers of fields and unions), and
exir/_serialize/_program.py (the header and the segments behind it).
"""

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from shufflenet.export._flatbuffer import Field, Table, write_flatbuffer

__all__ = ["pte_bytes"]

_TENSOR, _STRING = 5, 6  # KernelTypes
_DELEGATE_CALL = 2  # InstructionArguments
_FLOAT32 = 6  # ScalarType
_SEGMENT = 1  # DataLocation
_ALIGNMENT = 128  # of segments
_HEADER = struct.Struct("<4sIQQQ")  # magic, its own size, the program's, place and size of segments
_HEADER_AT, _ROOM = 8, 48  # behind the root's offset and the identifier; a multiple of 16
_NONE = np.array([], np.int32)


def pte_bytes(
    delegate: bytes, shapes: tuple[Sequence[int], Sequence[int]], texts: Mapping[str, str]
) -> bytes:
    """Return a program whose method ``forward`` is computed by XNNPACK.

    Args:
        delegate: The graph, as XNNPACK's delegate reads it.
        shapes: Those of the input and of the output, both of float32.
        texts: Texts by the names of the methods that return them.
    """
    plans = [_forward(*shapes), *(_text_plan(name, text) for name, text in texts.items())]
    fields: dict[int, Field] = {
        0: np.uint32(0),
        1: plans,
        4: [Table({0: np.uint64(0), 1: np.uint64(len(delegate))})],
        5: Table({0: np.uint32(0), 1: np.array([0], np.uint64)}),  # no constants beside XNNPACK's
    }
    buffer = write_flatbuffer(Table(fields), "ET12")
    size = len(buffer) + _ROOM
    start = -(-size // _ALIGNMENT) * _ALIGNMENT
    header = _HEADER.pack(b"eh00", _HEADER.size, size, start, len(delegate))
    (root,) = struct.unpack_from("<I", buffer)
    program = b"".join(
        (
            struct.pack("<I", root + _ROOM),
            buffer[4:_HEADER_AT],
            header.ljust(_ROOM, b"\0"),
            buffer[_HEADER_AT:],
        )
    )
    return program.ljust(start, b"\0") + delegate


def _forward(images: Sequence[int], logits: Sequence[int]) -> Table:
    """Return the method that computes images; its output lies in memory planned for it."""
    size = 4 * int(np.prod(logits))
    call = Table({0: np.int32(0), 1: np.array([0, 1], np.int32)})
    reference = Table({0: np.int8(_SEGMENT), 1: np.uint32(0)})
    fields: dict[int, Field] = {
        0: "forward",
        2: [_tensor(images, {}), _tensor(logits, {6: Table({0: np.uint32(1)})})],
        3: np.array([0], np.int32),
        4: np.array([1], np.int32),
        5: [_chain([Table({0: np.uint8(_DELEGATE_CALL), 1: call})])],
        6: [],
        7: [Table({0: "XnnpackBackend", 1: reference, 2: []})],
        8: np.array([0, -(-size // 16) * 16], np.int64),
    }
    return Table(fields)


def _text_plan(name: str, text: str) -> Table:
    """Return a method without inputs that returns a text."""
    value = Table({0: np.uint8(_STRING), 1: Table({0: text})})
    fields: dict[int, Field] = {
        0: name,
        2: [value],
        3: _NONE,
        4: np.array([0], np.int32),
        5: [_chain([])],
        6: [],
        7: [],
        8: np.array([0], np.int64),
    }
    return Table(fields)


def _chain(instructions: list[Table]) -> Table:
    return Table({0: _NONE, 1: _NONE, 2: instructions})


def _tensor(shape: Sequence[int], more: Mapping[int, Table]) -> Table:
    fields: dict[int, Field] = {
        0: np.int8(_FLOAT32),
        2: np.array(shape, np.int32),
        3: np.arange(len(shape), dtype=np.uint8),
        **more,
    }
    return Table({0: np.uint8(_TENSOR), 1: Table(fields)})
