"""The operations of a program, read node by node: written in one way, with their shapes."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from shufflenet.graph._evaluate import evaluate, sliced
from shufflenet.graph._nodes import Node
from shufflenet.graph._sound import Unsound
from shufflenet.graph._strip_quantization import Stripped
from shufflenet.graph._tensors import Array

__all__ = ["Operations"]

_UNARY = ("Relu", "Sigmoid", "HardSwish", "Swish", "Requantize")
_SIXTH = 1 / 6
_Shape = tuple[int, ...]


class Operations:
    """What was read so far.

    Attributes:
        nodes: The operations.
        shapes: The shape of every tensor.
    """

    def __init__(self, quantized: Stripped, images: Mapping[str, _Shape]) -> None:
        self.nodes: list[Node] = []
        self.shapes: dict[str, _Shape] = dict(images)
        self._quantized = quantized
        self._constants = quantized.constants
        self._same: dict[str, str] = {}  # of a tensor that is another one under a second name
        self._flat: dict[str, str] = {}  # of a flattened tensor the one before, (n, c, 1, 1)
        self._grouped: dict[str, tuple[str, int, bool]] = {}  # half of a channel shuffle
        self._readers: dict[str, Callable[[Node], None]] = {
            "AveragePool": self._pool,
            "Concat": self._concat,
            "Conv": self._conv,
            "Flatten": self._flatten,
            "Gather": self._gather,
            "Gemm": self._gemm,
            "HardSigmoid": self._hard_sigmoid,
            "MaxPool": self._pool,
            "ReduceMean": self._mean,
            "Reshape": self._reshape,
            "Shape": self._shape_of,
            "Slice": self._slice,
            "Split": self._split,
            "Transpose": self._transpose,
            "Unsqueeze": self._unsqueeze,
            **dict.fromkeys(_UNARY, self._unary),
            **dict.fromkeys(("Add", "Mul"), self._binary),
        }

    def read(self, node: Node) -> None:
        """Read a node.

        Raises:
            Unsound: no exported network has such a node in this place.
        """
        node = replace(node, inputs=tuple(self._same.get(each, each) for each in node.inputs))
        given = [each for each in node.inputs if each]
        if node.op != "Shape" and all(each in self._constants for each in given):
            result = evaluate(node, [self._constants[each] for each in given])
            if result is not None:
                self._constants[node.output] = result
                return
        if node.op not in self._readers:
            raise Unsound(f"has a {node.op[:80]}, which is not read")
        try:
            self._readers[node.op](node)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise Unsound(f"has a {node.op} that does not fit what it reads") from error

    def leading_to(self, output: str) -> tuple[tuple[Node, ...], dict[str, Array]]:
        """Return the operations that an output depends on, and the constants that these read."""
        used, nodes = {output}, []
        for node in reversed(self.nodes):
            if not used.isdisjoint(node.outputs):
                used.update(node.inputs)
                nodes.append(node)
        constants = {name: array for name, array in self._constants.items() if name in used}
        return tuple(reversed(nodes)), constants

    def _add(self, node: Node, *shapes: _Shape) -> None:
        self.nodes.append(node)
        self.shapes.update(zip(node.outputs, shapes, strict=True))

    def _alias(self, node: Node, tensor: str) -> None:
        """Note a second name of a tensor, by which it may have other parameters."""
        params = self._quantized.params
        if node.output in params and params.get(tensor) != params[node.output]:
            copy = Node(node.name, "Requantize", (tensor,), node.outputs, {})
            self._add(copy, self.shapes[tensor])
        else:
            self._same[node.output] = tensor

    def _unary(self, node: Node) -> None:
        self._add(node, self.shapes[node.inputs[0]])

    def _hard_sigmoid(self, node: Node) -> None:
        slope, offset = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
        _require(abs(slope - _SIXTH) < 1e-6 and offset == 0.5)
        self._add(replace(node, attributes={}), self.shapes[node.inputs[0]])

    def _binary(self, node: Node) -> None:
        first, second = (self.shapes[each] for each in node.inputs)
        self._add(node, np.broadcast_shapes(first, second))

    def _conv(self, node: Node) -> None:
        node = self._with_bias(node)
        batch, channels, *size = self.shapes[node.inputs[0]]
        out, inputs, *kernel = self._constants[node.inputs[1]].shape
        _require(
            node.attributes["dilations"] == [1, 1] and inputs * node.attributes["group"] == channels
        )
        self._add(node, (batch, out, *_windowed(size, kernel, node)))

    def _pool(self, node: Node) -> None:
        batch, channels, *size = self.shapes[node.inputs[0]]
        _require(not node.attributes["ceil_mode"] and node.attributes["dilations"] == [1, 1])
        kernel = node.attributes["kernel_shape"]
        self._add(node, (batch, channels, *_windowed(size, kernel, node)))

    def _gemm(self, node: Node) -> None:
        given = node.attributes
        _require(given["alpha"] == given["beta"] == 1.0 and not given["transA"])
        if not given["transB"]:
            name = f"{node.inputs[1]}_transposed"
            self._constants[name] = np.ascontiguousarray(self._constants[node.inputs[1]].T)
            node = replace(node, inputs=(node.inputs[0], name, *node.inputs[2:]))
        node = self._with_bias(replace(node, attributes={}))
        batch, features = self.shapes[node.inputs[0]]
        out, inputs = self._constants[node.inputs[1]].shape
        _require(inputs == features)
        self._add(node, (batch, out))

    def _with_bias(self, node: Node) -> Node:
        """Return a layer that has a bias; that of an int8 layer is in units of its products."""
        if len(node.inputs) == 3:
            return node
        (tensor, weight), of = node.inputs, self._quantized
        bias, codes = f"{weight}_no_bias", self._constants[weight]
        dtype = np.int32 if weight in of.scales else np.float32
        self._constants[bias] = np.zeros(len(codes), dtype)
        if weight in of.scales:
            of.scales[bias] = of.scales[weight] * np.float32(of.params[tensor].scale)
        return replace(node, inputs=(tensor, weight, bias))

    def _concat(self, node: Node) -> None:
        shapes = [self.shapes[each] for each in node.inputs]
        _require(node.attributes["axis"] == 1 and len({each[2:] for each in shapes}) == 1)
        channels = sum(each[1] for each in shapes)
        self._add(node, (shapes[0][0], channels, *shapes[0][2:]))

    def _split(self, node: Node) -> None:
        batch, channels, *size = self.shapes[node.inputs[0]]
        parts = len(node.outputs)
        if len(node.inputs) > 1:
            sizes = [int(each) for each in self._constants[node.inputs[1]]]
        else:
            each = math.ceil(channels / parts)
            sizes = [each] * (parts - 1) + [channels - each * (parts - 1)]
        _require(node.attributes.get("axis") == 1 and min(sizes) > 0 and sum(sizes) == channels)
        _require(len(sizes) == parts)
        split = replace(node, inputs=node.inputs[:1], attributes={"sizes": tuple(sizes)})
        self._add(split, *((batch, each, *size) for each in sizes))

    def _gather(self, node: Node) -> None:
        tensor, indices = node.inputs[0], self._constants[node.inputs[1]]
        shape, axis = self.shapes[tensor], node.attributes.get("axis", 0)
        if indices.ndim == 0 and axis == 2 and not indices and shape[2] == 1:
            if len(shape) == 4:  # one axis after the other is taken away
                self.shapes[node.output] = shape[:3]
                self._flat[node.output] = tensor
            else:
                self._flatten(replace(node, inputs=(self._flat[tensor],)))
            return
        _require(axis == 1 and len(shape) == 4 and indices.ndim == 1)
        self._choose(node, np.arange(shape[1])[indices])

    def _slice(self, node: Node) -> None:
        bounds = [self._constants[each] for each in node.inputs[1:]]
        step = bounds[3] if len(bounds) > 3 else np.ones(1, np.int64)
        _require(len(bounds) > 2 and bounds[2].item() == 1)
        channels = np.arange(self.shapes[node.inputs[0]][1])
        self._choose(node, sliced(channels, (bounds[0], bounds[1], step), 0))

    def _choose(self, node: Node, channels: Array) -> None:
        """Add the choice of some channels, ``(c,)``."""
        batch, _, *size = self.shapes[node.inputs[0]]
        indices = {"indices": tuple(int(each) for each in channels)}
        choice = Node(node.name, "Gather", node.inputs[:1], node.outputs, indices)
        self._add(choice, (batch, len(channels), *size))

    def _mean(self, node: Node) -> None:
        listed = len(node.inputs) > 1  # an attribute before operator set 18
        axes = list(self._constants[node.inputs[1]] if listed else node.attributes.get("axes", []))
        tensor = node.inputs[0]
        batch, channels, *size = self.shapes[tensor]
        _require(sorted(axes) in ([2, 3], [-2, -1]) and len(size) == 2)
        if not node.attributes.get("keepdims", 1):
            pooled = f"{node.output}_pooled"
            if node.output in self._quantized.params:
                self._quantized.params[pooled] = self._quantized.params[node.output]
            mean = Node(node.name, "GlobalAveragePool", (tensor,), (pooled,), {})
            self._add(mean, (batch, channels, 1, 1))
            self._flatten(replace(node, inputs=(pooled,)))
        else:  # also of one pixel, for a file may be written for images of any size
            mean = Node(node.name, "GlobalAveragePool", (tensor,), node.outputs, {})
            self._add(mean, (batch, channels, 1, 1))

    def _flatten(self, node: Node) -> None:
        tensor = node.inputs[0]
        shape = self.shapes[tensor]
        _require(shape[2:] == (1, 1))
        self._add(Node(node.name, "Flatten", (tensor,), node.outputs, {}), shape[:2])
        self._flat[node.output] = tensor

    def _unsqueeze(self, node: Node) -> None:
        _require(self._constants[node.inputs[1]].tolist() in ([2, 3], [-2, -1]))
        self._alias(node, self._flat[node.inputs[0]])

    def _shape_of(self, node: Node) -> None:
        first, last = node.attributes.get("start", 0), node.attributes.get("end")
        self._constants[node.output] = np.array(self.shapes[node.inputs[0]][first:last], np.int64)

    def _reshape(self, node: Node) -> None:
        tensor = node.inputs[0]
        sizes = [int(each) for each in self._constants[node.inputs[1]]]
        if sizes[0] == 0:  # that of the input
            sizes[0] = self.shapes[self._grouped.get(tensor, (tensor,))[0]][0]
        if tensor in self._grouped:  # the end of a shuffle
            source, groups, transposed = self._grouped[tensor]
            _require(transposed and _fits(sizes, self.shapes[source]))
            shuffle = Node(node.name, "ChannelShuffle", (source,), node.outputs, {"groups": groups})
            self._add(shuffle, self.shapes[source])
            return
        shape = self.shapes[tensor]
        if len(sizes) == 2:
            self._flatten(node)
            return
        _require(len(shape) == 4 and sizes[1] > 0 and not shape[1] % sizes[1])
        pixels = shape[2:] if len(sizes) == 5 else (shape[2] * shape[3],)
        grouped = (shape[0], sizes[1], shape[1] // sizes[1], *pixels)
        _require(_fits(sizes, grouped))
        self._grouped[node.output] = tensor, sizes[1], False

    def _transpose(self, node: Node) -> None:
        source, groups, _ = self._grouped[node.inputs[0]]
        _require(node.attributes["perm"] in ([0, 2, 1, 3], [0, 2, 1, 3, 4]))
        self._grouped[node.output] = source, groups, True


def _fits(sizes: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether sizes of a Reshape, of which one may be left open as -1, make a shape."""
    same = [size in (-1, wanted) for size, wanted in zip(sizes, shape, strict=False)]
    return len(sizes) == len(shape) and all(same)


def _windowed(size: Sequence[int], kernel: Sequence[int], node: Node) -> _Shape:
    """Return the height and width that a window of a layer leaves of an image."""
    given = node.attributes
    _require(given["auto_pad"] in (b"NOTSET", "NOTSET"))
    top, left, bottom, right = given["pads"]
    padded = (size[0] + top + bottom, size[1] + left + right)
    result = tuple(
        (side - length) // stride + 1
        for side, length, stride in zip(padded, kernel, given["strides"], strict=True)
    )
    _require(min(result) > 0)
    return result


def _require(holds: object) -> None:
    """Check a condition.

    Raises:
        ValueError: it does not hold; ``Operations.read`` names the operation.
    """
    if not holds:
        raise ValueError
