"""A program as an ONNX model of any operator set: each operation in the form that the set has.

Source: https://onnx.ai/onnx/operators, operator sets 9 to 28. What changed for the operations of
our networks: the sizes of Split and the axes of ReduceMean were attributes before 13 and 18,
HardSwish came with 14 and Swish with 24, and before 13 DequantizeLinear knew one scale a tensor.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from shufflenet.files import narrow
from shufflenet.graph import Array, Node, Program

__all__ = ["FREE_SIZES", "Style", "to_onnx"]

FREE_SIZES = ("batch", "height", "width")  # names of sizes that are left open
_LISTED_SIZES, _LISTED_AXES, _HARD_SWISH, _SWISH = 13, 18, 14, 24  # the sets that brought these
_OWN_ATTRIBUTES = {  # those of a program's operations that are not the standard's defaults
    "AveragePool": ("count_include_pad", "kernel_shape", "pads", "strides"),
    "Conv": ("group", "kernel_shape", "pads", "strides"),
    "MaxPool": ("kernel_shape", "pads", "strides"),
}
_HARD_SIGMOID = {"alpha": 1 / 6, "beta": 0.5}
_ATTRIBUTES: dict[str, dict[str, float]] = {  # those that all operations of a program have
    "Concat": {"axis": 1},
    "Gemm": {"transB": 1},
    "HardSigmoid": _HARD_SIGMOID,
}
_TO_BYTES, _TO_FLOATS = "QuantizeLinear", "DequantizeLinear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a program is written.

    Attributes:
        opset: The operator set.
        half: Whether weights, sums and maps are float16; images and logits stay float32.
        batch: How many images the model takes at once; None for any number.
        size: The height and the width of images; None for any.
    """

    opset: int
    half: bool = False
    batch: int | None = None
    size: tuple[int, int] | None = None


def to_onnx(program: Program, style: Style) -> onnx.ModelProto:
    """Return a program as a model without metadata, which computes the same.

    Weights that are float16 numbers are stored so, and cast, from operator set 13 on: programs
    that read older sets want weights that are constants.
    """
    graph = _Graph(program, style)
    for node in program.nodes:
        graph.add(node)
    channels = program.shapes[program.images][1]
    batch, height, width = (
        size or free
        for size, free in zip((style.batch, *(style.size or (None, None))), FREE_SIZES, strict=True)
    )
    kind = TensorProto.UINT8 if program.takes_bytes else TensorProto.FLOAT
    images = helper.make_tensor_value_info(program.images, kind, [batch, channels, height, width])
    classes = program.shapes[program.logits][1]
    logits = helper.make_tensor_value_info(program.logits, TensorProto.FLOAT, [batch, classes])
    constants = [numpy_helper.from_array(array, name) for name, array in graph.constants.items()]
    opset = helper.make_opsetid("", style.opset)
    return helper.make_model(
        helper.make_graph(graph.nodes, "network", [images], [logits], constants),
        opset_imports=[opset],
        ir_version=helper.find_min_ir_version_for([opset]),
        producer_name="shufflenet",
    )


class _Graph:
    """The nodes and the constants so far; nodes are named by what they write."""

    def __init__(self, program: Program, style: Style) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}
        self._program, self._style = program, style
        self._values: dict[str, str] = {}  # what to read for a tensor or a constant
        self._flattened: set[str] = set()  # means without the axes of height and width
        if program.takes_bytes:
            self._dequantize(program.images, program.images)
        else:
            self._finish(program.images)

    def add(self, node: Node) -> None:
        """Add an operation, and the rounding of its outputs."""
        inputs = [self._read(name) for name in node.inputs]
        special = _SPECIAL.get(node.op)
        if special is None:
            self._add(node.op, inputs, self._outputs(node), **_attributes(node))
        else:
            special(self, node, inputs)
        for name in node.outputs:
            if name not in self._values:
                self._finish(name)

    def _outputs(self, node: Node) -> list[str]:
        """Return the names that an operation writes; logits in float16 are cast afterwards."""
        half = self._style.half
        last = self._program.logits
        return [f"{last}.float16" if half and name == last else name for name in node.outputs]

    def _finish(self, name: str) -> None:
        """Round a tensor to its bytes, if it has some, or to float16 at the network's input."""
        if name in self._program.params:
            self._round(name, name)
        elif self._style.half and name == self._program.images:
            self._values[name] = self._cast(name, f"{name}.float16", TensorProto.FLOAT16)
        elif self._style.half and name == self._program.logits:
            self._cast(f"{name}.float16", name, TensorProto.FLOAT)

    def _round(self, name: str, source: str) -> None:
        """Round values to the bytes of a tensor, and read these from now on."""
        self._add(_TO_BYTES, [source, *self._params(name)], [f"{name}.bytes"])
        self._dequantize(name, f"{name}.bytes")

    def _dequantize(self, name: str, stored: str) -> None:
        self._values[name] = f"{name}.values"
        self._add(_TO_FLOATS, [stored, *self._params(name)], [self._values[name]])

    def _params(self, name: str) -> tuple[str, str]:
        params = self._program.params[name]
        scale = self._constant(f"{name}.scale", np.array(params.scale, np.float32))
        zero_point = np.array(params.zero_point, np.uint8)
        return scale, self._constant(f"{name}.zero_point", zero_point)

    def _read(self, name: str) -> str:
        """Return the name of a tensor's values, or of a constant's, which is stored now."""
        if name in self._program.constants and name not in self._values:
            self._values[name] = self._store(name, self._program.constants[name])
        return self._values.get(name, name)

    def _store(self, name: str, array: Array) -> str:
        """Store a constant as a file of this style holds it, and return the name of its values."""
        scales = self._program.scales.get(name)
        if scales is not None:
            inputs = [
                self._constant(f"{name}.bytes", array),
                self._constant(f"{name}.scale", scales),
                self._constant(f"{name}.zero_point", np.zeros(len(scales), array.dtype)),
            ]
            self._add(_TO_FLOATS, inputs, [name], axis=0)
            return name
        if self._style.half:
            return self._constant(name, array.astype(np.float16))
        narrowed = narrow(array)
        if narrowed is array or self._style.opset < _LISTED_SIZES:
            return self._constant(name, array)
        return self._cast(self._constant(f"{name}.float16", narrowed), name, TensorProto.FLOAT)

    def _constant(self, name: str, array: Array) -> str:
        self.constants[name] = array
        return name

    def _cast(self, source: str, target: str, kind: int) -> str:
        self._add("Cast", [source], [target], to=kind)
        return target

    def _add(
        self,
        op: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        **attributes: Any,  # noqa: ANN401  # of any type that ONNX has
    ) -> None:
        self.nodes.append(helper.make_node(op, inputs, outputs, outputs[0], **attributes))

    # --- operations whose form depends on the operator set or on sizes ---

    def split(self, node: Node, inputs: list[str]) -> None:
        sizes = node.attributes["sizes"]
        if self._style.opset < _LISTED_SIZES:
            self._add("Split", inputs, node.outputs, axis=1, split=sizes)
            return
        listed = self._constant(f"{node.output}.sizes", np.array(sizes, np.int64))
        self._add("Split", [*inputs, listed], node.outputs, axis=1)

    def gather(self, node: Node, inputs: list[str]) -> None:
        indices = np.array(node.attributes["indices"], np.int64)
        listed = self._constant(f"{node.output}.indices", indices)
        self._add("Gather", [*inputs, listed], node.outputs, axis=1)

    def mean(self, node: Node, inputs: list[str]) -> None:
        """Add a mean of all pixels, without the axes of height and width if a Flatten follows."""
        readers = [each for each in self._program.nodes if node.output in each.inputs]
        flat = [each.op for each in readers] == ["Flatten"]
        keepdims = int(not flat)
        if flat:
            self._flattened.add(node.output)
        if self._style.opset < _LISTED_AXES:
            self._add("ReduceMean", inputs, node.outputs, axes=[2, 3], keepdims=keepdims)
            return
        axes = self._constant("axes_of_pixels", np.array([2, 3], np.int64))
        self._add("ReduceMean", [*inputs, axes], node.outputs, keepdims=keepdims)

    def flatten(self, node: Node, inputs: list[str]) -> None:
        if node.inputs[0] in self._flattened:
            self._values[node.output] = inputs[0]
        else:
            self._add("Flatten", inputs, node.outputs, axis=1)

    def requantize(self, node: Node, inputs: list[str]) -> None:
        if node.output in self._program.params:
            self._round(node.output, inputs[0])
        else:
            self._values[node.output] = inputs[0]

    def hard_swish(self, node: Node, inputs: list[str]) -> None:
        if self._style.opset >= _HARD_SWISH:
            self._add("HardSwish", inputs, node.outputs)
        else:
            self._gated(node, inputs, "HardSigmoid", **_HARD_SIGMOID)

    def swish(self, node: Node, inputs: list[str]) -> None:
        if self._style.opset >= _SWISH:
            self._add("Swish", inputs, node.outputs)
        else:
            self._gated(node, inputs, "Sigmoid")

    def _gated(self, node: Node, inputs: list[str], gate: str, **attributes: float) -> None:
        """Add ``x * gate(x)``."""
        self._add(gate, inputs, [f"{node.output}.gate"], **attributes)
        self._add("Mul", [*inputs, f"{node.output}.gate"], node.outputs)

    def shuffle(self, node: Node, inputs: list[str]) -> None:
        """Add a shuffle of channels: channels as a matrix of groups, transposed.

        Pixels are one axis while they move if their number is open, for then the shape to return to
        can be that of the input.
        """
        groups = node.attributes["groups"]
        _, channels, *_ = self._program.shapes[node.inputs[0]]
        name, size = node.output, self._program.shapes[node.inputs[0]][2:]
        pixels = (-1,) if self._style.size is None else size
        apart = np.array([0, groups, channels // groups, *pixels], np.int64)
        shape = self._constant(f"{name}.apart", apart)
        self._add("Reshape", [*inputs, shape], [f"{name}.groups"])
        perm = [0, 2, 1, *range(3, len(apart))]
        self._add("Transpose", [f"{name}.groups"], [f"{name}.transposed"], perm=perm)
        if self._style.size is None:
            together = f"{name}.shape"
            self._add("Shape", inputs, [together])
        else:
            together = self._constant(f"{name}.together", np.array([0, channels, *size], np.int64))
        self._add("Reshape", [f"{name}.transposed", together], node.outputs)


_SPECIAL: dict[str, Callable[[_Graph, Node, list[str]], None]] = {
    "ChannelShuffle": _Graph.shuffle,
    "Flatten": _Graph.flatten,
    "Gather": _Graph.gather,
    "GlobalAveragePool": _Graph.mean,
    "HardSwish": _Graph.hard_swish,
    "Requantize": _Graph.requantize,
    "Split": _Graph.split,
    "Swish": _Graph.swish,
}


def _attributes(node: Node) -> dict[str, Any]:
    own = _OWN_ATTRIBUTES.get(node.op, ())
    given = {name: node.attributes[name] for name in own if name in node.attributes}
    return given | _ATTRIBUTES.get(node.op, {})
