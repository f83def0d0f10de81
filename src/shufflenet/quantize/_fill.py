"""Channels of zeros in int8 files, which ONNX Runtime computes faster with by AVX2."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

from shufflenet.quantize._graph import Graph, Layer

__all__ = ["fill_up"]

# Channels whose bytes ONNX Runtime's kernels for AVX2 compute at once. Those left over are computed
# by eight and then one by one, which takes longer in all (docs/performance.md).
_MULTIPLE = 16


def fill_up(model: onnx.ModelProto, graph: Graph) -> None:
    """Add channels of zeros between the 1x1, the depthwise and the 1x1 layer of a bottleneck.

    It computes the same, to the last bit: what they hold is multiplied with zeros.

    Args:
        model: The int8 model of a graph; a bottleneck is left as it is where a layer is in float.
        graph: The float graph that it was made of.
    """
    constants = {x.name: x for x in model.graph.initializer}
    nodes = {node.name: node for node in model.graph.node}

    def pad(name: str, axis: int, count: int, mode: str = "constant") -> None:
        array = numpy_helper.to_array(constants[name])
        widths = [(0, count if axis == each else 0) for each in range(array.ndim)]
        constants[name].CopyFrom(numpy_helper.from_array(np.pad(array, widths, mode), name))  # type: ignore[call-overload]  # its types know no mode by name

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
                pad(name, 0, missing, "edge")
        pad(f"{last.weight}_quantized", 1, missing)
        (groups,) = (x for x in nodes[middle.nodes[0]].attribute if x.name == "group")
        groups.i += missing
    del model.graph.value_info[:]  # shapes of maps, some of which are wider now


def _bottlenecks(graph: Graph) -> Iterator[tuple[Layer, Layer, Layer]]:
    """Find a layer, the depthwise layer that alone reads it, and the layer that alone reads that.

    The first and the last mix all channels.
    """
    readers = Counter(name for node in graph.model.graph.node for name in node.input)
    alone = {layer.reads: layer for layer in graph.layers if readers[layer.reads] == 1}
    for first in graph.layers:
        channels = len(graph.weights[first.weight])
        middle = alone.get(first.makes)
        last = alone.get(middle.makes) if middle else None
        if (
            middle
            and last
            and first.groups == last.groups == 1
            and middle.groups == len(graph.weights[middle.weight]) == channels > 1
        ):
            yield first, middle, last
