"""From layers to steps: which map each makes, and what is computed only as it is needed."""

from collections.abc import Sequence

from shufflenet.codegen._kernels import Kernels
from shufflenet.codegen._memory import Buffer, Planes
from shufflenet.codegen._sources import ConcatSource, Corners, DepthwiseSource, Source, Whole
from shufflenet.codegen._steps import Concat, Filtered, Gemm, Means, Pooled, Step
from shufflenet.graph import (
    ChannelSlice,
    Convolution,
    Layer,
    MaxPool,
    Mean,
    only_reader,
    residual_of,
)

__all__ = ["plan"]


def plan(layers: Sequence[Layer], kernels: Kernels, images: Planes) -> list[Step]:
    """Choose the steps from the images, which the first layer reads, to the mean.

    A depthwise convolution is no step where only a 1x1 convolution reads it, which then has it
    computed some pixels at a time; nor is a concatenation, unless a window moves over it.

    Raises:
        KeyError: a layer reads what is not made before.
        ValueError: maps do not fit each other, or nothing reads a layer.
    """
    planner = _Planner(layers, kernels)
    for layer in layers:
        planner.add(layer, images)
    read = {id(output) for step in planner.steps for output in step.inputs}
    if any(id(step.output) not in read for step in planner.steps[:-1]):
        raise ValueError("a layer is read by nothing")
    return planner.steps


class _Planner:
    """The steps so far, and the maps they make."""

    def __init__(self, layers: Sequence[Layer], kernels: Kernels) -> None:
        self.steps: list[Step] = []
        self._layers = layers
        self._kernels = kernels
        self._edges = _edges(layers)
        self._maps: dict[str, Buffer] = {}
        self._windows: dict[str, DepthwiseSource] = {}
        self._joined: dict[tuple[ChannelSlice, ...], Buffer] = {}

    def add(self, layer: Layer, images: Planes) -> None:
        match layer:
            case Convolution(depthwise=True):
                windows = DepthwiseSource(self._bordered(layer), layer)
                if self._read_by_one(layer):
                    self._windows[layer.output] = windows
                else:
                    output = self._make(layer.output, len(layer.weight), windows.size)
                    self.steps.append(Filtered(output, windows))
            case Convolution():
                stem = Corners(images, layer.kernel, layer.stride)
                source = self._source(layer.inputs) if layer.kernel == 1 else stem
                output = self._make(layer.output, len(layer.weight), source.size, layer.groups)
                added = self._whole(layer.residual) if layer.residual else None
                if added and (added.height, added.width) != source.size:
                    raise ValueError("maps of two sizes are added")
                self.steps.append(Gemm(output, source, layer, added))
            case MaxPool():
                source_map = self._bordered(layer)
                size = -(-source_map.height // 2), -(-source_map.width // 2)
                output = self._make(layer.output, source_map.channels, size)
                self.steps.append(Pooled(output, source_map))
            case Mean():
                source_map = self._whole(layer.inputs)
                if source_map.border:
                    raise ValueError("a window moves over what the mean is taken of")
                output = self._make(layer.output, source_map.channels, (1, 1))
                self.steps.append(Means(output, source_map, layer))

    def _read_by_one(self, layer: Convolution) -> bool:
        """Say whether a 1x1 convolution alone reads a layer, all of it in its order."""
        reader = only_reader(self._layers, layer)
        return isinstance(reader, Convolution) and reader.kernel == 1 and not reader.depthwise

    def _make(self, name: str, channels: int, size: tuple[int, int], groups: int = 1) -> Buffer:
        border, outside = self._edges.get(name, (0, 0.0))
        lanes, own = self._kernels.lanes, channels // groups
        # The last group fills its panels up beyond its channels.
        end = channels - own + sum(self._kernels.panels(own))
        self._maps[name] = Buffer(
            channels=channels,
            height=size[0],
            width=size[1],
            pitch=max(self._kernels.vectors(channels), -(-end // lanes)) * lanes,
            border=border,
            outside=outside,
        )
        return self._maps[name]

    def _whole(self, inputs: tuple[ChannelSlice, ...]) -> Buffer:
        """Find the map that is read, or make it of its pieces."""
        if len(inputs) == 1:
            found = self._maps[inputs[0].tensor]
            if found.channels == inputs[0].channels:
                return found
        return self._join(inputs)

    def _source(self, inputs: tuple[ChannelSlice, ...]) -> Source:
        if inputs[0].tensor in self._windows:
            return self._windows[inputs[0].tensor]
        is_added = len(inputs) > 1 and any(inputs == residual_of(layer) for layer in self._layers)
        if inputs in self._joined or is_added:
            joined = self._join(inputs)
            return self._piece(joined, 0, joined.channels)
        if len(inputs) == 1:
            return self._piece(self._maps[inputs[0].tensor], inputs[0].first, inputs[0].channels)
        return ConcatSource(self._parts(inputs))

    def _piece(self, found: Buffer, first: int, channels: int) -> Source:
        """Read channels of a map as they lie, or without its border."""
        if found.border and self._kernels.reads_evenly:
            return ConcatSource([(found, first, channels)])
        return Whole(found, first)

    def _bordered(self, layer: Convolution | MaxPool) -> Buffer:
        """Find what a window moves over, or make it of its pieces."""
        inputs, (_, outside) = layer.inputs, _edge(layer)
        if len(inputs) == 1:
            found = self._maps[inputs[0].tensor]
            if found.channels == inputs[0].channels and found.outside == outside:
                return found
        return self._join(inputs)

    def _join(self, inputs: tuple[ChannelSlice, ...]) -> Buffer:
        if inputs not in self._joined:
            edges = {_edge(layer) for layer in self._layers if layer.inputs == inputs}
            if len({outside for border, outside in edges if border}) > 1:
                raise ValueError("a max pool and a depthwise convolution read one map")
            edge = max([(0, 0.0), *edges])
            parts = self._parts(inputs)
            name = f"joined {len(self._joined)}"
            self._edges[name] = edge
            size = parts[0][0].height, parts[0][0].width
            output = self._make(name, sum(piece.channels for piece in inputs), size)
            self.steps.append(Concat(output, parts))
            self._joined[inputs] = output
        return self._joined[inputs]

    def _parts(self, inputs: tuple[ChannelSlice, ...]) -> list[tuple[Buffer, int, int]]:
        parts = [(self._maps[piece.tensor], piece.first, piece.channels) for piece in inputs]
        if len({(part.height, part.width) for part, _, _ in parts}) > 1:
            raise ValueError("maps of several sizes are joined")
        return parts


def _edges(layers: Sequence[Layer]) -> dict[str, tuple[int, float]]:
    """Find the maps that windows move over, and what such windows see beyond their edges.

    Raises:
        ValueError: two windows over one map would see different things there.
    """
    found: dict[str, tuple[int, float]] = {}
    for layer in layers:
        if len(layer.inputs) == 1:
            name = layer.inputs[0].tensor
            before, edge = found.get(name, (0, 0.0)), _edge(layer)
            if before[0] and edge[0] and before[1] != edge[1]:
                raise ValueError("a max pool and a depthwise convolution read one map")
            found[name] = max(before, edge)
    return found


def _edge(layer: Layer) -> tuple[int, float]:
    """Say how many pixels beyond the edge of a map a layer sees, and what it takes them for."""
    match layer:
        case Convolution(depthwise=True):
            return layer.kernel // 2, layer.padding_value
        case MaxPool():
            return 1, layer.padding_value
    return 0, 0.0
