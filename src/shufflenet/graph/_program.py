"""An exported network as operations on images of one shape, which writers of formats translate.

A file holds more than another format needs to know: constants that are cast, shapes that are
computed, quantization around every operation. Here these are values, and each operation is written
in one way.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import onnx

from shufflenet.graph._layers import QuantParams
from shufflenet.graph._nodes import Node, read_onnx_graph
from shufflenet.graph._operations import Operations
from shufflenet.graph._separate import separate_weights
from shufflenet.graph._sound import Unsound
from shufflenet.graph._strip_quantization import strip_quantization
from shufflenet.graph._tensors import Array

__all__ = ["OPERATIONS", "Program", "read_program"]

# What a program consists of. Attributes are those of ONNX, but for three operations, whose inputs
# that say how are attributes here: Split has ``sizes``, Gather ``indices``, ChannelShuffle
# ``groups``. All of these choose channels, on axis 1.
OPERATIONS = (
    *("Conv", "Gemm", "MaxPool", "AveragePool", "GlobalAveragePool", "Flatten"),
    *("Relu", "Sigmoid", "HardSigmoid", "HardSwish", "Swish", "Add", "Mul"),
    *("Split", "Concat", "Gather", "ChannelShuffle", "Requantize"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A network as operations.

    A tensor with quantization parameters is rounded and clipped to its bytes after the node that
    makes it; this clip is the ReLU wherever ``quantize`` removed one. A node computes in int8 if
    its weights are integers, and one without weights if its inputs and outputs all have
    parameters; the others compute in float32 with what the bytes mean. Requantize copies a tensor
    to one of other parameters, or of none.

    Attributes:
        nodes: The operations in order, each of ``OPERATIONS``. Tensors have the axes ``(n, c, h,
            w)``, and ``(n, c)`` from Flatten on. Conv and Gemm have a bias; the weights of Gemm
            are ``(out, in)``. HardSigmoid is ``clip(x / 6 + 0.5, 0, 1)``.
        constants: Weights and biases by name: float32, or int8 and int32 where quantized.
        scales: Of each quantized constant the scale of every output channel, ``(out,)``; the zero
            point is 0. The scale of a bias is that of the weights times that of the input.
        params: Of each tensor that is held in bytes (uint8) the scale and the zero point.
        images: The name of the input.
        logits: The name of the output, float32.
        takes_bytes: Whether the images are RGB pixels, uint8, instead of normalized float32.
        shapes: The shape of every tensor.
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    scales: Mapping[str, Array]
    params: Mapping[str, QuantParams]
    images: str
    logits: str
    takes_bytes: bool
    shapes: Mapping[str, tuple[int, ...]]


def read_program(model: onnx.ModelProto, batch: int, size: tuple[int, int]) -> Program:
    """Read a network that ``export`` or ``quantize`` wrote, for images of one shape.

    Args:
        model: The network; it is not changed.
        batch: The number of images.
        size: Their height and width, px.

    Raises:
        Unsound: the graph means nothing, or computes what no exported network does.
    """
    own = onnx.ModelProto()
    own.CopyFrom(model)
    separate_weights(own)
    graph = read_onnx_graph(own)
    inputs = [each for each in own.graph.input if each.name in graph.inputs]
    if len(inputs) != 1 or len(graph.outputs) != 1:
        raise Unsound("has other inputs than images, or other outputs than logits")
    kind, images = inputs[0].type.tensor_type, inputs[0].name
    dims = [int(each.dim_value) for each in kind.shape.dim]
    if len(dims) != 4 or dims[1] < 1:
        raise Unsound("has an input without a number of channels")
    quantized = strip_quantization(graph)
    operations = Operations(quantized, {images: (batch, dims[1], *size)})
    for node in quantized.nodes:
        operations.read(node)
    nodes, constants = operations.leading_to(graph.outputs[0])
    return Program(
        nodes=nodes,
        constants=constants,
        scales=quantized.scales,
        params=quantized.params,
        images=images,
        logits=graph.outputs[0],
        takes_bytes=kind.elem_type == onnx.TensorProto.UINT8,
        shapes=operations.shapes,
    )
