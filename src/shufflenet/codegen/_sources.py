"""Where the values lie that a product multiplies, or how they come to lie there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from shufflenet.codegen._ir import Value
from shufflenet.codegen._kernels import Kernels
from shufflenet.codegen._memory import Array, Buffer, Planes
from shufflenet.codegen._writer import Writer, dense
from shufflenet.graph import Convolution

__all__ = ["ConcatSource", "Corners", "DepthwiseSource", "Parts", "Source", "Whole", "gather"]

Parts: TypeAlias = Sequence[tuple[Buffer, int, int]]  # a map, the first channel, channels


class Source(Protocol):
    """Where the values come from that a product multiplies."""

    @property
    def inputs(self) -> Sequence[Buffer]:
        """The maps that must still be there."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of pixels."""

    def pitch(self, kernels: Kernels) -> int:
        """Give the elements of a pixel put together; none, if they lie somewhere already."""

    def runs(self, kernels: Kernels) -> list[int]:
        """Say where a pixel's values begin from where it lies: in equal runs, one or more."""

    def write(self, w: Writer, first: Value, pixels: int) -> tuple[Value, Value]:
        """Have the values of some pixels at hand: where they are, and their table."""


@dataclass(frozen=True, slots=True)
class Corners:
    """Windows of the images, row by row of each colour."""

    planes: Planes
    kernel: int
    stride: int

    @property
    def inputs(self) -> Sequence[Buffer]:
        return []

    @property
    def size(self) -> tuple[int, int]:
        return -(-self.planes.height // self.stride), -(-self.planes.width // self.stride)

    def pitch(self, kernels: Kernels) -> int:
        return 0

    def runs(self, kernels: Kernels) -> list[int]:
        return self.planes.taps(self.kernel)

    def write(self, w: Writer, first: Value, pixels: int) -> tuple[Value, Value]:
        return w.place(self.planes.at), w.corners(self.planes, self.stride, first)


@dataclass(frozen=True, slots=True)
class Whole:
    """Channels of one map, as they lie."""

    map: Buffer
    first_channel: int

    @property
    def inputs(self) -> Sequence[Buffer]:
        return [self.map]

    @property
    def size(self) -> tuple[int, int]:
        return self.map.height, self.map.width

    def pitch(self, kernels: Kernels) -> int:
        return 0

    def runs(self, kernels: Kernels) -> list[int]:
        return [0]

    def write(self, w: Writer, first: Value, pixels: int) -> tuple[Value, Value]:
        return w.place(self.map.at + self.first_channel), w.pixels(self.map, first)


@dataclass(frozen=True, slots=True)
class ConcatSource:
    """Channels of several maps of one shape, put beside each other as they are needed."""

    parts: Parts

    @property
    def inputs(self) -> Sequence[Buffer]:
        return [part for part, _, _ in self.parts]

    @property
    def size(self) -> tuple[int, int]:
        part, _, _ = self.parts[0]
        return part.height, part.width

    def pitch(self, kernels: Kernels) -> int:
        return kernels.vectors(sum(channels for _, _, channels in self.parts)) * kernels.lanes

    def runs(self, kernels: Kernels) -> list[int]:
        return [0]

    def write(self, w: Writer, first: Value, pixels: int) -> tuple[Value, Value]:
        pitch = self.pitch(w.kernels)
        places = w.table(dense(pitch))
        output = w.place(w.scratch)
        gather(w, self.parts, first, pixels, (output, places, pitch))
        return output, places


@dataclass(frozen=True, slots=True)
class DepthwiseSource:
    """A depthwise convolution of a map with a border, computed as its results are needed."""

    map: Buffer
    layer: Convolution

    @property
    def inputs(self) -> Sequence[Buffer]:
        return [self.map]

    @property
    def size(self) -> tuple[int, int]:
        stride = self.layer.stride
        return -(-self.map.height // stride), -(-self.map.width // stride)

    def pitch(self, kernels: Kernels) -> int:
        return kernels.vectors(self.map.channels) * kernels.lanes

    def runs(self, kernels: Kernels) -> list[int]:
        return [0]

    def write(self, w: Writer, first: Value, pixels: int) -> tuple[Value, Value]:
        output, places = w.place(w.scratch), w.table(dense(self.pitch(w.kernels)))
        self.compute(w, first, pixels, output, places)
        return output, places

    def compute(self, w: Writer, first: Value, pixels: int, output: Value, places: Value) -> None:
        """Compute some pixels to where a table says."""
        layer, channels = self.layer, self.pitch(w.kernels)
        weights, ends = w.made_once(id(layer), lambda: self._constants(w.kernels))
        w.call(
            w.kernels.depthwise(layer.kernel),
            *(w.place(self.map.at), w.windows(self.map, layer.kernel, layer.stride, first)),
            *(pixels, channels, self.map.row, self.map.pitch),
            *(weights, ends, output, places, layer.floor, layer.ceiling),
        )

    def _constants(self, kernels: Kernels) -> tuple[Array, Array]:
        """Lay out the weights, and what sums end with."""
        layer, channels = self.layer, self.pitch(kernels)
        weight = layer.weight.reshape(len(layer.weight), -1)
        return kernels.filters(weight, layer.scale, layer.bias, channels)


def gather(
    w: Writer, parts: Parts, first: Value, pixels: int, goal: tuple[Value, Value, int]
) -> None:
    """Put parts beside each other, some pixels of them, from the first on.

    Args:
        w: What writes the code.
        parts: Of maps of one size.
        first: The first pixel.
        pixels: How many.
        goal: Where to: the place, its table of pixels, elements of a pixel.
    """
    output, places, pitch = goal
    layouts = {(part.pitch, part.border): part for part, _, _ in parts}
    numbers = {layout: number for number, layout in enumerate(layouts)}
    pieces = [(count, numbers[part.pitch, part.border]) for part, _, count in parts]
    w.call(
        w.kernels.gather(pieces, pitch),
        *(w.place(part.at + channel) for part, channel, _ in parts),
        *(w.pixels(part, first) for part in layouts.values()),
        *(output, places, pixels),
    )
