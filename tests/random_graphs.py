"""Random ONNX graphs of the operations that exported networks have."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

__all__ = ["Builder", "bottleneck", "gated", "quantized", "random_model"]

RNG = np.random.default_rng


class Builder:
    """A random graph of the operations that exported networks have."""

    def __init__(self, seed: int) -> None:
        self.rng = RNG(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401  # they differ
        output = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def constant(self, array: np.ndarray) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = array
        return name

    def weights(self, *shape: int) -> tuple[str, str]:
        weight = self.rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        bias = self.rng.normal(size=shape[0])
        return self.constant(weight.astype(np.float32)), self.constant(bias.astype(np.float32))

    def conv(self, x: str, *shape: int, stride: int = 1, groups: int = 1) -> str:
        pad = [shape[2] // 2] * 4
        names = self.weights(*shape)
        return self.add("Conv", x, *names, pads=pad, strides=[stride] * 2, group=groups)

    def maybe_relu(self, x: str) -> str:
        return self.add("Relu", x) if self.rng.random() < 0.5 else x

    def unit(self, x: str, channels: int) -> tuple[str, int]:
        """Add a few operations after a tensor that is the output of one layer."""
        more = int(self.rng.integers(2, 9))
        match self.rng.choice(["pointwise", "depthwise", "split", "add", "gather", "average"]):
            case "pointwise":
                groups = 2 if channels % 2 == 0 else 1
                shape = (2 * more, channels // groups, 1, 1)
                return self.maybe_relu(self.conv(x, *shape, groups=groups)), 2 * more
            case "depthwise":
                kernel, stride = (int(self.rng.choice(each)) for each in ((3, 5), (1, 2)))
                shape = (channels, 1, kernel, kernel)
                layer = self.conv(x, *shape, stride=stride, groups=channels)
                return self.maybe_relu(layer), channels
            case "split":
                first = int(self.rng.integers(1, channels))
                sizes = self.constant(np.array([first, channels - first]))
                node = helper.make_node("Split", [x, sizes], [f"{x}_left", f"{x}_right"], axis=1)
                self.nodes.append(node)
                branch = self.maybe_relu(self.conv(f"{x}_right", more, channels - first, 1, 1))
                joined = self.add("Concat", branch, f"{x}_left", axis=1)
                return self.conv(joined, channels, more + first, 1, 1), channels
            case "add":
                return self.maybe_relu(
                    self.add("Add", x, self.conv(x, channels, channels, 1, 1))
                ), channels
            case "gather":
                order = self.constant(self.rng.permutation(channels))
                shuffled = self.add("Gather", x, order, axis=1)
                return self.conv(shuffled, more, channels, 1, 1), more
            case _:
                options = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}
                return self.add("AveragePool", x, count_include_pad=1, **options), channels

    def finish(self, x: str, channels: int) -> onnx.ModelProto:
        """Add the mean and the classifier of five classes, and return the model."""
        mean = self.add("ReduceMean", x, self.constant(np.array([2, 3])), keepdims=0)
        logits = self.add("Gemm", mean, *self.weights(5, channels), transB=1)
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, "h", "w"])],
            [helper.make_tensor_value_info(logits, TensorProto.FLOAT, ["n", 5])],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def random_model(seed: int) -> onnx.ModelProto:
    """Return a stem, perhaps a pooling, a few random units, a mean and a classifier."""
    graph = Builder(seed)
    channels = int(graph.rng.integers(2, 9))
    x = graph.maybe_relu(graph.conv("images", channels, 3, 3, 3, stride=2))
    if graph.rng.random() < 0.5:
        x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for _ in range(int(graph.rng.integers(1, 6))):
        x, channels = graph.unit(x, channels)
    return graph.finish(x, channels)


def bottleneck(channels: int, used: int) -> onnx.ModelProto:
    """Return a 1x1, a depthwise and a 1x1 layer, of whose channels the last are not used."""
    graph = Builder(channels)
    x = graph.conv("images", 4, 3, 3, 3, stride=2)
    x = graph.add("Relu", graph.conv(x, channels, 4, 1, 1))
    x = graph.conv(x, channels, 1, 3, 3, groups=channels)
    weight, bias = graph.weights(6, channels, 1, 1)
    graph.constants[weight][:, used:] = 0
    x = graph.add("Conv", x, weight, bias)
    return graph.finish(x, 6)


def gated(seed: int) -> onnx.ModelProto:
    """Return a network with gates, as those of V2+ and V2 Large, a shuffle and unequal slices."""
    graph = Builder(seed)
    axes = graph.constant(np.array([2, 3]))
    x = graph.add("HardSwish", graph.conv("images", 12, 3, 3, 3, stride=2))
    mean = graph.add("ReduceMean", x, axes, keepdims=1)
    hidden = graph.add("Relu", graph.conv(mean, 4, 12, 1, 1))
    gate = graph.add("HardSigmoid", graph.conv(hidden, 12, 4, 1, 1), alpha=1 / 6)
    x = graph.conv(graph.add("Mul", x, gate), 12, 1, 5, 5, groups=12)
    x = graph.add("Mul", x, graph.add("Sigmoid", x))
    grouped, whole = (graph.constant(np.array(each)) for each in ((2, 3, 4, 11, 9), (2, 12, 11, 9)))
    x = graph.add("Transpose", graph.add("Reshape", x, grouped), perm=[0, 2, 1, 3, 4])
    x = graph.add("Reshape", x, whole)
    bounds = (graph.constant(np.array([each])) for each in (3, 11, 1, 1))
    return graph.finish(graph.conv(graph.add("Slice", x, *bounds), 6, 8, 1, 1), 6)


class _Noise(CalibrationDataReader):  # type: ignore[misc]  # it has no types
    """Three images of noise."""

    def __init__(self) -> None:
        self._seeds = iter(range(3))

    def get_next(self) -> dict[str, np.ndarray] | None:
        seed = next(self._seeds, None)
        shape = (1, 3, 21, 18)
        return None if seed is None else {"images": RNG(seed).standard_normal(shape, np.float32)}


def quantized(
    model: onnx.ModelProto, path: Path, in_float: Collection[str] = ()
) -> onnx.ModelProto:
    """Write a model in int8, quantized by ONNX Runtime, and return it.

    Args:
        model: The model.
        path: The file to write.
        in_float: The first outputs of nodes that are kept in float.
    """
    named = onnx.ModelProto()
    named.CopyFrom(model)
    for node in named.graph.node:
        node.name = node.output[0]
    quantize_static(
        named,
        path,
        _Noise(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
        nodes_to_exclude=list(in_float),
        extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm"]},
    )
    return onnx.load(path)
