"""A program's operations as LiteRT's, in float32 or in bytes, on maps ``(n, h, w, c)``.

Images may be given any size when a file runs, so no operation but a channel shuffle has a height
or a width in its constants. What XNNPACK, the library that LiteRT computes by on CPUs, does not
take is written otherwise: a concatenation of more than five tensors, a slice of open size.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from shufflenet.export._litert_layers import Layers, integers
from shufflenet.export._litert_model import Model, Operation
from shufflenet.export._litert_tensors import Tensors
from shufflenet.graph import Node, Program

__all__ = ["add_operations"]

_MOST_JOINED = 5  # tensors that XNNPACK concatenates at once
_ALL_BUT_CHANNELS = 0b0111  # the axes of a slice that are taken whole
_ACTIVATION = schema.ActivationFunctionType


def add_operations(program: Program, model: Model, tensors: Tensors) -> None:
    """Add the operations that compute a program's logits from its images.

    Args:
        program: The program.
        model: The model.
        tensors: Its tensors, the images among them.
    """
    writer = _Writer(program, model, tensors, Layers(program, model, tensors))
    for node, fused in _fuse(program):
        writer.add(node, fused=fused)


def _fuse(program: Program) -> list[tuple[Node, bool]]:
    """Return the nodes, each with whether it ends in a ReLU that a node after it was.

    A ReLU becomes part of the layer or sum before it if nothing else reads that, and nothing is
    rounded between the two.
    """
    readers = Counter(name for node in program.nodes for name in node.inputs)
    makers = {node.output: node for node in program.nodes}
    fused: dict[str, Node] = {}
    for node in program.nodes:
        before = makers.get(node.inputs[0]) if node.op == "Relu" else None
        if before is None or before.op not in ("Conv", "Gemm", "Add"):
            continue
        if readers[before.output] == 1 and before.output not in program.params:
            fused[before.output] = node
    absorbed = {node.output for node in fused.values()}
    return [
        (replace(node, outputs=fused[node.output].outputs), True)
        if node.output in fused
        else (node, False)
        for node in program.nodes
        if node.output not in absorbed
    ]


class _Writer:
    def __init__(self, program: Program, model: Model, tensors: Tensors, layers: Layers) -> None:
        self._program, self._model, self._tensors = program, model, tensors
        self._layers = layers
        self._positive: set[str] = set()  # tensors without a number below 0

    def add(self, node: Node, *, fused: bool) -> None:
        """Add a node, which may end in a ReLU."""
        activation = _ACTIVATION.RELU if fused else _ACTIVATION.NONE
        as_bytes = self._computes_bytes(node)
        match node.op:
            case "Conv":
                self._layers.convolution(node, activation)
            case "Gemm":
                self._layers.linear(node, activation)
            case "MaxPool":
                positive = node.inputs[0] in self._positive
                self._layers.max_pool(node, as_bytes=as_bytes, positive=positive)
            case "AveragePool":
                self._layers.average_pool(node, as_bytes=as_bytes)
            case "Add":
                self._compute(node, Operation("ADD", schema.AddOptionsT(activation)))
            case "Requantize":
                self._requantize(node)
            case _:
                writers: dict[str, Callable[[Node], None]] = {
                    "ChannelShuffle": self._shuffle,
                    "Concat": self._concat,
                    "Flatten": self._flatten,
                    "Gather": self._gather,
                    "GlobalAveragePool": self._mean,
                    "HardSigmoid": self._hard_sigmoid,
                    "HardSwish": self._hard_swish,
                    "Mul": self._multiply,
                    "Relu": self._relu,
                    "Sigmoid": self._sigmoid,
                    "Split": self._split,
                    "Swish": self._swish,
                }
                writers[node.op](node)
        moves = node.op in ("MaxPool", "Split", "Gather", "ChannelShuffle")
        if fused or node.op == "Relu" or (moves and node.inputs[0] in self._positive):
            self._positive.update(node.outputs)

    # --- operations on numbers ---

    def _mean(self, node: Node) -> None:
        options = schema.ReducerOptionsT(keepDims=True)
        self._compute(node, Operation("MEAN", options), integers(self._model, [1, 2]))

    def _multiply(self, node: Node) -> None:
        self._compute(node, Operation("MUL", schema.MulOptionsT()))

    def _relu(self, node: Node) -> None:
        self._compute(node, Operation("RELU"))

    def _sigmoid(self, node: Node) -> None:
        self._in_float(node, Operation("LOGISTIC"))

    def _hard_swish(self, node: Node) -> None:
        self._in_float(node, Operation("HARD_SWISH", schema.HardSwishOptionsT()))

    def _swish(self, node: Node) -> None:
        """Add ``x * sigmoid(x)``."""
        read = self._tensors.read(node.inputs[0], as_bytes=False)
        gate = self._model.tensor("gate", self._tensors.shape(node.output))
        self._model.operator(Operation("LOGISTIC"), [read], [gate])
        self._tensors.compute(Operation("MUL", schema.MulOptionsT()), [read, gate], node.output)

    def _hard_sigmoid(self, node: Node) -> None:
        """Add ``clip(x / 6 + 0.5, 0, 1)`` as ``min(max(x + 3, 0), 6) / 6``."""
        read = self._tensors.read(node.inputs[0], as_bytes=False)
        numbers = np.array([[3], [1 / 6]], np.float32)
        three, sixth = (self._model.constant("number", each) for each in numbers)
        clipped = self._model.tensor("clipped", self._tensors.shape(node.output))
        add = Operation("ADD", schema.AddOptionsT(_ACTIVATION.RELU6))
        self._model.operator(add, [read, three], [clipped])
        multiply = Operation("MUL", schema.MulOptionsT())
        self._tensors.compute(multiply, [clipped, sixth], node.output)

    def _requantize(self, node: Node) -> None:
        (name,) = node.inputs
        params = self._program.params.get(node.output)
        if params is None:
            number = self._tensors.read(name, as_bytes=False)
        else:
            number = self._tensors.rounded(name, params)
        self._tensors.take(node.output, number, as_bytes=params is not None)

    # --- channels that move ---

    def _split(self, node: Node) -> None:
        first = 0
        for output, channels in zip(node.outputs, node.attributes["sizes"], strict=True):
            self._slice(replace(node, outputs=(output,)), range(first, first + channels))
            first += channels

    def _gather(self, node: Node) -> None:
        indices = node.attributes["indices"]
        step = indices[1] - indices[0] if len(indices) > 1 else 1
        regular = range(indices[0], indices[-1] + 1, step) if step > 0 else range(0)
        if tuple(regular) == tuple(indices):
            self._slice(node, regular)
            return
        options = schema.GatherOptionsT(axis=3)
        self._move(node, Operation("GATHER", options), integers(self._model, indices))

    def _slice(self, node: Node, channels: range) -> None:
        bounds = ((channels.start, 0), (channels.stop, 0), (channels.step, 1))
        constants = [integers(self._model, [each] * 3 + [last]) for last, each in bounds]
        options = schema.StridedSliceOptionsT(_ALL_BUT_CHANNELS, _ALL_BUT_CHANNELS)
        self._move(node, Operation("STRIDED_SLICE", options), *constants)

    def _concat(self, node: Node) -> None:
        as_bytes = self._computes_bytes(node)
        if as_bytes:
            params = self._program.params[node.output]
            read = [self._tensors.rounded(name, params) for name in node.inputs]
        else:
            read = [self._tensors.read(name, as_bytes=False) for name in node.inputs]
        operation = Operation("CONCATENATION", schema.ConcatenationOptionsT(axis=3))
        sizes = [self._program.shapes[name][1] for name in node.inputs]
        while len(read) > _MOST_JOINED:
            shape = (*self._tensors.shape(node.output)[:3], sum(sizes[:_MOST_JOINED]))
            joined = self._tensors.beside(node.output, shape, as_bytes=as_bytes)
            whole = replace(operation, version=2 if as_bytes else 1)
            self._model.operator(whole, read[:_MOST_JOINED], [joined])
            read = [joined, *read[_MOST_JOINED:]]
            sizes = [shape[3], *sizes[_MOST_JOINED:]]
        compute = self._tensors.compute_bytes if as_bytes else self._tensors.compute
        compute(operation, read, node.output)

    def _shuffle(self, node: Node) -> None:
        """Add a channel shuffle; its heights and widths are those of the program."""
        as_bytes, (name,) = self._computes_bytes(node), node.inputs
        groups, (n, h, w, c) = node.attributes["groups"], self._tensors.shape(node.output)
        apart = self._tensors.beside(name, (n, h, w, groups, c // groups), as_bytes=as_bytes)
        turned = self._tensors.beside(name, (n, h, w, c // groups, groups), as_bytes=as_bytes)
        shape = integers(self._model, [-1, h, w, groups, c // groups])
        read = self._tensors.read(name, as_bytes=as_bytes)
        self._model.operator(Operation("RESHAPE", schema.ReshapeOptionsT()), [read, shape], [apart])
        order = integers(self._model, [0, 1, 2, 4, 3])
        transpose = Operation("TRANSPOSE", schema.TransposeOptionsT(), 2 if as_bytes else 1)
        self._model.operator(transpose, [apart, order], [turned])
        self._reshape(node, turned)

    def _flatten(self, node: Node) -> None:
        as_bytes = self._computes_bytes(node)
        self._reshape(node, self._tensors.read(node.inputs[0], as_bytes=as_bytes))

    def _reshape(self, node: Node, read: int) -> None:
        shape = integers(self._model, [-1, *self._tensors.shape(node.output)[1:]])
        operation = Operation("RESHAPE", schema.ReshapeOptionsT())
        self._moved(node, operation, [read, shape])

    # --- in floats or in bytes ---

    def _computes_bytes(self, node: Node) -> bool:
        """Return whether all that a node reads and writes is held in bytes."""
        read = [name for name in node.inputs if name in self._program.shapes]
        return all(name in self._program.params for name in (*read, *node.outputs))

    def _compute(self, node: Node, operation: Operation, *constants: int) -> None:
        """Add an operation that computes bytes of any parameters."""
        as_bytes = self._computes_bytes(node)
        read = [self._tensors.read(name, as_bytes=as_bytes) for name in node.inputs]
        compute = self._tensors.compute_bytes if as_bytes else self._tensors.compute
        compute(operation, [*read, *constants], node.output)

    def _in_float(self, node: Node, operation: Operation) -> None:
        """Add an operation that is computed in float32 even between bytes."""
        read = self._tensors.read(node.inputs[0], as_bytes=False)
        self._tensors.compute(operation, [read], node.output)

    def _move(self, node: Node, operation: Operation, *constants: int) -> None:
        """Add an operation that moves numbers and computes none."""
        as_bytes = self._computes_bytes(node)
        read = self._tensors.read(node.inputs[0], as_bytes=as_bytes)
        self._moved(node, operation, [read, *constants])

    def _moved(self, node: Node, operation: Operation, read: list[int]) -> None:
        if self._computes_bytes(node):
            written = self._program.params[node.inputs[0]]
            self._tensors.compute_bytes(operation, read, node.output, written)
        else:
            self._tensors.compute(operation, read, node.output)
