"""The steps of a network: each writes calls of kernels that compute some rows of its output."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shufflenet.codegen.kernels import Array, Layout, Value, index, panel_counts, panel_widths
from shufflenet.codegen.plan._arena import Buffer
from shufflenet.codegen.plan._sources import DepthwiseSource, Inputs, Slice, Source, gather
from shufflenet.codegen.plan._team import parts_of
from shufflenet.codegen.plan._writer import PIXELS, Row, Writer
from shufflenet.graph import Convolution, Dequantize, Mean, Quantize

__all__ = ["Concat", "Convert", "Depthwise", "Gemm", "GlobalMean", "Pool", "Step"]


class Step(Protocol):
    """The computation of one map."""

    output: Buffer

    @property
    def inputs(self) -> Sequence[Buffer]:
        """The maps that must still be in memory."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of pixels that the inputs make."""

    @property
    def calls(self) -> int:
        """Calls of kernels that ``write`` writes, or a few times as many."""

    def write(self, w: Writer, source_row: Row, output_row: Row, rows: int) -> None:
        """Write the code that computes some rows of pixels.

        Args:
            w: The function that is written.
            source_row: The first row, counted in the output of the whole input.
            output_row: Where it goes in the output.
            rows: How many.
        """


@dataclass(slots=True)
class Gemm:
    """A convolution of all channels of a group: 1x1, or larger over windows side by side."""

    output: Buffer
    source: Source
    layer: Convolution
    added: Buffer | None = None

    @property
    def inputs(self) -> Sequence[Buffer]:
        """The maps of the source, and the map that is added."""
        return [*self.source.inputs, *([self.added] if self.added else [])]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the source."""
        return self.source.size

    @property
    def calls(self) -> int:
        """One call for each group, and what puts the inputs together; then again for the rest."""
        return 2 * (self.layer.groups + len(self.source.inputs))

    def write(self, w: Writer, source_row: Row, output_row: Row, rows: int) -> None:
        """Write a loop over portions of pixels, each a product for every group."""
        width = self.output.width
        most = w.scratch.pixels if self.source.pitch(w.layout) else PIXELS
        for first, pixels in _portions(w, rows * width, most):
            inputs = self.source.write(w, w.plus(first, w.times(source_row, width)), pixels)
            output = w.plus(first, w.times(output_row, width))
            for group in range(self.layer.groups):
                self._write_group(w, group, inputs, output)

    def _write_group(self, w: Writer, group: int, inputs: Inputs, first: Value) -> None:
        """Write one group's product; the next group overwrites the zeros that pad its panels."""
        layer, added = self.layer, self.added
        channels, read = len(layer.weight) // layer.groups, layer.weight[0].size
        channel, runs = group * channels, self.source.runs()
        counts = panel_counts(w.layout, panel_widths(w.layout, channels))
        weights, epilogue = w.packed_once(
            (id(layer), group), lambda: self._constants(w.layout, group)
        )
        residual: dict[str, Value | float] = {}
        if added:
            residual = {
                "added": w.place(added, channel),
                "added_offsets": w.pixels(added, first),
                "added_scale": layer.residual_scale,
                "added_low": layer.limits[0],
                "added_high": layer.limits[1],
            }
        w.kernels.gemm.product("runs" if len(runs) > 1 else "adding" if added else "").call(
            w.f,
            values=w.f.at(inputs.values, group * read),
            value_offsets=inputs.offsets,
            pixels=inputs.pixels,
            steps=w.layout.steps(read, len(runs)),
            weights=weights,
            epilogue=epilogue,
            output=w.place(self.output, channel),
            output_offsets=w.pixels(self.output, first),
            floor=layer.floor,
            ceiling=layer.ceiling,
            **{f"panels_{vectors}": count for vectors, count in counts.items()},
            **residual,
        )

    def _constants(self, layout: Layout, group: int) -> tuple[Array, Array]:
        """Return one group's packed weights and packed epilogue."""
        layer = self.layer
        channels = len(layer.weight) // layer.groups
        outputs = slice(group * channels, (group + 1) * channels)
        widths = panel_widths(layout, channels)
        scale = None if layer.scale is None else layer.scale[outputs]
        weight = layer.weight[outputs].reshape(channels, -1).T
        epilogue = layout.pack_epilogue(scale, layer.bias[outputs], widths)
        return layout.pack(weight, widths, runs=self.source.runs()), epilogue


@dataclass(slots=True)
class Depthwise:
    """A depthwise convolution that is read by more than a 1x1 convolution alone."""

    output: Buffer
    source: DepthwiseSource

    @property
    def inputs(self) -> Sequence[Buffer]:
        """The map that windows move over."""
        return self.source.inputs

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of pixels that the stride leaves."""
        return self.source.size

    @property
    def calls(self) -> int:
        """One."""
        return 1

    def write(self, w: Writer, source_row: Row, output_row: Row, rows: int) -> None:
        """Write one call for all rows."""
        width = self.output.width
        for first, pixels in _all(w, rows * width):
            offsets = w.pixels(self.output, w.plus(first, w.times(output_row, width)))
            output = Inputs(w.place(self.output), offsets, pixels)
            self.source.compute(w, w.plus(first, w.times(source_row, width)), output)


@dataclass(slots=True)
class Concat:
    """Channels of several maps in one: for windows, with a border, or to be added."""

    output: Buffer
    slices: Sequence[Slice]

    @property
    def inputs(self) -> Sequence[Buffer]:
        """The maps."""
        return [part.buffer for part in self.slices]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the maps."""
        return self.slices[0].buffer.height, self.slices[0].buffer.width

    @property
    def calls(self) -> int:
        """One, of a kernel as long as there are slices."""
        return len(self.slices)

    def write(self, w: Writer, source_row: Row, output_row: Row, rows: int) -> None:
        """Write one call for all rows."""
        width = self.output.width
        for first, pixels in _all(w, rows * width):
            offsets = w.pixels(self.output, w.plus(first, w.times(output_row, width)))
            output = Inputs(w.place(self.output), offsets, pixels)
            source = w.plus(first, w.times(source_row, width))
            gather(w, self.slices, source, output, self.output.pitch)


@dataclass(slots=True)
class Convert:
    """Channels of several maps in one, of the other type of elements."""

    output: Buffer
    slices: Sequence[Slice]
    layer: Quantize | Dequantize

    @property
    def inputs(self) -> Sequence[Buffer]:
        """The maps."""
        return [part.buffer for part in self.slices]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the maps."""
        return self.slices[0].buffer.height, self.slices[0].buffer.width

    @property
    def calls(self) -> int:
        """One for each slice."""
        return len(self.slices)

    def write(self, w: Writer, source_row: Row, output_row: Row, rows: int) -> None:
        """Write a call for all rows of each slice."""
        width = self.output.width
        for first, pixels in _all(w, rows * width):
            source, output = (
                w.plus(first, w.times(row, width)) for row in (source_row, output_row)
            )
            self._write_pixels(w, source, output, pixels)

    def _write_pixels(self, w: Writer, source: Value, output: Value, pixels: Value | int) -> None:
        params, channel = self.layer.params, 0
        kernel, limits = w.kernels.conversions.dequantize(), {}
        if isinstance(self.layer, Quantize):
            kernel = w.kernels.conversions.quantize()
            ends = ("floor", self.layer.floor), ("ceiling", self.layer.ceiling)
            limits = {name: end - params.zero_point for name, end in ends}
        for part in self.slices:
            kernel.call(
                w.f,
                source=w.place(part.buffer, part.first),
                source_offsets=w.pixels(part.buffer, source),
                output=w.place(self.output, channel),
                output_offsets=w.pixels(self.output, output),
                pixels=pixels,
                channels=part.channels,
                scale=params.scale,
                zero=params.zero_point,
                **limits,
            )
            channel += part.channels


@dataclass(slots=True)
class Pool:
    """The maximum of 3x3 windows at a stride of two."""

    output: Buffer
    source: Buffer

    @property
    def inputs(self) -> Sequence[Buffer]:
        """The map that windows move over."""
        return [self.source]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of pixels that the stride leaves."""
        return -(-self.source.height // 2), -(-self.source.width // 2)

    @property
    def calls(self) -> int:
        """One."""
        return 1

    def write(self, w: Writer, source_row: Row, output_row: Row, rows: int) -> None:
        """Write one call for all rows."""
        width = self.output.width
        for first, pixels in _all(w, rows * width):
            w.kernels.moves.max_pool().call(
                w.f,
                source=w.place(self.source),
                windows=w.windows(self.source, 3, 2, w.plus(first, w.times(source_row, width))),
                pixels=pixels,
                channels=self.output.pitch,
                row=self.source.row,
                pitch=self.source.pitch,
                output=w.place(self.output),
                output_offsets=w.pixels(self.output, w.plus(first, w.times(output_row, width))),
            )


@dataclass(slots=True)
class GlobalMean:
    """The mean over all pixels of a map without a border: a map of one pixel."""

    output: Buffer
    source: Buffer
    layer: Mean

    @property
    def inputs(self) -> Sequence[Buffer]:
        """The map."""
        return [self.source]

    @property
    def size(self) -> tuple[int, int]:
        """One row of one pixel."""
        return 1, 1

    @property
    def calls(self) -> int:
        """One."""
        return 1

    def write(self, w: Writer, source_row: Row, output_row: Row, rows: int) -> None:
        """Write one call; there is one row."""
        pixels, lanes = self.source.height * self.source.width, w.layout.lanes
        # A portion is whole vectors of channels.
        vectors = self.output.pitch // lanes
        for first, count in w.parts(vectors, min(vectors, w.threads)):
            channel = w.times(first, lanes)
            w.kernels.mean().call(
                w.f,
                source=w.f.at(w.place(self.source), channel),
                pixels=pixels,
                channels=w.times(count, lanes),
                pitch=self.source.pitch,
                factor=self.layer.scale / pixels,
                bias=self.layer.bias,
                output=w.f.at(w.place(self.output), channel),
            )


def _all(w: Writer, pixels: int, most: int = PIXELS) -> Iterator[tuple[Value | int, Value | int]]:
    """Write what computes all pixels at once, or a loop over the portions of a team's thread."""
    return w.parts(pixels, parts_of(pixels, most, w.threads))


def _portions(w: Writer, pixels: int, most: int) -> Iterator[tuple[Value, Value | int]]:
    """Write a loop over portions of pixels, and the rest: the first of each, and how many."""
    if w.team:
        yield from _all(w, pixels, most)
        return
    size = -(-pixels // -(-pixels // most))
    whole, rest = divmod(pixels, size)
    with w.f.loop(index(whole)) as portion:
        yield w.f.mul(portion, index(size)), size
    if rest:
        yield index(whole * size), rest
