"""The convolutions and linear layers of a float ONNX graph, by the names of their constants."""

from dataclasses import dataclass

from shufflenet.graph._nodes import OnnxGraph

__all__ = ["WeightedLayer", "weighted_layers"]


@dataclass(frozen=True, slots=True)
class WeightedLayer:
    """A convolution, or a linear layer, which is read as a convolution of 1x1.

    Attributes:
        nodes: The names of its nodes in the graph: its own and that of the ReLU after it.
        input: The tensor that it reads.
        output: The tensor that it writes, after the ReLU.
        weight: The name of its weights, ``(out, in / groups, kh, kw)`` or ``(out, in)``.
        bias: The name of its bias, ``(out,)``.
        groups: The number of groups of channels that are convolved separately.
        pads: Rows above, columns left, rows below, columns right.
        strides: The steps down and to the right.
    """

    nodes: tuple[str, ...]
    input: str
    output: str
    weight: str
    bias: str
    groups: int = 1
    pads: tuple[int, ...] = (0, 0, 0, 0)
    strides: tuple[int, ...] = (1, 1)


def weighted_layers(graph: OnnxGraph) -> tuple[WeightedLayer, ...]:
    """Return every Conv and every Gemm ``y = x @ w.T + b`` whose weights and bias are constants.

    Args:
        graph: The graph of a model after :func:`separate_weights`, whose nodes all have names.
    """
    relus = {node.inputs[0]: node for node in graph.nodes if node.op == "Relu"}
    layers = []
    for node in graph.nodes:
        has_constants = len(node.inputs) == 3 and graph.constants.keys() >= {*node.inputs[1:]}
        is_linear = node.op == "Gemm" and node.attributes["transB"]
        if not has_constants or not (node.op == "Conv" or is_linear):
            continue
        relu = relus.get(node.output)
        pads, strides = node.attributes.get("pads", [0] * 4), node.attributes.get("strides", [1, 1])
        layers.append(
            WeightedLayer(
                nodes=(node.name, relu.name) if relu else (node.name,),
                input=node.inputs[0],
                output=relu.output if relu else node.output,
                weight=node.inputs[1],
                bias=node.inputs[2],
                groups=node.attributes.get("group", 1),
                pads=tuple(pads),
                strides=tuple(strides),
            )
        )
    return tuple(layers)
