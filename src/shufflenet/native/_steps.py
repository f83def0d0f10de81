"""What is computed one after another, a strip of rows at a time: each writes its kernel's calls."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import ir

from shufflenet.native._ir import FLOAT, Function, Value, index
from shufflenet.native._kernels import Kernels
from shufflenet.native._layers import Convolution
from shufflenet.native._memory import Map, Memory, Planes

__all__ = [
    "PIXELS",
    "Corners",
    "Filtered",
    "Gathered",
    "Joined",
    "Means",
    "Pooled",
    "Product",
    "Source",
    "Step",
    "Whole",
    "Windows",
    "Writer",
    "dense",
    "filled",
    "in_panels",
]

PIXELS = 196  # of a product computed at once: what it reads then stays in the nearest caches

Parts: TypeAlias = Sequence[tuple[Map, int, int]]  # a map, the first channel, channels


@dataclass(slots=True)
class Writer:
    """What a step needs to write its code."""

    f: Function
    kernels: Kernels
    memory: Memory
    arena: Value
    constants: Value
    tables: Value
    scratch: int

    def place(self, at: int) -> Value:
        """Point into the arena."""
        return self.f.at(self.arena, at)

    def constant(self, values: npt.NDArray[np.float32]) -> Value:
        """Point at constants."""
        return self.f.at(self.constants, self.memory.constant(values))

    def table(self, values: npt.ArrayLike, first: int = 0) -> Value:
        """Point at an entry of a table."""
        return self.f.at(self.tables, self.memory.table(values) + first)

    def call(self, kernel: ir.Function, *arguments: Value | int | float) -> None:
        """Call a kernel; whole numbers are sizes."""
        self.f.call(kernel, [_constant(argument) for argument in arguments])


def _constant(argument: Value | int | float) -> Value:
    if isinstance(argument, int):
        return index(argument)
    return ir.Constant(FLOAT, argument) if isinstance(argument, float) else argument


class Step(Protocol):
    """Something that makes a map of others."""

    made: Map

    @property
    def reads(self) -> Sequence[Map]:
        """The maps that must still be there."""

    def write(self, w: Writer, source_row: int, made_row: int, rows: int) -> None:
        """Write the code that makes so many rows of pixels, from a row on.

        Args:
            w: Where to.
            source_row: The first row, counted in what the step would make of all it reads.
            made_row: Where it goes in the map made.
            rows: How many.
        """


class Source(Protocol):
    """Where the values come from that a product multiplies."""

    @property
    def reads(self) -> Sequence[Map]:
        """The maps that must still be there."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of pixels."""

    def pitch(self, kernels: Kernels) -> int:
        """Give the floats of a pixel that are put together; none, if they lie somewhere already."""

    def write(self, w: Writer, first: int, pixels: int) -> tuple[Value, Value]:
        """Have the values of some pixels at hand: where they are, and their table."""


@dataclass(frozen=True, slots=True)
class Corners:
    """Windows of the images, row by row of each colour."""

    planes: Planes
    kernel: int
    stride: int

    @property
    def reads(self) -> Sequence[Map]:
        return []

    @property
    def size(self) -> tuple[int, int]:
        return -(-self.planes.height // self.stride), -(-self.planes.width // self.stride)

    def pitch(self, kernels: Kernels) -> int:
        return kernels.vectors(self.planes.channels * self.kernel**2) * kernels.lanes

    def write(self, w: Writer, first: int, pixels: int) -> tuple[Value, Value]:
        taps, pitch = self.planes.taps(self.kernel), self.pitch(w.kernels)
        made, places = w.place(w.scratch), w.table(dense(pitch))
        kernel = w.kernels.gather([(self.kernel, 0)] * len(taps), pitch)
        rows = (w.place(self.planes.at + tap) for tap in taps)
        corners = w.table(self.planes.corners(self.stride), first)
        w.call(kernel, *rows, corners, made, places, pixels)
        return made, places


@dataclass(frozen=True, slots=True)
class Whole:
    """Channels of one map, as they lie."""

    map: Map
    first_channel: int

    @property
    def reads(self) -> Sequence[Map]:
        return [self.map]

    @property
    def size(self) -> tuple[int, int]:
        return self.map.height, self.map.width

    def pitch(self, kernels: Kernels) -> int:
        return 0

    def write(self, w: Writer, first: int, pixels: int) -> tuple[Value, Value]:
        return w.place(self.map.at + self.first_channel), w.table(self.map.pixels(), first)


@dataclass(frozen=True, slots=True)
class Gathered:
    """Channels of several maps of one shape, put beside each other as they are needed."""

    parts: Parts

    @property
    def reads(self) -> Sequence[Map]:
        return [part for part, _, _ in self.parts]

    @property
    def size(self) -> tuple[int, int]:
        part, _, _ = self.parts[0]
        return part.height, part.width

    def pitch(self, kernels: Kernels) -> int:
        return kernels.vectors(sum(channels for _, _, channels in self.parts)) * kernels.lanes

    def write(self, w: Writer, first: int, pixels: int) -> tuple[Value, Value]:
        pitch = self.pitch(w.kernels)
        places = w.table(dense(pitch))
        made = w.place(w.scratch)
        _gather(w, self.parts, first, pixels, (made, places, pitch))
        return made, places


@dataclass(frozen=True, slots=True)
class Windows:
    """A depthwise convolution of a map with a border, computed as its results are needed."""

    map: Map
    layer: Convolution

    @property
    def reads(self) -> Sequence[Map]:
        return [self.map]

    @property
    def size(self) -> tuple[int, int]:
        stride = self.layer.stride
        return -(-self.map.height // stride), -(-self.map.width // stride)

    def pitch(self, kernels: Kernels) -> int:
        return kernels.vectors(self.map.channels) * kernels.lanes

    def write(self, w: Writer, first: int, pixels: int) -> tuple[Value, Value]:
        made, places = w.place(w.scratch), w.table(dense(self.pitch(w.kernels)))
        self.compute(w, first, pixels, made, places)
        return made, places

    def compute(self, w: Writer, first: int, pixels: int, made: Value, places: Value) -> None:
        """Compute some pixels to where a table says."""
        layer, channels, taps = self.layer, self.pitch(w.kernels), self.layer.kernel**2
        kernels = filled(layer.weight.reshape(-1, taps), channels)
        weights = kernels.reshape(-1, w.kernels.lanes, taps).swapaxes(1, 2)
        w.call(
            w.kernels.depthwise(layer.kernel),
            *(w.place(self.map.at), w.table(self.map.windows(layer.kernel, layer.stride), first)),
            *(pixels, channels, self.map.row, self.map.pitch),
            *(w.constant(weights), w.constant(filled(layer.bias, channels)), made, places),
            layer.floor,
        )


@dataclass(slots=True)
class Product:
    """A convolution of all channels of a group: 1x1, or larger over windows side by side."""

    made: Map
    source: Source
    layer: Convolution
    added: Map | None = None

    @property
    def reads(self) -> Sequence[Map]:
        return [*self.source.reads, *([self.added] if self.added else [])]

    def write(self, w: Writer, source_row: int, made_row: int, rows: int) -> None:
        width = self.made.width
        for first, pixels in _portions(rows * width):
            values, table = self.source.write(w, source_row * width + first, pixels)
            places = w.table(self.made.pixels(), made_row * width + first)
            for group in range(self.layer.groups):
                given = values, table, pixels
                self._write_group(w, group, given, places, made_row * width + first)

    def _write_group(
        self, w: Writer, group: int, given: tuple[Value, Value, int], places: Value, first: int
    ) -> None:
        """Write one group's product; what it fills up with zeros, the next group overwrites."""
        values, table, pixels = given
        weight, bias = (
            np.split(array, self.layer.groups)[group]
            for array in (self.layer.weight, self.layer.bias)
        )
        weight = weight.reshape(len(weight), -1).T
        read, made = weight.shape
        panels = w.kernels.panels(made)
        widths = [vectors * w.kernels.lanes for vectors in panels]
        added = self.added
        also = (w.place(added.at + group * made), w.table(added.pixels(), first)) if added else ()
        w.call(
            w.kernels.product(adding=added is not None),
            *(w.f.at(values, group * read), table, pixels, read),
            *(w.constant(in_panels(weight, widths)), panels.count(2), panels.count(3)),
            *(w.constant(filled(bias, sum(widths))), w.place(self.made.at + group * made), places),
            *(self.layer.floor, *also),
        )


@dataclass(slots=True)
class Filtered:
    """A depthwise convolution that is read by more than a 1x1 convolution alone."""

    made: Map
    windows: Windows

    @property
    def reads(self) -> Sequence[Map]:
        return self.windows.reads

    def write(self, w: Writer, source_row: int, made_row: int, rows: int) -> None:
        width = self.made.width
        places = w.table(self.made.pixels(), made_row * width)
        self.windows.compute(w, source_row * width, rows * width, w.place(self.made.at), places)


@dataclass(slots=True)
class Joined:
    """Channels of several maps in one: for windows, with a border, or to be added."""

    made: Map
    parts: Parts

    @property
    def reads(self) -> Sequence[Map]:
        return [part for part, _, _ in self.parts]

    def write(self, w: Writer, source_row: int, made_row: int, rows: int) -> None:
        width = self.made.width
        places = w.table(self.made.pixels(), made_row * width)
        goal = w.place(self.made.at), places, self.made.pitch
        _gather(w, self.parts, source_row * width, rows * width, goal)


@dataclass(slots=True)
class Pooled:
    """The maximum of 3x3 windows at a stride of two."""

    made: Map
    map: Map

    @property
    def reads(self) -> Sequence[Map]:
        return [self.map]

    def write(self, w: Writer, source_row: int, made_row: int, rows: int) -> None:
        width = self.made.width
        w.call(
            w.kernels.max_pool(),
            *(w.place(self.map.at), w.table(self.map.windows(3, 2), source_row * width)),
            *(rows * width, self.made.pitch, self.map.row, self.map.pitch),
            *(w.place(self.made.at), w.table(self.made.pixels(), made_row * width)),
        )


@dataclass(slots=True)
class Means:
    """The mean of all pixels: a map of one."""

    made: Map
    map: Map

    @property
    def reads(self) -> Sequence[Map]:
        return [self.map]

    def write(self, w: Writer, source_row: int, made_row: int, rows: int) -> None:
        pixels = self.map.height * self.map.width
        source, made = w.place(self.map.at), w.place(self.made.at)
        w.call(w.kernels.mean(), source, pixels, self.made.pitch, self.map.pitch, 1 / pixels, made)


def _portions(pixels: int) -> Iterator[tuple[int, int]]:
    """Cut pixels into portions of nearly one size: the first pixel and how many, of each."""
    count = -(-pixels // PIXELS)
    edges = [pixels * n // count for n in range(count + 1)]
    return ((first, end - first) for first, end in pairwise(edges))


def _gather(
    w: Writer, parts: Parts, first: int, pixels: int, goal: tuple[Value, Value, int]
) -> None:
    made, places, pitch = goal
    layouts = {(part.pitch, part.border): part for part, _, _ in parts}
    numbers = {layout: number for number, layout in enumerate(layouts)}
    pieces = [(count, numbers[part.pitch, part.border]) for part, _, count in parts]
    w.call(
        w.kernels.gather(pieces, pitch),
        *(w.place(part.at + channel) for part, channel, _ in parts),
        *(w.table(part.pixels(), first) for part in layouts.values()),
        *(made, places, pixels),
    )


def dense(pitch: int) -> npt.NDArray[np.int32]:
    """Make the table of pixels that lie beside each other."""
    return np.arange(PIXELS, dtype=np.int32) * np.int32(pitch)


def filled(values: npt.NDArray[np.float32], length: int) -> npt.NDArray[np.float32]:
    """Fill up with zeros."""
    return np.pad(values, [(0, length - len(values)), *[(0, 0)] * (values.ndim - 1)])


def in_panels(weight: npt.NDArray[np.float32], widths: list[int]) -> npt.NDArray[np.float32]:
    """Cut ``(in, out)`` weights into panels, each of which lies in one piece."""
    filled = np.pad(weight, [(0, 0), (0, sum(widths) - weight.shape[1])])
    return np.concatenate([p.ravel() for p in np.split(filled, np.cumsum(widths)[:-1], axis=1)])
