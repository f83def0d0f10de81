"""Quantization as facts about tensors, instead of as nodes around every operation."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from shufflenet.graph._layers import QuantParams
from shufflenet.graph._nodes import Node, OnnxGraph
from shufflenet.graph._sound import Unsound
from shufflenet.graph._tensors import Array

__all__ = ["Stripped", "strip_quantization"]


@dataclass(frozen=True, slots=True)
class Stripped:
    """A graph without QuantizeLinear and DequantizeLinear.

    Attributes:
        nodes: The other nodes; a tensor whose parameters change passes through a ``Requantize``.
        constants: All constants; quantized ones as the integers that they are.
        scales: Of each quantized constant the scales of its output channels.
        params: Of each tensor that is held in bytes its quantization parameters.
    """

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    scales: dict[str, Array] = field(default_factory=dict)
    params: dict[str, QuantParams] = field(default_factory=dict)


def strip_quantization(graph: OnnxGraph) -> Stripped:
    """Return a graph whose tensors keep their names, and have parameters in place of nodes.

    Raises:
        Unsound: quantization is not of the kind that ``quantize`` writes.
    """
    result = Stripped(constants=dict(graph.constants))
    readers = Counter(name for node in graph.nodes for name in node.inputs)
    same: dict[str, str] = {}  # the tensor that holds what a removed node would
    for node in graph.nodes:
        if node.op == "QuantizeLinear":
            _quantize(node, same, readers, result)
        elif node.op == "DequantizeLinear":
            _dequantize(node, same, result)
        else:
            inputs = tuple(same.get(name, name) for name in node.inputs)
            result.nodes.append(replace(node, inputs=inputs))
    return result


def _quantize(
    node: Node, same: dict[str, str], readers: Mapping[str, int], result: Stripped
) -> None:
    """Note the parameters of a tensor, or add a node where it has others or stays float as well.

    Raises:
        Unsound: they are no constants.
    """
    tensor, params = node.inputs[0], _params(node, result.constants)
    known = same.get(tensor, tensor)
    is_float = known not in result.params
    if is_float and readers[tensor] == 1:
        result.params[known] = params
    elif is_float or result.params[known] != params:
        result.nodes.append(Node(node.name, "Requantize", (known,), node.outputs, {}))
        result.params[node.output] = params
        known = node.output
    same[node.output] = known


def _dequantize(node: Node, same: dict[str, str], result: Stripped) -> None:
    """Read a quantized constant, or check the parameters of a tensor.

    Raises:
        Unsound: they are not those that the tensor was quantized with.
    """
    source = node.inputs[0]
    if source in result.constants:
        codes = result.constants[source]
        result.constants[node.output] = codes
        result.scales[node.output] = _channel_scales(node, codes, result.constants)
        return
    params, known = _params(node, result.constants), same.get(source, source)
    if result.params.setdefault(known, params) != params:  # the input of a file that takes bytes
        raise Unsound(f"reads {source[:80]!r} by other parameters than it was written by")
    same[node.output] = known


def _channel_scales(node: Node, codes: Array, constants: Mapping[str, Array]) -> Array:
    """Return the scale of each output channel, ``(out,)``.

    Raises:
        Unsound: there are others than one a channel, or a zero point is not 0.
    """
    scale = _constant(node, 1, constants).astype(np.float32)
    zero = _constant(node, 2, constants) if len(node.inputs) > 2 else np.zeros(1)
    fits = codes.dtype in (np.int8, np.int32) and scale.size in (1, len(codes)) and not zero.any()
    by_outputs = scale.size == 1 or node.attributes.get("axis", 1) in (0, -codes.ndim)
    if not (fits and by_outputs):
        raise Unsound(f"has weights, {node.output[:80]!r}, not quantized by output channels")
    return np.broadcast_to(scale.ravel(), len(codes)).copy()


def _params(node: Node, constants: Mapping[str, Array]) -> QuantParams:
    """Return the parameters of a node between floats and bytes.

    Raises:
        Unsound: they are no single scale and byte.
    """
    scale = _constant(node, 1, constants)
    zero = _constant(node, 2, constants) if len(node.inputs) > 2 else np.zeros((), np.uint8)
    if scale.size != 1 or zero.size != 1 or zero.dtype != np.uint8 or not scale.item() > 0:
        raise Unsound(f"quantizes {node.inputs[0][:80]!r} to something else than bytes")
    return QuantParams(float(scale.item()), int(zero.item()))


def _constant(node: Node, place: int, constants: Mapping[str, Array]) -> Array:
    """Return a constant that a node reads.

    Raises:
        Unsound: it is computed.
    """
    name = node.inputs[place] if len(node.inputs) > place else ""
    if name not in constants:
        raise Unsound(f"computes how {node.output[:80]!r} is quantized")
    return constants[name]
