"""Which channels of an ONNX graph are the same, and which of them may be scaled or shifted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.graph import Array, Node, OnnxGraph, WeightedLayer

__all__ = ["Channels", "follow_channels"]

Numbers = npt.NDArray[np.int64]
_ELEMENTWISE = ("Relu", "MaxPool", "AveragePool")
_CONCATENATING = ("Concat", "ReduceMean", "GlobalAveragePool", "Flatten")


@dataclass(frozen=True)
class Channels:
    """The numbers of all channels; a channel keeps its number where it is only passed on.

    Attributes:
        of: The numbers of each tensor's channels, ``(channels of the tensor,)``, by its name.
        scalable: ``(channels,)``, whether a factor on the channel can be undone by the layers that
            read it; ReLU, pooling, Split and Concat between them let factors through.
        shiftable: ``(channels,)``, whether a constant added to the channel can be undone by the
            layers that read it: none of them pads, and no ReLU or pooling reads it.
    """

    of: Mapping[str, Numbers]
    scalable: npt.NDArray[np.bool_]
    shiftable: npt.NDArray[np.bool_]


def follow_channels(graph: OnnxGraph, layers: tuple[WeightedLayer, ...]) -> Channels:
    """Number the channels of a graph and follow them through its operations.

    Args:
        graph: The graph; nodes have names.
        layers: Its convolutions and linear layers.
    """
    follower = _Follower(graph, {layer.nodes[0]: layer for layer in layers})
    for node in graph.nodes:
        follower.follow(node)
    return follower.finish(graph.outputs)


class _Follower:
    """The channels numbered so far, and those that may not be scaled or shifted."""

    def __init__(self, graph: OnnxGraph, layers: Mapping[str, WeightedLayer]) -> None:
        self._constants: Mapping[str, Array] = graph.constants
        self._layers = layers
        self._of: dict[str, Numbers] = {}
        self._count = 0
        self._unscalable: set[int] = set()
        self._unshiftable: set[int] = set()
        first = next(layers[node.name] for node in graph.nodes if node.name in layers)
        images = next(iter(graph.inputs))
        self._number(images, graph.constants[first.weight].shape[1])
        self._pin([images])

    def follow(self, node: Node) -> None:
        """Number the outputs of a node, or pass the numbers of its inputs on."""
        layer = self._layers.get(node.name)
        if layer:
            self._follow_layer(node, layer)
            return
        numbers = self._numbers(node.inputs)
        if node.inputs and node.inputs[0] not in self._of:
            self._unscalable.update(numbers.tolist())
        elif node.op in _ELEMENTWISE:
            self._of[node.output] = numbers
            self._unshiftable.update(numbers.tolist())
        elif node.op in _CONCATENATING and all(map(self._is_known, node.inputs)):
            self._of[node.output] = numbers
        elif node.op == "Split" and len(node.inputs) == 2:
            ends = np.cumsum(self._constants[node.inputs[1]])[:-1]
            self._of.update(zip(node.outputs, np.split(numbers, ends), strict=True))
        else:
            self._unscalable.update(numbers.tolist())

    def finish(self, outputs: Iterable[str]) -> Channels:
        """Return all channels; those of the graph's outputs may not be scaled."""
        self._pin(outputs)
        every = np.arange(self._count)
        scalable = ~np.isin(every, list(self._unscalable))
        shiftable = scalable & ~np.isin(every, list(self._unshiftable))
        return Channels(self._of, scalable, shiftable)

    def _follow_layer(self, node: Node, layer: WeightedLayer) -> None:
        out, per_group = self._constants[layer.weight].shape[:2]
        channels = per_group * layer.groups
        if len(self._of.get(layer.input, ())) != channels:  # another operation rearranged them
            self._pin([layer.input])
            self._number(layer.input, channels)
            self._pin([layer.input])
        if any(layer.pads):
            self._unshiftable.update(self._of[layer.input].tolist())
        self._number(node.output, out)

    def _number(self, tensor: str, channels: int) -> None:
        """Assign new numbers to the channels of a tensor."""
        self._of[tensor] = np.arange(self._count, self._count + channels)
        self._count += channels

    def _numbers(self, tensors: Iterable[str]) -> Numbers:
        """Return the numbers of the channels of several tensors one after the other."""
        numbers = [self._of[name] for name in tensors if name in self._of]
        return np.concatenate(numbers) if numbers else np.arange(0)

    def _pin(self, tensors: Iterable[str]) -> None:
        """Note that the channels of tensors may not be scaled."""
        self._unscalable.update(self._numbers(tensors).tolist())

    def _is_known(self, name: str) -> bool:
        return name in self._of or name in self._constants
