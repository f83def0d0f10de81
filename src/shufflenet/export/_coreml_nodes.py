"""A network's nodes as operations of Core ML's programs.

Every parameter is stated, also those with a default, as coremltools does: Core ML's compiler
refuses operations that lack one.

Source: coremltools 9.0, converters/mil/mil/ops/defs/iOS15 and iOS16
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet.files.mlpackage import Constant, Operation, Result, TensorType
from shufflenet.graph import Node, Program

__all__ = ["Builder", "add_nodes"]

_Array: TypeAlias = npt.NDArray[np.generic]
_Inputs: TypeAlias = Mapping[str, str | tuple[str, ...]]

# What makes no values beyond those that it reads.
_WITHIN = {
    *("AveragePool", "ChannelShuffle", "Concat", "Flatten", "Gather", "GlobalAveragePool"),
    *("MaxPool", "Split"),
}


class Builder:
    """Gathers operations; each constant is stated once, however many operations read it.

    Args:
        dtype: The type of values and weights: ``float16`` or ``float32``.
        batch_dims: Whether a gather has that parameter, as from CoreML6 on.
    """

    def __init__(self, dtype: str, *, batch_dims: bool) -> None:
        self.dtype, self.batch_dims = dtype, batch_dims
        self.operations: list[Operation] = []
        self._constants: dict[tuple[TensorType, bytes], str] = {}
        self._counts: Counter[str] = Counter()

    def constant(self, value: _Array | str) -> str:
        """Return the name of a constant."""
        if isinstance(value, str):
            key, kind = value.encode(), TensorType("str", ())
        else:
            key, kind = value.tobytes(), TensorType(value.dtype.name, value.shape)
        if (kind, key) not in self._constants:
            name = self._constants[kind, key] = self._name("const")
            constant = Operation("const", {}, ((name, kind),), attributes={"val": value})
            self.operations.append(constant)
        return self._constants[kind, key]

    def numbers(self, *values: int) -> str:
        """Return the name of a constant list of integers."""
        return self.constant(np.array(values, np.int32))

    def number(self, value: float | bool) -> str:
        """Return the name of a constant: a truth value, an integer, or a number of this type."""
        if isinstance(value, float):
            return self.constant(np.array(value, self.dtype))
        return self.constant(np.array(value, np.bool_ if isinstance(value, bool) else np.int32))

    def add(
        self,
        kind: str,
        inputs: _Inputs,
        shape: tuple[int, ...],
        *,
        dtype: str = "",
        name: str = "",
    ) -> str:
        """Add an operation of one output, and return that one's name."""
        output = name or self._name(kind)
        self.operations.append(
            Operation(kind, _names(inputs), ((output, TensorType(dtype or self.dtype, shape)),))
        )
        return output

    def split(self, inputs: _Inputs, shapes: list[tuple[int, ...]]) -> list[str]:
        """Add a split, and return the names of its parts."""
        names = [self._name("split") for _ in shapes]
        types = [TensorType(self.dtype, shape) for shape in shapes]
        outputs = tuple(zip(names, types, strict=True))
        self.operations.append(Operation("split", _names(inputs), outputs))
        return names

    def weights(self, codes: _Array, scale: _Array) -> str:
        """Add weights that are read as ``codes * scale``, a scale for each output channel."""
        output = self._name("weights")
        attributes: dict[str, Constant] = {
            "quantized_data": codes,
            "zero_point": np.zeros(scale.shape, codes.dtype),
            "scale": scale.astype(self.dtype),
            "axis": np.array(0, np.int32),
        }
        outputs = ((output, TensorType(self.dtype, codes.shape)),)
        kind = "constexpr_affine_dequantize"
        self.operations.append(Operation(kind, {}, outputs, attributes=attributes))
        return output

    def cast(self, name: str, shape: tuple[int, ...]) -> str:
        """Return a float32 value's name, or that of the value converted to this type."""
        return name if self.dtype == "float32" else self.convert(name, self.dtype, shape)

    def convert(self, value: str, dtype: str, shape: tuple[int, ...], *, name: str = "") -> str:
        """Add a conversion to another type, and return the name of its result."""
        short = {"float16": "fp16", "float32": "fp32"}[dtype]
        inputs = {"x": value, "dtype": self.constant(short)}
        return self.add("cast", inputs, shape, dtype=dtype, name=name)

    def classify(
        self, probabilities: str, results: tuple[Result, ...], labels: tuple[str, ...]
    ) -> None:
        """Add the operation that names the most probable class."""
        inputs = {"probabilities": (probabilities,)}
        outputs = tuple((each.name, each.kind) for each in results)
        self.operations.append(Operation("classify", inputs, outputs, {"classes": labels}))

    def _name(self, kind: str) -> str:
        self._counts[kind] += 1
        return f"{kind}_{self._counts[kind]}"


def _names(inputs: _Inputs) -> dict[str, tuple[str, ...]]:
    return {key: each if isinstance(each, tuple) else (each,) for key, each in inputs.items()}


def add_nodes(builder: Builder, program: Program, images: str) -> str:
    """Add a network's nodes, and return the name of its logits.

    Args:
        builder: Where they are added.
        program: The network.
        images: The name of the prepared images, of the builder's type.
    """
    writer = _Writer(builder, program, images)
    for node in program.nodes:
        writer.add(node)
    return writer.values[program.logits]


class _Writer:
    """Adds the operations of a network's nodes.

    Attributes:
        values: The names of values in the Core ML program, by the network's.
    """

    def __init__(self, builder: Builder, program: Program, images: str) -> None:
        self._to, self._program = builder, program
        self.values = {program.images: images}
        self._by_op: dict[str, Callable[[Node], str]] = {
            "Add": self._binary,
            "AveragePool": self._pool,
            "ChannelShuffle": self._shuffle,
            "Concat": self._concat,
            "Conv": self._conv,
            "Flatten": self._flatten,
            "Gather": self._gather,
            "Gemm": self._linear,
            "GlobalAveragePool": self._mean,
            "HardSigmoid": self._sigmoid_hard,
            "HardSwish": self._hard_swish,
            "MaxPool": self._pool,
            "Mul": self._binary,
            "Relu": self._unary,
            "Requantize": self._value,
            "Sigmoid": self._unary,
            "Swish": self._unary,
        }

    def add(self, node: Node) -> None:
        """Add one node's operations."""
        if node.op == "Split":
            parts = [self._program.shapes[name] for name in node.outputs]
            sizes = self._to.numbers(*node.attributes["sizes"])
            inputs = {"x": self._value(node), "split_sizes": sizes, "axis": self._to.number(1)}
            self.values.update(zip(node.outputs, self._to.split(inputs, parts), strict=True))
            return
        output = self._by_op[node.op](node)
        params = self._program.params.get(node.output)
        if params is not None and not self._stays_within(node):
            low, high = (self._to.number(each) for each in params.range)
            limits = {"x": output, "alpha": low, "beta": high}
            output = self._to.add("clip", limits, self._shape(node))
        self.values[node.output] = output

    def _stays_within(self, node: Node) -> bool:
        """Return whether a node's results need no clip to their range, as they need none before.

        Elsewhere the clip is the ReLU wherever ``quantize`` removed one.
        """
        params = self._program.params
        same = all(params.get(each) == params[node.output] for each in node.inputs)
        return node.op in _WITHIN and same

    def _shape(self, node: Node) -> tuple[int, ...]:
        return self._program.shapes[node.output]

    def _value(self, node: Node, number: int = 0) -> str:
        """Return the name of an input."""
        return self.values[node.inputs[number]]

    def _layer(self, node: Node) -> dict[str, str]:
        """Return the inputs of a layer; an integer bias is in units of its scale."""
        _, weight, bias = node.inputs
        constants, scales = self._program.constants, self._program.scales
        codes, offset = constants[weight], constants[bias].astype(np.float64)
        if weight in scales:
            weights = self._to.weights(codes, scales[weight])
            offset = offset * scales[bias]
        else:
            weights = self._to.constant(codes.astype(self._to.dtype))
        offsets = self._to.constant(offset.astype(self._to.dtype))
        return {"x": self._value(node), "weight": weights, "bias": offsets}

    def _conv(self, node: Node) -> str:
        inputs = {
            **self._layer(node),
            **self._window(node.attributes),
            "dilations": self._to.numbers(*node.attributes["dilations"]),
            "groups": self._to.number(int(node.attributes["group"])),
        }
        return self._to.add("conv", inputs, self._shape(node))

    def _linear(self, node: Node) -> str:
        return self._to.add("linear", self._layer(node), self._shape(node))

    def _window(self, attributes: Mapping[str, Any]) -> dict[str, str]:
        top, left, bottom, right = attributes["pads"]
        return {
            "strides": self._to.numbers(*attributes["strides"]),
            "pad_type": self._to.constant("custom"),
            "pad": self._to.numbers(top, bottom, left, right),
        }

    def _pool(self, node: Node) -> str:
        attributes = node.attributes
        inputs = {
            "x": self._value(node),
            "kernel_sizes": self._to.numbers(*attributes["kernel_shape"]),
            **self._window(attributes),
            "ceil_mode": self._to.number(False),
        }
        if node.op == "MaxPool":
            return self._to.add("max_pool", inputs, self._shape(node))
        inputs["exclude_padding_from_average"] = self._to.number(
            not attributes["count_include_pad"]
        )
        return self._to.add("avg_pool", inputs, self._shape(node))

    def _mean(self, node: Node) -> str:
        inputs = {
            "x": self._value(node),
            "axes": self._to.numbers(2, 3),
            "keep_dims": self._to.number(True),
        }
        return self._to.add("reduce_mean", inputs, self._shape(node))

    def _binary(self, node: Node) -> str:
        inputs = {"x": self._value(node), "y": self._value(node, 1)}
        return self._to.add(node.op.lower(), inputs, self._shape(node))

    def _unary(self, node: Node) -> str:
        kind = {"Relu": "relu", "Sigmoid": "sigmoid", "Swish": "silu"}[node.op]
        return self._to.add(kind, {"x": self._value(node)}, self._shape(node))

    def _hard_swish(self, node: Node) -> str:
        inputs = {"x": self._value(node), "y": self._sigmoid_hard(node)}
        return self._to.add("mul", inputs, self._shape(node))

    def _sigmoid_hard(self, node: Node) -> str:
        """Write ``clip(x / 6 + 1 / 2, 0, 1)``."""
        numbers = {"alpha": self._to.number(1 / 6), "beta": self._to.number(1 / 2)}
        inputs = {"x": self._value(node), **numbers}
        shape = self._program.shapes[node.inputs[0]]
        return self._to.add("sigmoid_hard", inputs, shape)

    def _concat(self, node: Node) -> str:
        inputs: dict[str, str | tuple[str, ...]] = {
            "values": tuple(self.values[name] for name in node.inputs),
            "axis": self._to.number(1),
            "interleave": self._to.number(False),
        }
        return self._to.add("concat", inputs, self._shape(node))

    def _gather(self, node: Node) -> str:
        inputs = {
            "x": self._value(node),
            "indices": self._to.numbers(*node.attributes["indices"]),
            "axis": self._to.number(1),
        }
        if self._to.batch_dims:
            inputs["batch_dims"] = self._to.number(0)
        return self._to.add("gather", inputs, self._shape(node))

    def _flatten(self, node: Node) -> str:
        return self._shaped(self._value(node), self._shape(node))

    def _shaped(self, name: str, shape: tuple[int, ...]) -> str:
        return self._to.add("reshape", {"x": name, "shape": self._to.numbers(*shape)}, shape)

    def _shuffle(self, node: Node) -> str:
        """Write a shuffle with four axes: processors of Apple's do not like five."""
        n, channels, height, width = self._shape(node)
        groups = int(node.attributes["groups"])
        parts = (n, groups, channels // groups, height * width)
        turned = (n, channels // groups, groups, height * width)
        inputs = {
            "x": self._shaped(self._value(node), parts),
            "perm": self._to.numbers(0, 2, 1, 3),
        }
        return self._shaped(self._to.add("transpose", inputs, turned), self._shape(node))
