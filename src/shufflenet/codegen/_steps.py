"""What is computed one after another, some rows at a time: each step writes its kernel's calls."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shufflenet.codegen._ir import Value, index
from shufflenet.codegen._kernels import Kernels
from shufflenet.codegen._memory import Array, Buffer
from shufflenet.codegen._sources import DepthwiseSource, Parts, Source, gather
from shufflenet.codegen._writer import PIXELS, Writer
from shufflenet.graph import Convolution, Mean

__all__ = ["Concat", "Filtered", "Gemm", "Means", "Pooled", "Step"]


class Step(Protocol):
    """Something that makes a map of others."""

    output: Buffer

    @property
    def inputs(self) -> Sequence[Buffer]:
        """The maps that must still be there."""

    def write(self, w: Writer, source_row: int, made_row: int, rows: int) -> None:
        """Write the code that makes so many rows of pixels, from a row on.

        Args:
            w: Where to.
            source_row: The first row, counted in what the step would make of all it reads.
            made_row: Where it goes in the map made.
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
        return [*self.source.inputs, *([self.added] if self.added else [])]

    def write(self, w: Writer, source_row: int, made_row: int, rows: int) -> None:
        width = self.output.width
        for first, pixels in _portions(w, rows * width):
            values, table = self.source.write(w, w.f.add(first, index(source_row * width)), pixels)
            goal = w.f.add(first, index(made_row * width))
            for group in range(self.layer.groups):
                self._write_group(w, group, (values, table, pixels), goal)

    def _write_group(
        self, w: Writer, group: int, given: tuple[Value, Value, int], first: Value
    ) -> None:
        """Write one group's product; what it fills up with zeros, the next group overwrites."""
        values, table, pixels = given
        layer, kernels, added = self.layer, w.kernels, self.added
        output, read = len(layer.weight) // layer.groups, layer.weight[0].size
        channel, runs = group * output, self.source.runs(kernels)
        panels = kernels.panels(output)
        packed, ends = w.made_once((id(layer), group), lambda: self._constants(kernels, group))
        also: tuple[Value | float, ...] = ()
        if added:
            also = w.place(added.at + channel), w.pixels(added, first), layer.residual_scale
            also += layer.limits
        w.call(
            kernels.product("runs" if len(runs) > 1 else "adding" if added else ""),
            *(w.f.at(values, group * read), table, pixels, kernels.steps(read, len(runs))),
            *(packed, *kernels.counts(panels), ends),
            *(w.place(self.output.at + channel), w.pixels(self.output, first)),
            *(layer.floor, layer.ceiling, *also),
        )

    def _constants(self, kernels: Kernels, group: int) -> tuple[Array, Array]:
        """Lay out one group's weights, and what its sums end with."""
        layer = self.layer
        output = len(layer.weight) // layer.groups
        own = slice(group * output, (group + 1) * output)
        panels, runs = kernels.panels(output), self.source.runs(kernels)
        scale = None if layer.scale is None else layer.scale[own]
        weight = layer.weight[own].reshape(output, -1).T
        ends = kernels.ends(scale, layer.bias[own], panels)
        return kernels.packed(weight, panels, runs=runs), ends


@dataclass(slots=True)
class Filtered:
    """A depthwise convolution that is read by more than a 1x1 convolution alone."""

    output: Buffer
    windows: DepthwiseSource

    @property
    def inputs(self) -> Sequence[Buffer]:
        return self.windows.inputs

    def write(self, w: Writer, source_row: int, made_row: int, rows: int) -> None:
        width = self.output.width
        places = w.pixels(self.output, index(made_row * width))
        output = w.place(self.output.at)
        self.windows.compute(w, index(source_row * width), rows * width, output, places)


@dataclass(slots=True)
class Concat:
    """Channels of several maps in one: for windows, with a border, or to be added."""

    output: Buffer
    parts: Parts

    @property
    def inputs(self) -> Sequence[Buffer]:
        return [part for part, _, _ in self.parts]

    def write(self, w: Writer, source_row: int, made_row: int, rows: int) -> None:
        width = self.output.width
        places = w.pixels(self.output, index(made_row * width))
        goal = w.place(self.output.at), places, self.output.pitch
        gather(w, self.parts, index(source_row * width), rows * width, goal)


@dataclass(slots=True)
class Pooled:
    """The maximum of 3x3 windows at a stride of two."""

    output: Buffer
    map: Buffer

    @property
    def inputs(self) -> Sequence[Buffer]:
        return [self.map]

    def write(self, w: Writer, source_row: int, made_row: int, rows: int) -> None:
        width = self.output.width
        w.call(
            w.kernels.max_pool(),
            *(w.place(self.map.at), w.windows(self.map, 3, 2, index(source_row * width))),
            *(rows * width, self.output.pitch, self.map.row, self.map.pitch),
            *(w.place(self.output.at), w.pixels(self.output, index(made_row * width))),
        )


@dataclass(slots=True)
class Means:
    """The mean of all pixels of a map without a border: a map of one."""

    output: Buffer
    map: Buffer
    layer: Mean

    @property
    def inputs(self) -> Sequence[Buffer]:
        return [self.map]

    def write(self, w: Writer, source_row: int, made_row: int, rows: int) -> None:
        pixels = self.map.height * self.map.width
        w.call(
            w.kernels.mean(),
            *(w.place(self.map.at), pixels, self.output.pitch, self.map.pitch),
            *(self.layer.scale / pixels, self.layer.bias, w.place(self.output.at)),
        )


def _portions(w: Writer, pixels: int) -> Iterator[tuple[Value, int]]:
    """Write a loop over portions of pixels, and what is left: the first of each, and how many."""
    size = -(-pixels // -(-pixels // PIXELS))
    whole, rest = divmod(pixels, size)
    with w.f.counting(index(whole)) as portion:
        yield w.f.mul(portion, index(size)), size
    if rest:
        yield index(whole * size), rest
