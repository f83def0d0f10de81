"""The steps of a network: which maps are computed, and what is only computed as it is read."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from shufflenet.codegen.kernels import Layout, panel_widths
from shufflenet.codegen.plan._arena import Buffer, Planes
from shufflenet.codegen.plan._sources import (
    ConcatSource,
    DepthwiseSource,
    Slice,
    SliceSource,
    Source,
    WindowSource,
)
from shufflenet.codegen.plan._steps import Concat, Convert, Depthwise, Gemm, GlobalMean, Pool, Step
from shufflenet.errors import MapsDoNotFit
from shufflenet.graph import (
    ChannelSlice,
    Convolution,
    Dequantize,
    Layer,
    MaxPool,
    Mean,
    Quantize,
    dtype_of,
    only_reader,
    residual_of,
)

__all__ = ["plan_steps"]

Layouts: TypeAlias = Mapping[type[np.generic], Layout]


def plan_steps(layers: Sequence[Layer], layouts: Layouts, images: Planes) -> list[Step]:
    """Return the steps from the images, which the first layer reads, to the last layer.

    A depthwise convolution is no step where only a 1x1 convolution reads it: its outputs are
    computed some pixels at a time, just before they are read. Nor is a concatenation, unless a
    window moves over it or it is added.

    Args:
        layers: The layers but for the classifier.
        layouts: How channels lie, by the type of a map's elements.
        images: The planes of the images.

    Raises:
        MapsDoNotFit: a layer reads what no layer before it computes, its weights have other
            shapes than its maps, or nothing reads it.
    """
    planner = _Planner(layers, layouts)
    for layer in layers:
        planner.add(layer, images)
    read = {id(source) for step in planner.steps for source in step.inputs}
    if any(id(step.output) not in read for step in planner.steps[:-1]):
        raise MapsDoNotFit("nothing reads a layer")
    return planner.steps


class _Planner:
    """The steps so far, and their maps by name."""

    def __init__(self, layers: Sequence[Layer], layouts: Layouts) -> None:
        self.steps: list[Step] = []
        self._layers = layers
        self._layouts = layouts
        self._edges = _edges(layers)
        self._maps: dict[str, Buffer] = {}
        self._depthwise: dict[str, DepthwiseSource] = {}
        self._concats: dict[tuple[ChannelSlice, ...], Buffer] = {}

    def add(self, layer: Layer, images: Planes) -> None:
        match layer:
            case Convolution(depthwise=True):
                self._add_depthwise(layer)
            case Convolution():
                self._add_convolution(layer, images)
            case MaxPool():
                source = self._bordered(layer)
                size = -(-source.height // 2), -(-source.width // 2)
                output = self._new_map(layer.output, source.channels, size, source.dtype)
                self.steps.append(Pool(output, source))
            case Mean():
                source = self._whole(layer.inputs)
                if source.border:
                    raise MapsDoNotFit("a window moves over the input of the mean")
                output = self._new_map(layer.output, source.channels, (1, 1), source.dtype)
                self.steps.append(GlobalMean(output, source, layer))
            case Quantize():
                self._add_conversion(layer, np.float32, np.uint8)
            case Dequantize():
                self._add_conversion(layer, np.uint8, np.float32)

    def _add_conversion(
        self, layer: Quantize | Dequantize, before: type[np.generic], after: type[np.generic]
    ) -> None:
        """Add a conversion of the slices that a layer reads to one map.

        Raises:
            MapsDoNotFit: the slices have other elements than it converts.
        """
        slices = self._slices(layer.inputs)
        size = slices[0].buffer.height, slices[0].buffer.width
        _check_elements([part.buffer for part in slices], before)
        output = self._new_map(layer.output, sum(part.channels for part in slices), size, after)
        self.steps.append(Convert(output, slices, layer))

    def _add_depthwise(self, layer: Convolution) -> None:
        source = DepthwiseSource(self._bordered(layer), layer)
        _check_shapes(layer, source.buffer.channels)
        _check_elements(source.inputs, dtype_of(layer))
        reader = only_reader(self._layers, layer)
        if isinstance(reader, Convolution) and reader.kernel == 1 and not reader.depthwise:
            self._depthwise[layer.output] = source
        else:
            output = self._new_map(layer.output, len(layer.weight), source.size, dtype_of(layer))
            self.steps.append(Depthwise(output, source))

    def _add_convolution(self, layer: Convolution, images: Planes) -> None:
        """Add a product.

        Raises:
            MapsDoNotFit: its weights, or what is added, do not fit its maps.
        """
        if layer is self._layers[0]:
            _check_shapes(layer, images.channels)
            source: Source = WindowSource(images, layer.kernel, layer.stride)
        elif layer.kernel > 1 or layer.stride > 1:
            raise MapsDoNotFit("a window of all channels moves over other maps than the images")
        else:
            _check_shapes(layer, sum(piece.channels for piece in layer.inputs))
            source = self._source(layer.inputs)
        dtype = dtype_of(layer)
        output = self._new_map(layer.output, len(layer.weight), source.size, dtype, layer.groups)
        added = self._whole(layer.residual) if layer.residual else None
        if added and (added.height, added.width) != source.size:
            raise MapsDoNotFit("maps of two sizes are added")
        if added and added.channels != len(layer.weight):
            raise MapsDoNotFit("maps of different numbers of channels are added")
        self.steps.append(Gemm(output, source, layer, added))
        _check_elements(self.steps[-1].inputs, dtype)

    def _new_map(
        self,
        name: str,
        channels: int,
        size: tuple[int, int],
        dtype: type[np.generic],
        groups: int = 1,
    ) -> Buffer:
        border, outside = self._edges.get(name, (0, 0.0))
        layout = self._layouts[dtype]
        lanes, per_group = layout.lanes, channels // groups
        # The panels of the last group end beyond its channels.
        end = channels - per_group + sum(panel_widths(layout, per_group))
        self._maps[name] = Buffer(
            channels=channels,
            height=size[0],
            width=size[1],
            pitch=max(layout.vectors(channels), -(-end // lanes)) * lanes,
            border=border,
            outside=outside,
            dtype=dtype,
        )
        return self._maps[name]

    def _whole(self, inputs: tuple[ChannelSlice, ...]) -> Buffer:
        """Return the map that is read as a whole, or concatenate it of its slices."""
        first, *others = self._slices(inputs)
        if not others and first.buffer.channels == first.channels:
            return first.buffer
        return self._concat(inputs)

    def _source(self, inputs: tuple[ChannelSlice, ...]) -> Source:
        if inputs[0].tensor in self._depthwise:  # its only reader reads all of it
            return self._depthwise[inputs[0].tensor]
        is_added = len(inputs) > 1 and any(inputs == residual_of(layer) for layer in self._layers)
        if inputs in self._concats or is_added:
            concat = self._concat(inputs)
            return self._slice(Slice(concat, 0, concat.channels))
        if len(inputs) == 1:
            return self._slice(self._slices(inputs)[0])
        return ConcatSource(self._slices(inputs))

    def _slice(self, part: Slice) -> Source:
        """Return channels of a map where they lie, or copied without its border."""
        if part.buffer.border and self._layouts[part.buffer.dtype].strided_only:
            return ConcatSource([part])
        return SliceSource(part.buffer, part.first)

    def _bordered(self, layer: Convolution | MaxPool) -> Buffer:
        """Return the map that a window moves over, or concatenate it of its slices."""
        inputs, (_, outside) = layer.inputs, _edge(layer)
        first, *others = self._slices(inputs)
        is_whole = not others and first.buffer.channels == first.channels
        if is_whole and first.buffer.outside == outside:
            return first.buffer
        return self._concat(inputs)

    def _concat(self, inputs: tuple[ChannelSlice, ...]) -> Buffer:
        if inputs not in self._concats:
            edges = {_edge(layer) for layer in self._layers if layer.inputs == inputs}
            if len({outside for border, outside in edges if border}) > 1:
                raise MapsDoNotFit("a max pool and a depthwise convolution read one map")
            slices = self._slices(inputs)
            name = f"concat {len(self._concats)}"
            self._edges[name] = max([(0, 0.0), *edges])
            size = slices[0].buffer.height, slices[0].buffer.width
            dtype = slices[0].buffer.dtype
            output = self._new_map(name, sum(part.channels for part in inputs), size, dtype)
            _check_elements([part.buffer for part in slices], dtype)
            self.steps.append(Concat(output, slices))
            self._concats[inputs] = output
        return self._concats[inputs]

    def _slices(self, inputs: tuple[ChannelSlice, ...]) -> list[Slice]:
        """Return the slices that a layer reads.

        Raises:
            MapsDoNotFit: nothing computes one, or they are of several sizes.
        """
        if not inputs or any(part.tensor not in self._maps for part in inputs):
            raise MapsDoNotFit("a layer reads a map that no layer before it computes")
        slices = [Slice(self._maps[part.tensor], part.first, part.channels) for part in inputs]
        if len({(part.buffer.height, part.buffer.width) for part in slices}) > 1:
            raise MapsDoNotFit("maps of several sizes are concatenated")
        return slices


def _check_elements(maps: Sequence[Buffer], dtype: type[np.generic]) -> None:
    """Check that maps have elements of a type.

    Raises:
        MapsDoNotFit: one has not.
    """
    if any(each.dtype != dtype for each in maps):
        raise MapsDoNotFit("a layer reads bytes as float32, or float32 as bytes")


def _check_shapes(layer: Convolution, channels: int) -> None:
    """Check that a convolution's weights and bias have the shapes that its inputs need.

    Raises:
        MapsDoNotFit: they do not.
    """
    out, per_group, *kernel = layer.weight.shape
    scales = layer.bias if layer.scale is None else layer.scale
    fits = per_group * layer.groups == channels > 0 and out % layer.groups == 0 < out
    is_square = len(kernel) == 2 and kernel[0] == kernel[1] and kernel[0] % 2
    known = layer.stride in (1, 2) and layer.bias.shape == scales.shape == (out,)
    if not (fits and is_square and known):
        raise MapsDoNotFit(f"weights {layer.weight.shape} do not fit {channels} channels")


def _edges(layers: Sequence[Layer]) -> dict[str, tuple[int, float]]:
    """Return the border of maps that windows move over, and the value beyond their edges.

    Raises:
        MapsDoNotFit: two windows over one map would see different values there.
    """
    edges: dict[str, tuple[int, float]] = {}
    for layer in layers:
        if len(layer.inputs) == 1:
            name = layer.inputs[0].tensor
            before, edge = edges.get(name, (0, 0.0)), _edge(layer)
            if before[0] and edge[0] and before[1] != edge[1]:
                raise MapsDoNotFit("a max pool and a depthwise convolution read one map")
            edges[name] = max(before, edge)
    return edges


def _edge(layer: Layer) -> tuple[int, float]:
    """Return how many pixels beyond the edge of its input a layer reads, and their value."""
    match layer:
        case Convolution(depthwise=True):
            return layer.kernel // 2, layer.padding_value
        case MaxPool():
            return 1, layer.padding_value
    return 0, 0.0
