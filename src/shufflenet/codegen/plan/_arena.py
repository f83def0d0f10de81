"""Where everything lies that the machine code reads and writes."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from shufflenet.codegen.kernels import LINE_BYTES, Array
from shufflenet.errors import MapsDoNotFit, SpecError, TooLargeToCompile

__all__ = ["Buffer", "Memory", "Planes"]


_MOST_BYTES = 1 << 30  # of an arena, of which every thread has one


@dataclass(eq=False, slots=True, kw_only=True)
class Buffer:
    """A map, ``(height, width, pitch)``, with a border: the channels of a pixel lie side by side.

    Attributes:
        pitch: Elements from one pixel to the next: its channels, padded to whole vectors, and to
            the panels of the last group of a grouped convolution.
        border: Pixels around it that hold ``outside`` and are never written.
        outside: The value of the border.
        dtype: The type of its elements.
        at: The byte of the arena at which it begins, once it has a place.
        own: Whether each thread has one of its own; then ``at`` is a byte of the thread's part.
    """

    channels: int
    height: int
    width: int
    pitch: int
    border: int = 0
    outside: float = 0.0
    dtype: type[np.generic] = np.float32
    at: int = -1
    own: bool = False

    @property
    def row(self) -> int:
        """Elements from one row to the next."""
        return (self.width + 2 * self.border) * self.pitch

    @property
    def size(self) -> int:
        """Elements of the whole map."""
        return (self.height + 2 * self.border) * self.row

    def pixels(self) -> npt.NDArray[np.int32]:
        """Return the offset of every pixel within the map, ``(height * width,)``."""
        y, x = np.arange(self.height) + self.border, np.arange(self.width) + self.border
        return _offsets((y * self.row)[:, None] + x * self.pitch)

    def windows(self, kernel: int, stride: int) -> npt.NDArray[np.int32]:
        """Return the offset of the window around every pixel that a stride leaves, ``(n,)``.

        Raises:
            MapsDoNotFit: windows reach beyond the border.
        """
        margin = self.border - kernel // 2
        if margin < 0:
            raise MapsDoNotFit("a window reaches beyond the border of a map")
        y, x = (np.arange(0, size, stride) + margin for size in (self.height, self.width))
        return _offsets((y * self.row)[:, None] + x * self.pitch)


@dataclass(eq=False, slots=True, kw_only=True)
class Planes:
    """An image, ``(channels, height, width)``; each plane has a border that stands for 0.

    Attributes:
        border: Pixels around each plane that hold ``outside`` and are never written.
        outside: The value of the border.
        dtype: The type of its elements.
        at: The byte of the arena at which it begins, once it has a place.
    """

    channels: int
    height: int
    width: int
    border: int
    outside: float = 0.0
    dtype: type[np.generic] = np.float32
    at: int = -1

    @property
    def row(self) -> int:
        """Elements from one row to the next."""
        return self.width + 2 * self.border

    @property
    def plane(self) -> int:
        """Elements from one plane to the next."""
        return (self.height + 2 * self.border) * self.row

    @property
    def size(self) -> int:
        """Elements of all planes."""
        return self.channels * self.plane

    def rows(self) -> npt.NDArray[np.int32]:
        """Return the offset of every row of every plane, ``(channels * height,)``."""
        channel, y = np.arange(self.channels), np.arange(self.height)
        inside = self.border * (self.row + 1)
        return _offsets((channel * self.plane)[:, None] + y * self.row + inside)

    def corners(self, stride: int) -> npt.NDArray[np.int32]:
        """Return the offset of the window of every pixel that a stride leaves, ``(n,)``."""
        y, x = (np.arange(0, size, stride) for size in (self.height, self.width))
        return _offsets((y * self.row)[:, None] + x)

    def taps(self, kernel: int) -> list[int]:
        """Return the offsets of a window's rows from its corner, plane by plane."""
        return [c * self.plane + y * self.row for c in range(self.channels) for y in range(kernel)]


@dataclass(slots=True)
class Memory:
    """Three blocks: the arena of maps, the constants, and tables of offsets.

    When nothing reads a map any more, another of the same kind gets its place; the border is right
    for that one too, so that it is filled once and not for every image.

    Attributes:
        threads: How many threads compute an image together; if several, each has a part of the
            arena of its own.
        length: Bytes of the arena so far.
        own_length: Bytes of each thread's part so far.
        while_reading: Where maps share bytes, the parts of the arena, ``(first byte, size)``, that
            are written before an image is read to its end.
        bordered: The maps and planes that have a place of their own in the arena.
        shares_bytes: Whether maps of any kind share bytes instead; a map's border is then filled
            whenever the map is computed.
    """

    threads: int = 1
    length: int = 0
    own_length: int = 0
    shares_bytes: bool = False
    while_reading: list[tuple[int, int]] = field(default_factory=list)
    bordered: list[Buffer | Planes] = field(default_factory=list)
    _free: dict[tuple[object, ...], list[int]] = field(default_factory=dict)
    _constants: dict[bytes, tuple[int, npt.NDArray[np.uint8]]] = field(default_factory=dict)
    _constant_bytes: int = 0
    _tables: dict[bytes, tuple[int, npt.NDArray[np.int32]]] = field(default_factory=dict)
    _table_length: int = 0

    def reserve(self, size: int) -> int:
        """Return the first byte of a new part of the arena, at a cache line; a line is spare.

        Raises:
            TooLargeToCompile: the arena would take more than 1 GB.
        """
        at = self.length
        self.length += _lines(size)
        self._check_length(size)
        return at

    def reserve_own(self, size: int) -> int:
        """Return the first byte of a new part of each thread's part, likewise.

        Raises:
            TooLargeToCompile: the arena would take more than 1 GB.
        """
        if self.threads == 1:
            return self.reserve(size)
        at = self.own_length
        self.own_length += _lines(size)
        self._check_length(size)
        return at

    def _check_length(self, size: int) -> None:
        """Check that something has a size, and that the arena is not too large.

        Raises:
            TooLargeToCompile: it is.
        """
        length = self.length + self.threads * self.own_length
        if size < 1 or length > _MOST_BYTES:
            taken = f"maps of {length / 2**30:.3g} GB for images of this size"
            raise TooLargeToCompile(taken, f"{_MOST_BYTES >> 30} GB")

    def check_place(self, of: Buffer | Planes, first: int) -> None:
        """Check that a map lies in the arena, and that an element lies in the map.

        Raises:
            MapsDoNotFit: it does not.
        """
        end = of.at + of.size * np.dtype(of.dtype).itemsize
        length = self.own_length if isinstance(of, Buffer) and of.own else self.length
        if not (0 <= of.at < end <= length and 0 <= first < of.size):
            raise MapsDoNotFit("an address lies outside of its map")

    def allocate(self, buffer: Buffer) -> None:
        """Assign a map the place of one that was released, or a new one."""
        free = self._free.get(_kind(buffer))
        if free:
            buffer.at = free.pop()
        else:
            self.allocate_new(buffer)

    def allocate_own(self, buffer: Buffer) -> None:
        """Assign a map that is divided by threads a place in the part of each, if there are many.

        Raises:
            TooLargeToCompile: the arena would be too large.
        """
        if self.threads == 1:
            self.allocate(buffer)
            return
        buffer.own = True
        buffer.at = self.reserve_own(buffer.size * np.dtype(buffer.dtype).itemsize)
        self.bordered.append(buffer)

    def allocate_new(self, buffer: Buffer | Planes) -> None:
        """Assign a map a place that no other map had before."""
        buffer.at = self.reserve(buffer.size * np.dtype(buffer.dtype).itemsize)
        self.bordered.append(buffer)

    def release(self, buffer: Buffer) -> None:
        """Make the place of a map that nothing reads any more available to others."""
        self._free.setdefault(_kind(buffer), []).append(buffer.at)

    def constant(self, values: Array) -> int:
        """Store weights of any shape; return their first byte. Equal ones are stored once."""
        flat = np.ascontiguousarray(values).view(np.uint8).ravel()
        flat = np.pad(flat, (0, -flat.size % LINE_BYTES))
        key = hashlib.sha256(flat.tobytes()).digest()
        if key not in self._constants:
            self._constants[key] = self._constant_bytes, flat
            self._constant_bytes += flat.size
        return self._constants[key][0]

    def table(self, values: npt.ArrayLike) -> int:
        """Store offsets, ``(n,)``; return the number of the first. Equal ones are stored once."""
        flat = _offsets(np.asarray(values))
        key = flat.tobytes()
        if key not in self._tables:
            self._tables[key] = self._table_length, flat
            self._table_length += flat.size
        return self._tables[key][0]

    def constants(self) -> npt.NDArray[np.uint8]:
        """Return all weights, ``(bytes,)``, and a cache line to spare."""
        parts = [values for _, values in self._constants.values()]
        return np.concatenate([*parts, np.zeros(LINE_BYTES, np.uint8)])

    def tables(self) -> npt.NDArray[np.int32]:
        """Return all offsets, ``(n,)``."""
        return np.concatenate([values for _, values in self._tables.values()])


def _offsets(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Return a table of offsets.

    Raises:
        SpecError: an offset does not fit into 32 bits.
    """
    if values.max() > np.iinfo(np.int32).max:
        raise SpecError("the size of images", "too large for maps of 2**31 values", "smaller")
    return values.astype(np.int32).ravel()


def _lines(size: int) -> int:
    """Return the bytes of whole cache lines that hold so many, and one to spare."""
    return -(-size // LINE_BYTES) * LINE_BYTES + LINE_BYTES


def _kind(buffer: Buffer) -> tuple[object, ...]:
    return buffer.height, buffer.width, buffer.pitch, buffer.border, buffer.outside, buffer.dtype
