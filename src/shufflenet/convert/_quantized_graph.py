"""torchvision's quantized V2 as an ONNX graph that computes what torch computes with it.

torch rounds to bytes after every convolution, after every concatenation and after the classifier,
each with a scale of its own. Max pooling, halving and the shuffle move bytes, which is written as
rounding to bytes of the same scale again: so runtimes recognize it. The mean of the last
map keeps its scale (torch 2.13, aten/src/ATen/native/quantized/cpu/ReduceOps.cpp).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from shufflenet.channels import interleave
from shufflenet.convert._quantized_state import Affine, QuantizedLayer, QuantizedState
from shufflenet.errors import CheckpointMismatch
from shufflenet.int8 import fit_sums, to_float32
from shufflenet.spec import V2Spec

__all__ = ["quantized_model"]

_OPSET, _IR_VERSION = 18, 10  # as exported files have
# The axis of channels in (n, channels, h, w). OpenVINO 2026.4 moves a Gather on axis 1 into the
# weights of the int8 convolution behind it, in the inverse order.
_CHANNELS = -3


@dataclass(frozen=True, slots=True)
class _Bytes:
    """A tensor of bytes: its name, its channels, and what the bytes mean."""

    name: str
    channels: int
    means: Affine


def quantized_model(state: QuantizedState, spec: V2Spec) -> onnx.ModelProto:
    """Return the model of a quantized network: images ``(n, 3, h, w)`` to logits ``(n, classes)``.

    Raises:
        ImpossibleScale: a scale, a zero point or a weight is missing or damaged.
        CheckpointMismatch: weights do not have the shape of their layer.
    """
    graph = _Graph(state, spec)
    x = graph.quantize("images", spec.in_channels, state.affine("quant"))
    x = graph.pool(graph.convolve(x, "conv1.0", stride=2, side=3))
    for number, stage in enumerate(spec.stages, 2):
        for repeat in range(stage.repeats):
            x = graph.unit(x, f"stage{number}.{repeat}", opens=repeat == 0)
    logits = graph.classify(graph.mean(graph.convolve(x, "conv5.0")))
    sizes: list[str | int | None] = ["batch", spec.in_channels, "height", "width"]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            spec.name,
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, sizes)],
            [helper.make_tensor_value_info(logits, TensorProto.FLOAT, ["batch", spec.classes])],
            [numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="shufflenet",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


class _Graph:
    """The nodes and the constants so far; nodes are named by what they write."""

    def __init__(self, state: QuantizedState, spec: V2Spec) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, npt.NDArray[np.generic]] = {}
        self._state, self._spec = state, spec

    def quantize(self, name: str, channels: int, means: Affine) -> _Bytes:
        """Round a tensor to bytes."""
        result = f"{name}.bytes"
        self._add("QuantizeLinear", [name, *self._affine(result, means)], result)
        return _Bytes(result, channels, means)

    def convolve(
        self, x: _Bytes, name: str, *, side: int = 1, stride: int = 1, relu: bool = True
    ) -> _Bytes:
        """Convolve with a 3x3 kernel a channel by itself, unless it reads images, or with 1x1."""
        groups = x.channels if side > 1 and x.channels != self._spec.in_channels else 1
        layer = self._state.layer(name)
        inputs = [self._dequantize(x), *self._weights(layer, x, name, (x.channels // groups, side))]
        result = f"{name}.sums" if relu else name
        pads = [side // 2] * 4
        self._add("Conv", inputs, result, group=groups, pads=pads, strides=[stride] * 2)
        if relu:
            self._add("Relu", [result], name)
        return self.quantize(name, len(layer.bias), layer.output)

    def pool(self, x: _Bytes) -> _Bytes:
        """Take the largest byte of 3x3."""
        options = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [2, 2]}
        self._add("MaxPool", [self._dequantize(x)], "maxpool", **options)
        return self.quantize("maxpool", x.channels, x.means)

    def unit(self, x: _Bytes, name: str, *, opens: bool) -> _Bytes:
        """Compute a unit: two branches or a half and a branch, concatenated and shuffled."""
        stride = 2 if opens else 1
        if opens:
            left = self.convolve(x, f"{name}.branch1.0", side=3, stride=2, relu=False)
            left, right = self.convolve(left, f"{name}.branch1.2"), x
        else:
            half = x.channels // 2
            halves = [f"{name}.left", f"{name}.right"]
            sizes = self._constant(f"{name}.sizes", np.array([half, half]))
            values = self._dequantize(x)
            self.nodes.append(helper.make_node("Split", [values, sizes], halves, name, axis=1))
            left, right = (self.quantize(each, half, x.means) for each in halves)
        right = self.convolve(right, f"{name}.branch2.0")
        right = self.convolve(right, f"{name}.branch2.3", side=3, stride=stride, relu=False)
        right = self.convolve(right, f"{name}.branch2.5")
        return self._shuffle(self._concatenate(left, right, f"{name}.cat"))

    def mean(self, x: _Bytes) -> _Bytes:
        """Take the mean of all pixels, in bytes of the same meaning."""
        axes = self._constant("mean.axes", np.array([2, 3]))
        self._add("ReduceMean", [self._dequantize(x), axes], "mean", keepdims=0)
        return self.quantize("mean", x.channels, x.means)

    def classify(self, x: _Bytes) -> str:
        """Compute the logits, which are rounded to bytes too; return their name."""
        layer = self._state.layer("fc")
        inputs = [self._dequantize(x), *self._weights(layer, x, "fc", (x.channels, 1))]
        self._add("Gemm", inputs, "fc", transB=1)
        rounded = self.quantize("fc", len(layer.bias), layer.output)
        return self._dequantize(rounded, "logits")

    def _concatenate(self, left: _Bytes, right: _Bytes, name: str) -> _Bytes:
        values = [self._dequantize(left), self._dequantize(right)]
        self._add("Concat", values, name, axis=1)
        return self.quantize(name, left.channels + right.channels, self._state.affine(name))

    def _shuffle(self, x: _Bytes) -> _Bytes:
        name = f"{x.name}.shuffled"
        order = self._constant(f"{name}.order", interleave(np.arange(x.channels), 2))
        self._add("Gather", [self._dequantize(x), order], name, axis=_CHANNELS)
        return self.quantize(name, x.channels, x.means)

    def _dequantize(self, x: _Bytes, name: str = "") -> str:
        result = name or f"{x.name}.values.{len(self.nodes)}"
        self._add("DequantizeLinear", [x.name, *self._affine(result, x.means)], result)
        return result

    def _weights(
        self, layer: QuantizedLayer, x: _Bytes, name: str, shape: tuple[int, int]
    ) -> tuple[str, str]:
        """Add the weights and the bias of a layer that reads bytes; return their names.

        Raises:
            CheckpointMismatch: they are not ``shape``, the channels of an output and the side.
        """
        found, expected = layer.weights.codes.shape, (len(layer.bias), shape[0], shape[1], shape[1])
        if found != expected or (name == "fc" and found[0] != self._spec.classes):
            difference = f"{name}.weight is {found}, not {expected}"
            raise CheckpointMismatch(self._spec.name, [difference])
        weights = fit_sums(layer.weights, layer.bias, x.means.scale)
        codes = weights.codes[..., 0, 0] if name == "fc" else weights.codes
        scale = to_float32(x.means.scale * weights.scale.astype(np.float64))
        bias = np.rint(layer.bias / scale).astype(np.int32)
        return (
            self._constant_of(f"{name}.weight", codes, weights.scale),
            self._constant_of(f"{name}.bias", bias, scale),
        )

    def _constant_of(
        self, name: str, codes: npt.NDArray[np.generic], scale: npt.NDArray[np.float32]
    ) -> str:
        """Add integers with a scale for each row; return the name of the numbers they mean."""
        zero = self._constant(f"{name}_zero_point", np.zeros(len(scale), codes.dtype))
        names = [
            self._constant(f"{name}_quantized", codes),
            self._constant(f"{name}_scale", scale),
            zero,
        ]
        self._add("DequantizeLinear", names, name, axis=0)
        return name

    def _affine(self, name: str, means: Affine) -> list[str]:
        return [
            self._constant(f"{name}_scale", np.float32(means.scale)),
            self._constant(f"{name}_zero_point", np.uint8(means.zero_point)),
        ]

    def _constant(self, name: str, array: npt.ArrayLike) -> str:
        self.constants[name] = np.asarray(array)
        return name

    def _add(
        self,
        op: str,
        inputs: Sequence[str],
        output: str,
        **attributes: Any,  # noqa: ANN401  # ONNX's
    ) -> None:
        self.nodes.append(helper.make_node(op, inputs, [output], output, **attributes))
