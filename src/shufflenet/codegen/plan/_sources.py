"""Where the inputs of a product lie, or how they are computed or put together before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shufflenet.codegen.kernels import Array, Layout, Value
from shufflenet.codegen.plan._arena import Buffer, Planes
from shufflenet.codegen.plan._writer import Writer, dense
from shufflenet.errors import MapsDoNotFit
from shufflenet.graph import Convolution

__all__ = [
    "ConcatSource",
    "DepthwiseSource",
    "Inputs",
    "Slice",
    "SliceSource",
    "Source",
    "WindowSource",
    "gather",
]


@dataclass(frozen=True, slots=True)
class Slice:
    """Neighboring channels of a map."""

    buffer: Buffer
    first: int
    channels: int

    def __post_init__(self) -> None:
        """Check that the map has these channels.

        Raises:
            MapsDoNotFit: it has not.
        """
        if not 0 <= self.first < self.first + self.channels <= self.buffer.channels:
            raise MapsDoNotFit("a layer reads channels that a map does not have")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Inputs of some pixels: a pointer, the table of the pixels' offsets, and how many pixels."""

    values: Value
    offsets: Value
    pixels: Value | int


class Source(Protocol):
    """The inputs of a product, ``(pixels, in)``."""

    @property
    def inputs(self) -> Sequence[Buffer]:
        """The maps that must still be in memory."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of pixels."""

    def pitch(self, layout: Layout) -> int:
        """Return the elements of a pixel in the scratch; 0 if the inputs lie in a map already."""

    def runs(self) -> list[int]:
        """Return the offsets from a pixel at which its inputs begin: equal runs, one or more."""

    def write(self, w: Writer, first: Value, pixels: Value | int) -> Inputs:
        """Write what computes or puts together the inputs of some pixels."""


@dataclass(frozen=True, slots=True)
class WindowSource:
    """Windows of the images, row by row of each plane, where they lie."""

    planes: Planes
    kernel: int
    stride: int

    def __post_init__(self) -> None:
        """Check that windows end where the planes' border does.

        Raises:
            MapsDoNotFit: they do not.
        """
        if self.kernel // 2 > self.planes.border:
            raise MapsDoNotFit("a window reaches beyond the border of the images")

    @property
    def inputs(self) -> Sequence[Buffer]:
        """No map."""
        return []

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of pixels that the stride leaves."""
        return -(-self.planes.height // self.stride), -(-self.planes.width // self.stride)

    def pitch(self, layout: Layout) -> int:
        """Return 0: nothing is copied."""
        return 0

    def runs(self) -> list[int]:
        """Return the offsets of the window's rows in each plane."""
        return self.planes.taps(self.kernel)

    def write(self, w: Writer, first: Value, pixels: Value | int) -> Inputs:
        """Write nothing but the addresses."""
        offsets = w.corners(self.planes, self.stride, first)
        return Inputs(w.place(self.planes), offsets, pixels)


@dataclass(frozen=True, slots=True)
class SliceSource:
    """Channels of one map from ``first_channel`` on, where they lie."""

    buffer: Buffer
    first_channel: int

    @property
    def inputs(self) -> Sequence[Buffer]:
        """The map."""
        return [self.buffer]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        return self.buffer.height, self.buffer.width

    def pitch(self, layout: Layout) -> int:
        """Return 0: nothing is copied."""
        return 0

    def runs(self) -> list[int]:
        """Return one run."""
        return [0]

    def write(self, w: Writer, first: Value, pixels: Value | int) -> Inputs:
        """Write nothing but the addresses."""
        values = w.place(self.buffer, self.first_channel)
        return Inputs(values, w.pixels(self.buffer, first), pixels)


@dataclass(frozen=True, slots=True)
class ConcatSource:
    """Channels of several maps of one size, put side by side some pixels at a time."""

    slices: Sequence[Slice]

    @property
    def inputs(self) -> Sequence[Buffer]:
        """The maps."""
        return [part.buffer for part in self.slices]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the maps."""
        return self.slices[0].buffer.height, self.slices[0].buffer.width

    def pitch(self, layout: Layout) -> int:
        """Return all channels, padded to whole vectors."""
        return layout.vectors(sum(part.channels for part in self.slices)) * layout.lanes

    def runs(self) -> list[int]:
        """Return one run."""
        return [0]

    def write(self, w: Writer, first: Value, pixels: Value | int) -> Inputs:
        """Write the copy of some pixels to the scratch."""
        pitch = self.pitch(w.layout)
        output = Inputs(w.put_together(pitch), w.table(dense(pitch)), pixels)
        gather(w, self.slices, first, output, pitch)
        return output


@dataclass(frozen=True, slots=True)
class DepthwiseSource:
    """A depthwise convolution of a map with a border, computed some pixels at a time."""

    buffer: Buffer
    layer: Convolution

    @property
    def inputs(self) -> Sequence[Buffer]:
        """The map."""
        return [self.buffer]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of pixels that the stride leaves."""
        stride = self.layer.stride
        return -(-self.buffer.height // stride), -(-self.buffer.width // stride)

    def pitch(self, layout: Layout) -> int:
        """Return the channels, padded to whole vectors."""
        return layout.vectors(self.buffer.channels) * layout.lanes

    def runs(self) -> list[int]:
        """Return one run."""
        return [0]

    def write(self, w: Writer, first: Value, pixels: Value | int) -> Inputs:
        """Write the computation of some pixels to the scratch."""
        pitch = self.pitch(w.layout)
        output = Inputs(w.put_together(pitch), w.table(dense(pitch)), pixels)
        self.compute(w, first, output)
        return output

    def compute(self, w: Writer, first: Value, output: Inputs) -> None:
        """Write the computation of some pixels, from ``first`` on, to ``output``."""
        layer = self.layer
        weights, epilogue = w.packed_once(id(layer), lambda: self._constants(w.layout))
        w.kernels.depthwise(layer.kernel).call(
            w.f,
            source=w.place(self.buffer),
            windows=w.windows(self.buffer, layer.kernel, layer.stride, first),
            pixels=output.pixels,
            channels=self.pitch(w.layout),
            row=self.buffer.row,
            pitch=self.buffer.pitch,
            weights=weights,
            epilogue=epilogue,
            output=output.values,
            output_offsets=output.offsets,
            floor=layer.floor,
            ceiling=layer.ceiling,
        )

    def _constants(self, layout: Layout) -> tuple[Array, Array]:
        """Return the packed weights and the packed epilogue."""
        layer = self.layer
        weight = layer.weight.reshape(len(layer.weight), -1)
        return layout.pack_filters(weight, layer.scale, layer.bias, self.pitch(layout))


def gather(w: Writer, slices: Sequence[Slice], first: Value, output: Inputs, pitch: int) -> None:
    """Write the copy of slices side by side, of some pixels from ``first`` on.

    Args:
        w: The function that is written.
        slices: Channels of maps of one size.
        first: The first pixel.
        output: Where they go.
        pitch: Elements of a pixel there.
    """
    layouts = {(part.buffer.pitch, part.buffer.border): part.buffer for part in slices}
    numbers = {layout: number for number, layout in enumerate(layouts)}
    sizes = [(part.channels, numbers[part.buffer.pitch, part.buffer.border]) for part in slices]
    sources = {f"source_{n}": w.place(part.buffer, part.first) for n, part in enumerate(slices)}
    offsets = {f"offsets_{n}": w.pixels(part, first) for n, part in enumerate(layouts.values())}
    w.kernels.moves.gather(sizes, pitch).call(
        w.f,
        **sources,
        **offsets,
        output=output.values,
        output_offsets=output.offsets,
        pixels=output.pixels,
    )
