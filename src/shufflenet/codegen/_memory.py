"""Where everything lies that the machine code reads and writes."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet.errors import SpecError

__all__ = ["LINE_BYTES", "LINE_WORDS", "Array", "Buffer", "Memory", "Planes", "aligned", "filled"]

LINE_BYTES = 64  # of a cache
LINE_WORDS = 16  # likewise; a word is what weights are read by, a float32 or four bytes

Array: TypeAlias = npt.NDArray[Any]


@dataclass(eq=False, slots=True, kw_only=True)
class Buffer:
    """Pixels of channels, one pixel's channels beside each other.

    Attributes:
        pitch: Elements from one pixel to the next: its channels, filled up to whole vectors, and to
            what the last group of a grouped convolution fills up.
        border: Pixels around it that hold ``outside`` and are never written.
        at: Where in the arena it begins, once it has a place.
    """

    channels: int
    height: int
    width: int
    pitch: int
    border: int = 0
    outside: float = 0.0
    at: int = -1

    @property
    def row(self) -> int:
        """Elements from one row to the next."""
        return (self.width + 2 * self.border) * self.pitch

    @property
    def size(self) -> int:
        """Elements of the whole map."""
        return (self.height + 2 * self.border) * self.row

    def pixels(self) -> npt.NDArray[np.int32]:
        """Say where every pixel lies within the map."""
        y, x = np.mgrid[: self.height, : self.width] + self.border
        return _offsets(y * self.row + x * self.pitch)

    def windows(self, kernel: int, stride: int) -> npt.NDArray[np.int32]:
        """Say where the window around every pixel begins that a stride leaves."""
        y, x = np.mgrid[: self.height : stride, : self.width : stride] + self.border - kernel // 2
        return _offsets(y * self.row + x * self.pitch)


@dataclass(eq=False, slots=True, kw_only=True)
class Planes:
    """An image, one colour below the other, each with a border that stands for 0."""

    channels: int
    height: int
    width: int
    border: int
    outside: float = 0.0
    at: int = -1

    @property
    def row(self) -> int:
        """Elements from one row to the next."""
        return self.width + 2 * self.border

    @property
    def plane(self) -> int:
        """Elements from one colour to the next."""
        return (self.height + 2 * self.border) * self.row

    @property
    def size(self) -> int:
        """Elements of all colours."""
        return self.channels * self.plane

    def rows(self) -> npt.NDArray[np.int32]:
        """Say where every row of every colour begins."""
        channel, y = np.mgrid[: self.channels, : self.height]
        inside = self.border * (self.row + 1)
        return _offsets(channel * self.plane + y * self.row + inside)

    def corners(self, stride: int) -> npt.NDArray[np.int32]:
        """Say where the window of every pixel begins that a stride leaves."""
        y, x = np.mgrid[: self.height : stride, : self.width : stride]
        return _offsets(y * self.row + x)

    def taps(self, kernel: int) -> list[int]:
        """Say where the rows of a window lie from its corner, colour by colour."""
        return [c * self.plane + y * self.row for c in range(self.channels) for y in range(kernel)]


@dataclass(slots=True)
class Memory:
    """Three blocks: the arena of maps, the constants, and tables of offsets.

    A map's place is given to another of the same kind when nothing reads it any more; its border
    is right for that one too, so that it is filled once and not for every image.
    """

    dtype: npt.DTypeLike  # of the arena
    _length: int = 0
    _bordered: list[Buffer | Planes] = field(default_factory=list)
    _free: dict[tuple[object, ...], list[int]] = field(default_factory=dict)
    _constants: dict[bytes, tuple[int, npt.NDArray[np.uint8]]] = field(default_factory=dict)
    _constant_bytes: int = 0
    _tables: dict[bytes, tuple[int, npt.NDArray[np.int32]]] = field(default_factory=dict)
    _table_length: int = 0

    def reserve(self, elements: int) -> int:
        """Give a part of the arena, at a cache line, with a line to spare."""
        at, line = self._length, LINE_BYTES // np.dtype(self.dtype).itemsize
        self._length += -(-elements // line) * line + line
        return at

    def place(self, output: Buffer) -> None:
        """Give a map its place."""
        free = self._free.get(_kind(output))
        if free:
            output.at = free.pop()
        else:
            self.settle(output)

    def settle(self, output: Buffer | Planes) -> None:
        """Give a place that nothing else had before."""
        output.at = self.reserve(output.size)
        self._bordered.append(output)

    def release(self, output: Buffer) -> None:
        """Take back the place of a map that nothing reads any more."""
        self._free.setdefault(_kind(output), []).append(output.at)

    def constant(self, values: Array) -> int:
        """Keep weights; says at which byte. The same ones are kept once."""
        flat = np.ascontiguousarray(values).view(np.uint8).ravel()
        flat = np.pad(flat, (0, -flat.size % LINE_BYTES))
        key = hashlib.sha256(flat.tobytes()).digest()
        if key not in self._constants:
            self._constants[key] = self._constant_bytes, flat
            self._constant_bytes += flat.size
        return self._constants[key][0]

    def table(self, values: npt.ArrayLike) -> int:
        """Keep offsets; says where. The same ones are kept once."""
        flat = _offsets(np.asarray(values))
        key = flat.tobytes()
        if key not in self._tables:
            self._tables[key] = self._table_length, flat
            self._table_length += flat.size
        return self._tables[key][0]

    def constants(self) -> npt.NDArray[np.uint8]:
        """Give all weights, from a cache line on."""
        block = aligned(self._constant_bytes + LINE_BYTES, np.uint8)
        parts = [values for _, values in self._constants.values()]
        np.concatenate(parts, out=block[: self._constant_bytes])
        return block

    def tables(self) -> npt.NDArray[np.int32]:
        """Give all offsets."""
        return np.concatenate([values for _, values in self._tables.values()])

    def arena(self) -> Array:
        """Make an arena; each thread that computes needs one."""
        block = aligned(self._length, self.dtype)
        for output in self._bordered:
            block[output.at : output.at + output.size] = output.outside
        return block


def aligned(elements: int, dtype: npt.DTypeLike) -> Array:
    """Make zeros that begin at a cache line."""
    size = elements * np.dtype(dtype).itemsize
    block = np.zeros(size + LINE_BYTES, np.uint8)
    start = -block.ctypes.data % LINE_BYTES
    return block[start : start + size].view(dtype)


def filled(values: Array, length: int) -> Array:
    """Fill up with zeros."""
    return np.pad(values, [(0, length - len(values)), *[(0, 0)] * (values.ndim - 1)])


def _offsets(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Make a table.

    Raises:
        SpecError: an offset is beyond what 32 bits hold.
    """
    if values.max() > np.iinfo(np.int32).max:
        raise SpecError("the size of images", "too large for maps of 2**31 values", "smaller")
    return values.astype(np.int32).ravel()


def _kind(output: Buffer) -> tuple[object, ...]:
    return output.height, output.width, output.pitch, output.border, output.outside
