"""Convolutions, the classifier and poolings as LiteRT's operations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from shufflenet.export._litert_model import Codes, Model, Operation
from shufflenet.export._litert_tensors import Tensors
from shufflenet.graph import Array, Node, Program

__all__ = ["Layers", "integers"]

_LOWEST_BYTE, _LARGEST_CODE = -128, 127
_NO_PADS = (0, 0, 0, 0)


def integers(model: Model, values: Any) -> int:  # noqa: ANN401  # nested sequences
    """Add a constant of integers, such as a shape, and return its number."""
    return model.constant("integers", np.asarray(values, np.int32))


@dataclass(frozen=True, slots=True)
class _Weighted:
    """A layer as an operation reads it.

    Attributes:
        operation: The operation.
        weight: The weights in its order of axes.
        axis: The axis of output channels.
        pads: The pixels that are added at the top, left, bottom and right.
    """

    operation: Operation
    weight: Array
    axis: int = 0
    pads: Sequence[int] = _NO_PADS


class Layers:
    """Writes layers that read windows or have weights.

    Args:
        program: The program.
        model: The model.
        tensors: Its tensors.
    """

    def __init__(self, program: Program, model: Model, tensors: Tensors) -> None:
        self._program, self._model, self._tensors = program, model, tensors

    def convolution(self, node: Node, activation: int) -> None:
        """Add a convolution; ``activation`` is one of the schema's."""
        weight = self._program.constants[node.inputs[1]]
        groups, strides, pads = (node.attributes[key] for key in ("group", "strides", "pads"))
        # LiteRT pads by itself as ONNX does only where the stride is 1.
        itself = list(strides) == [1, 1] and [2 * each + 1 for each in pads] == [
            *weight.shape[2:],
            *weight.shape[2:],
        ]
        depthwise = weight.shape[1] == 1 and groups > 1
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.padding = schema.Padding.SAME if itself else schema.Padding.VALID
        options.strideH, options.strideW = strides
        options.fusedActivationFunction = activation
        pads = _NO_PADS if itself else pads
        if depthwise:
            options.depthMultiplier = len(weight) // groups
            turned = weight.transpose(1, 2, 3, 0)
            layer = _Weighted(Operation("DEPTHWISE_CONV_2D", options), turned, 3, pads)
        else:
            turned = weight.transpose(0, 2, 3, 1)
            layer = _Weighted(Operation("CONV_2D", options), turned, 0, pads)
        self._weighted(node, layer)

    def linear(self, node: Node, activation: int) -> None:
        """Add the classifier."""
        options = schema.FullyConnectedOptionsT(fusedActivationFunction=activation)
        weight = self._program.constants[node.inputs[1]]
        self._weighted(node, _Weighted(Operation("FULLY_CONNECTED", options), weight))

    def max_pool(self, node: Node, *, as_bytes: bool, positive: bool) -> None:
        """Add a maximum; ``positive`` says that no pixel is below 0, which then is padding."""
        name, pads = node.inputs[0], node.attributes["pads"]
        lowest = not positive and any(pads)
        if as_bytes and self._program.params[name].zero_point == 0:
            lowest = False
        read = self._padded(name, pads, as_bytes=as_bytes, lowest=lowest)
        operation = Operation("MAX_POOL_2D", _window(node))
        if as_bytes:
            written = self._program.params[name]
            self._tensors.compute_bytes(operation, [read], node.output, written)
        else:
            self._tensors.compute(operation, [read], node.output)

    def average_pool(self, node: Node, *, as_bytes: bool) -> None:
        """Add an average of windows, of bytes as a depthwise convolution, which rounds once."""
        name, pads = node.inputs[0], node.attributes["pads"]
        if any(pads) and not node.attributes["count_include_pad"]:
            self._average_of_pixels(node)
            return
        read = self._padded(name, pads, as_bytes=as_bytes)
        if not as_bytes:
            self._tensors.compute(Operation("AVERAGE_POOL_2D", _window(node)), [read], node.output)
            return
        window, channels = node.attributes["kernel_shape"], self._program.shapes[name][1]
        scale = np.full(channels, 1 / (_LARGEST_CODE * np.prod(window)), np.float32)
        options = schema.DepthwiseConv2DOptionsT(padding=schema.Padding.VALID, depthMultiplier=1)
        options.strideH, options.strideW = node.attributes["strides"]
        ones = np.full((1, *window, channels), _LARGEST_CODE, np.int8)
        of_sums = Codes(scale * np.float32(self._program.params[name].scale))
        constants = [
            self._model.constant("ones", ones, Codes(scale, axis=3)),
            self._model.constant("zeros", np.zeros(channels, np.int32), of_sums),
        ]
        operation = Operation("DEPTHWISE_CONV_2D", options)
        self._tensors.compute_bytes(operation, [read, *constants], node.output)

    def _average_of_pixels(self, node: Node) -> None:
        """Add an average that does not count padding: one that does, over that of a map of 1."""
        name, pads = node.inputs[0], node.attributes["pads"]
        n, h, w, _ = self._tensors.shape(name)
        top, left, bottom, right = pads
        padded = (n, top + h + bottom, left + w + right, 1)
        shapes = [(n, h, w, 1)] * 3 + [padded, (*self._tensors.shape(node.output)[:3], 1)]
        one, zeros, ones, around, shares = (self._model.tensor("ones", each) for each in shapes)
        masks = schema.StridedSliceOptionsT(0b0111, 0b0111)
        bounds = [integers(self._model, each) for each in ([0] * 4, [0, 0, 0, 1], [1] * 4)]
        read = self._tensors.read(name, as_bytes=False)
        self._model.operator(Operation("STRIDED_SLICE", masks), [read, *bounds], [one])
        factors = [self._model.constant("number", np.array([x], np.float32)) for x in (0, 1)]
        self._model.operator(Operation("MUL", schema.MulOptionsT()), [one, factors[0]], [zeros])
        self._model.operator(Operation("ADD", schema.AddOptionsT()), [zeros, factors[1]], [ones])
        sides = integers(self._model, [[0, 0], [top, bottom], [left, right], [0, 0]])
        self._model.operator(Operation("PAD", schema.PadOptionsT()), [ones, sides], [around])
        average = Operation("AVERAGE_POOL_2D", _window(node))
        self._model.operator(average, [around], [shares])
        sums = self._model.tensor(node.output, self._tensors.shape(node.output))
        self._model.operator(average, [self._padded(name, pads, as_bytes=False)], [sums])
        divide = Operation("DIV", schema.DivOptionsT())
        self._tensors.compute(divide, [sums, shares], node.output)

    def _weighted(self, node: Node, layer: _Weighted) -> None:
        name, weight_name, bias_name = node.inputs
        program = self._program
        weight, scale = np.ascontiguousarray(layer.weight), program.scales.get(weight_name)
        bias, bias_scale = program.constants[bias_name], program.scales.get(bias_name)
        if scale is not None and name in program.params and node.output in program.params:
            read = self._padded(name, layer.pads, as_bytes=True)
            constants = [
                self._model.constant(weight_name, weight, Codes(scale, axis=layer.axis)),
                self._model.constant(bias_name, bias, Codes(program.scales[bias_name])),
            ]
            self._tensors.compute_bytes(layer.operation, [read, *constants], node.output)
            return
        if bias_scale is not None:
            bias = bias.astype(np.float32) * bias_scale
        read = self._padded(name, layer.pads, as_bytes=False)
        constants = [
            self._tensors.weights(weight_name, weight, scale, layer.axis),
            self._model.constant(bias_name, bias.astype(np.float32)),
        ]
        self._tensors.compute(layer.operation, [read, *constants], node.output)

    def _padded(
        self, name: str, pads: Sequence[int], *, as_bytes: bool, lowest: bool = False
    ) -> int:
        """Return a map with pixels around it: of value 0, or of the lowest value that there is."""
        read = self._tensors.read(name, as_bytes=as_bytes)
        if not any(pads):
            return read
        top, left, bottom, right = pads
        n, h, w, c = self._tensors.shape(name)
        shape = (n, top + h + bottom, left + w + right, c)
        padded = self._tensors.beside(name, shape, as_bytes=as_bytes)
        sides = integers(self._model, [[0, 0], [top, bottom], [left, right], [0, 0]])
        version = 2 if as_bytes else 1
        if not lowest:
            operation = Operation("PAD", schema.PadOptionsT(), version)
            self._model.operator(operation, [read, sides], [padded])
            return padded
        value = self._tensors.number(
            name, np.int8(_LOWEST_BYTE) if as_bytes else np.finfo(np.float32).min
        )
        operation = Operation("PADV2", schema.PadV2OptionsT(), version)
        self._model.operator(operation, [read, sides, value], [padded])
        return padded


def _window(node: Node) -> Any:  # noqa: ANN401  # the schema's classes have no types
    options = schema.Pool2DOptionsT(padding=schema.Padding.VALID)
    options.strideH, options.strideW = node.attributes["strides"]
    options.filterHeight, options.filterWidth = node.attributes["kernel_shape"]
    return options
