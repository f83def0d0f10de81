"""Values written as a FlatBuffer, whose tables are given by the numbers of their fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, Union

import flatbuffers
import numpy as np
import numpy.typing as npt
from flatbuffers import number_types

__all__ = ["Field", "Table", "write_flatbuffer"]

Field: TypeAlias = Union[
    np.generic, str, npt.NDArray[np.generic], "Table", Sequence["Table"], Sequence[str]
]
_FLAGS = {
    "int8": number_types.Int8Flags,
    "uint8": number_types.Uint8Flags,
    "int16": number_types.Int16Flags,
    "int32": number_types.Int32Flags,
    "uint32": number_types.Uint32Flags,
    "uint64": number_types.Uint64Flags,
    "float32": number_types.Float32Flags,
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the values of its fields by their numbers, counted from 0 as its schema lists them.

    A number's type is its field's; arrays are vectors of numbers, sequences are vectors of tables
    or texts. A union takes two fields: a number that says which table it is, and the table.
    """

    fields: Mapping[int, Field]


def write_flatbuffer(root: Table, identifier: str) -> bytes:
    """Write a table, and all that it holds, as one buffer.

    Args:
        root: The table.
        identifier: The four characters by which the schema's files are recognized.
    """
    builder = flatbuffers.Builder(1024)
    builder.Finish(_table(builder, root), identifier.encode())
    return bytes(builder.Output())


def _table(builder: flatbuffers.Builder, table: Table) -> int:
    """Write what a table holds, then the table; return its offset."""
    offsets = {
        slot: _offset(builder, value)
        for slot, value in table.fields.items()
        if not isinstance(value, np.generic)
    }
    builder.StartObject(max(table.fields, default=-1) + 1)
    for slot, value in table.fields.items():
        if isinstance(value, np.generic):
            builder.Prepend(_FLAGS[value.dtype.name], value.item())
        else:
            builder.PrependUOffsetTRelative(offsets[slot])
        builder.Slot(slot)
    return int(builder.EndObject())


def _offset(builder: flatbuffers.Builder, value: Field) -> int:
    """Write a value that is no number, and return its offset."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, Table):
        return _table(builder, value)
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    offsets = [_offset(builder, each) for each in value]  # type: ignore[union-attr]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
