"""Channels of zeros in int8 models, with which ONNX Runtime is faster on AVX2."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

from shufflenet.graph import WeightedLayer
from shufflenet.quantize._float_graph import FloatGraph

__all__ = ["pad_channels"]

# The channels whose bytes ONNX Runtime's kernels for AVX2 compute at the same time. The remaining
# ones are computed eight at a time and then one by one, which takes longer (docs/performance.md).
_MULTIPLE = 16


def pad_channels(model: onnx.ModelProto, graph: FloatGraph) -> None:
    """Add channels of zeros between the 1x1, the depthwise and the 1x1 layer of each bottleneck.

    The model's output stays the same to the last bit: the added channels are multiplied by zeros.

    Args:
        model: The int8 model of a graph; it is changed. A bottleneck with a float layer is not.
        graph: The float graph that the model was made from.
    """
    constants = {x.name: x for x in model.graph.initializer}
    nodes = {node.name: node for node in model.graph.node}

    def pad(name: str, axis: int, count: int, *, repeat: bool = False) -> None:
        array = numpy_helper.to_array(constants[name])
        widths = [(0, count if axis == each else 0) for each in range(array.ndim)]
        padded = np.pad(array, widths, "edge") if repeat else np.pad(array, widths)
        constants[name].CopyFrom(numpy_helper.from_array(padded, name))

    for first, middle, last in _bottlenecks(graph):
        layers = (first, middle, last)
        if any(f"{layer.weight}_quantized" not in constants for layer in layers):
            continue
        missing = -len(graph.weights[first.weight]) % _MULTIPLE
        for layer in (first, middle):
            weight, bias = layer.weight, layer.bias
            for name in (f"{weight}_quantized", f"{weight}_zero_point"):
                pad(name, 0, missing)
            for name in (f"{bias}_quantized", f"{bias}_quantized_zero_point"):
                pad(name, 0, missing)
            for name in (f"{weight}_scale", f"{bias}_quantized_scale"):
                pad(name, 0, missing, repeat=True)
        pad(f"{last.weight}_quantized", 1, missing)
        (groups,) = (x for x in nodes[middle.nodes[0]].attribute if x.name == "group")
        groups.i += missing
    del model.graph.value_info[:]  # the shapes of tensors, some of which have more channels now


def _bottlenecks(
    graph: FloatGraph,
) -> Iterator[tuple[WeightedLayer, WeightedLayer, WeightedLayer]]:
    """Yield each layer, the depthwise layer that alone reads it, and the layer that reads that.

    The first and the last mix all channels.
    """
    readers = Counter(name for node in graph.model.graph.node for name in node.input)
    sole = {layer.input: layer for layer in graph.layers if readers[layer.input] == 1}
    for first in graph.layers:
        channels = len(graph.weights[first.weight])
        middle = sole.get(first.output)
        last = sole.get(middle.output) if middle else None
        if (
            middle
            and last
            and first.groups == last.groups == 1
            and middle.groups == len(graph.weights[middle.weight]) == channels > 1
        ):
            yield first, middle, last
