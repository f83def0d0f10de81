"""What steps write their code with: the function, its kernels, and the addresses in memory."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import ir

from shufflenet.codegen.kernels import (
    BYTES,
    FLOATS,
    OFFSETS,
    Array,
    Function,
    Kernels,
    Layout,
    Value,
    index,
)
from shufflenet.codegen.plan._arena import Buffer, Memory, Planes
from shufflenet.codegen.plan._team import Team
from shufflenet.errors import MapsDoNotFit

__all__ = ["PIXELS", "Row", "Scratch", "Writer", "dense"]

Row: TypeAlias = Value | int  # the number of a row of pixels, computed or known

_POINTERS: dict[type[np.generic], ir.Type] = {np.uint8: BYTES, np.float32: FLOATS}  # to elements

PIXELS = 196  # of a product computed at once: what it reads then stays in the nearest caches


@dataclass(frozen=True, slots=True)
class Scratch:
    """Where the inputs of a product are put together, some pixels at a time.

    Attributes:
        at: Its first byte in the arena or, where threads have parts of their own, in each of them.
        pixels: How many pixels it holds.
    """

    at: int = 0
    pixels: int = PIXELS


@dataclass(slots=True)
class Writer:
    """A function under construction that calls the kernels of one kind of numbers.

    Attributes:
        f: The function; its arguments ``arena``, ``constants`` and ``tables`` point to the blocks
            of ``memory``.
        kernels: The module's kernels of bytes, or those of float32.
        memory: What lies in the blocks.
        scratch: Where the inputs of the product that is written are put together.
        own: Pointer to the thread's own part of the arena, where threads have such parts.
        team: What divides the work among the threads, if there are several.
    """

    f: Function
    kernels: Kernels
    memory: Memory
    scratch: Scratch = field(default_factory=Scratch)
    own: Value | None = None
    team: Team | None = None
    _offset_tables: dict[tuple[object, ...], int] = field(default_factory=dict)
    _packed: dict[Hashable, list[tuple[int, ir.Type]]] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        """How channels and weights lie."""
        return self.kernels.layout

    def place(self, of: Buffer | Planes, first: int = 0) -> Value:
        """Return a pointer to an element of a map.

        Raises:
            MapsDoNotFit: the map has no such element, or no place in the arena.
        """
        self.memory.check_place(of, first)
        own = self.own if isinstance(of, Buffer) and of.own else None
        return self.f.at(self._in_arena(of.at, of.dtype, own), first)

    def put_together(self, pitch: int) -> Value:
        """Return a pointer to where the inputs of pixels, so many elements each, are put together.

        Raises:
            MapsDoNotFit: so many were not reserved.
        """
        dtype, at = self.layout.dtype, self.scratch.at
        size = self.scratch.pixels * pitch * np.dtype(dtype).itemsize
        end = self.memory.own_length if self.own else self.memory.length
        if not 0 <= at <= at + size <= end:
            raise MapsDoNotFit("an address lies outside of the scratch")
        return self._in_arena(at, dtype, self.own)

    def _in_arena(self, at: int, dtype: type[np.generic], own: Value | None) -> Value:
        """Return a pointer to elements from a byte of the arena, or of an own part of it, on."""
        return self.f.bitcast(self.f.at(own or self.f.arguments.arena, at), _POINTERS[dtype])

    def plus(self, first: Value | int, pixels: Value | int) -> Value:
        """Return the number of a pixel that lies so many pixels after another."""
        if isinstance(first, int) and isinstance(pixels, int):
            return index(first + pixels)
        return self.f.add(*(index(n) if isinstance(n, int) else n for n in (first, pixels)))

    @property
    def threads(self) -> int:
        """How many threads compute what is written together."""
        return self.team.threads if self.team else 1

    def times(self, number: Value | int, factor: int) -> Value | int:
        """Return a number multiplied by a constant."""
        return number * factor if isinstance(number, int) else self.f.mul(number, index(factor))

    def parts(self, size: int, parts: int) -> Iterator[tuple[Value | int, Value | int]]:
        """Write a loop over the portions that a team's thread claims, or all of it without a team.

        Args:
            size: How many elements are divided.
            parts: Into how many portions, of sizes that differ by one at most.
        """
        if self.team:
            yield from self.team.divide(size, parts)
        else:
            yield 0, size

    def alone(self) -> "Writer":
        """Return a writer of the same function for what one thread computes alone."""
        return replace(self, team=None)

    def constant(self, values: Array) -> Value:
        """Store constants of any shape; return a pointer to them, to float32 or to words."""
        return self._pointer(*self._store(values))

    def packed_once(self, key: Hashable, pack: Callable[[], Sequence[Array]]) -> list[Value]:
        """Return pointers to constants, ``(n,)``, packed once for each key, for packing is slow."""
        if key not in self._packed:
            self._packed[key] = [self._store(values) for values in pack()]
        return [self._pointer(*place) for place in self._packed[key]]

    def _store(self, values: Array) -> tuple[int, ir.Type]:
        kind = FLOATS if values.dtype == np.float32 else OFFSETS
        return self.memory.constant(values), kind

    def _pointer(self, at: int, kind: ir.Type) -> Value:
        return self.f.bitcast(self.f.at(self.f.arguments.constants, at), kind)

    def table(self, values: npt.ArrayLike) -> Value:
        """Store a table of offsets, ``(n,)``; return a pointer to it."""
        return self.f.at(self.f.arguments.tables, self.memory.table(values))

    def pixels(self, of: Buffer, first: Value) -> Value:
        """Return a pointer to the offset of a map's pixel, before those of the next pixels."""
        return self._table((of, of.height), of.pixels, first)

    def windows(self, of: Buffer, kernel: int, stride: int, first: Value) -> Value:
        """Return a pointer to the offset of a map's window, before those of the next windows."""
        key = of, of.height, kernel, stride
        return self._table(key, lambda: of.windows(kernel, stride), first)

    def corners(self, of: Planes, stride: int, first: Value) -> Value:
        """Return a pointer to the offset of an image's window, before those of the next ones."""
        return self._table((of, stride), lambda: of.corners(stride), first)

    def _table(
        self, key: tuple[object, ...], make: Callable[[], npt.NDArray[np.int32]], first: Value
    ) -> Value:
        """Return a pointer into a table that is computed once, for it is as long as a map."""
        if key not in self._offset_tables:
            self._offset_tables[key] = self.memory.table(make())
        return self.f.at(self.f.arguments.tables, self._offset_tables[key], first)


def dense(pitch: int) -> npt.NDArray[np.int32]:
    """Return the offsets of ``PIXELS`` pixels that lie side by side, ``(PIXELS,)``."""
    return np.arange(PIXELS, dtype=np.int32) * np.int32(pitch)
