"""The texts that a program of ExecuTorch returns by its methods, read without ExecuTorch.

Source: ExecuTorch 1.5.1, schema/program.fbs (numbers of fields and unions); flatbuffers.dev, the
internals of FlatBuffers (how tables and vectors lie).
"""

import struct
from dataclasses import dataclass

__all__ = ["read_pte_texts"]

_IDENTIFIERS = (b"ET12",)
_PLANS, _NAME, _VALUES = 1, 0, 2  # fields of Program and ExecutionPlan
_STRING = 6  # of KernelTypes
_MOST_METHODS = 64


def read_pte_texts(content: bytes) -> dict[str, str]:
    """Return the texts of the methods whose only value is one, by the names of the methods.

    Raises:
        ValueError: the program's tables point outside the file, or there are too many methods.
    """
    if content[4:8] not in _IDENTIFIERS:
        raise ValueError("it does not begin as a program of ExecuTorch's")
    buffer = _Buffer(content)
    try:
        plans = buffer.vector(buffer.follow(0), _PLANS)
        if len(plans) > _MOST_METHODS:
            raise ValueError(f"it has more than {_MOST_METHODS} methods")
        return dict(text for plan in plans for text in buffer.text_of(plan))
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError("its tables point outside the file") from error


@dataclass(frozen=True, slots=True)
class _Buffer:
    """A FlatBuffer; every number is read inside its bounds, or a ``struct.error`` is raised."""

    content: bytes

    def number(self, kind: str, at: int) -> int:
        if at < 0:  # which struct would count from the end
            raise struct.error("a place before the beginning")
        return int(struct.unpack_from(f"<{kind}", self.content, at)[0])

    def follow(self, at: int) -> int:
        """Return the place that an offset points to."""
        return at + self.number("I", at)

    def field(self, table: int, slot: int) -> int | None:
        """Return the place of a table's field, or None if it is left out."""
        names = table - self.number("i", table)
        if 4 + 2 * slot >= self.number("H", names):
            return None
        offset = self.number("H", names + 4 + 2 * slot)
        return table + offset if offset else None

    def vector(self, table: int, slot: int) -> list[int]:
        """Return the places of the tables of a vector, at most one more than is allowed."""
        field = self.field(table, slot)
        if field is None:
            return []
        start = self.follow(field)
        count = min(self.number("I", start), _MOST_METHODS + 1)
        return [self.follow(start + 4 + 4 * index) for index in range(count)]

    def text(self, table: int, slot: int) -> str:
        """Return a text, empty if it is left out."""
        field = self.field(table, slot)
        if field is None:
            return ""
        start = self.follow(field)
        (text,) = struct.unpack_from(f"{self.number('I', start)}s", self.content, start + 4)
        return str(text, "utf-8")

    def text_of(self, plan: int) -> list[tuple[str, str]]:
        """Return the name and the text of a method that does nothing else than return it."""
        values = self.vector(plan, _VALUES)
        if len(values) != 1:
            return []
        kind, value = self.field(values[0], 0), self.field(values[0], 1)
        if kind is None or value is None or self.number("B", kind) != _STRING:
            return []
        return [(self.text(plan, _NAME), self.text(self.follow(value), 0))]
