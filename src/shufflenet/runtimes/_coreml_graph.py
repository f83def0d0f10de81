"""A Core ML program as an ONNX model: operations, weights and constants as the file states them.

Every operation is computed in float32; the result of one that the file declares float16 is then
rounded to float16, as are its weights. Core ML's own order and precision of sums are not imitated.

Sources: coremltools 9.0, converters/mil/mil/ops/defs (what operations compute); onnx 1.23,
onnx.proto3 (numbers of fields)
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet.files.mlpackage import (
    Constant,
    Model,
    Operation,
    TensorType,
)
from shufflenet.runtimes._onnx_message import Attribute, graph_bytes, node_bytes, tensor_bytes

__all__ = ["LOGITS", "Unsupported", "to_onnx"]

LOGITS = "logits"
_IR_FLOATS = ("float32", "float16")
_LARGEST = 1 << 10  # of a kernel, a stride, a dilation or a padding
# What moves numbers and rounds none; a ReLU's result is one of its inputs, or 0.
_EXACT = {
    *("concat", "gather", "max_pool", "relu", "reshape", "split", "transpose"),
    *("expand_dims", "squeeze"),
}

_Nodes: TypeAlias = list[tuple[str, list[str], list[str], dict[str, Attribute]]]


class Unsupported(Exception):
    """A program has what is not computed here; the text names it, as the object of "has"."""


def to_onnx(model: Model, results: tuple[str, ...] = (LOGITS,)) -> bytes:
    """Return an ONNX model that computes values of a program from float32 images.

    Args:
        model: The program.
        results: The names of the values.

    Raises:
        ValueError: the program means nothing: a value is read before it is made.
        Unsupported: it has an operation or a parameter that is not computed here.
    """
    translator = _Translator(model)
    for operation in model.operations:
        translator.add(operation)
    outputs = {name: translator.shape_of(name) for name in results}
    return graph_bytes(
        translator.nodes,
        translator.tensors,
        {model.input.name: model.input.shape},
        outputs,
    )


class _Translator:
    """Adds the nodes of one operation after the other.

    Attributes:
        nodes: ONNX nodes.
        tensors: ONNX constants.
    """

    def __init__(self, model: Model) -> None:
        self.nodes: list[bytes] = []
        self.tensors: list[bytes] = []
        self._constants: dict[str, Constant] = {}
        self._types = {model.input.name: TensorType("float32", model.input.shape)}
        self._stored: set[str] = set()
        self._by_kind: dict[str, Callable[[Operation], _Nodes]] = {
            "add": self._binary,
            "avg_pool": self._pool,
            "cast": self._cast,
            "clip": self._clip,
            "concat": self._concat,
            "conv": self._conv,
            "gather": self._gather,
            "linear": self._linear,
            "max_pool": self._pool,
            "mul": self._binary,
            "reduce_mean": self._mean,
            "relu": self._unary,
            "reshape": self._reshape,
            "sigmoid": self._unary,
            "sigmoid_hard": self._sigmoid_hard,
            "silu": self._silu,
            "softmax": self._softmax,
            "split": self._split,
            "sub": self._binary,
            "transpose": self._transpose,
        }

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Return the shape that the program states of a value.

        Raises:
            ValueError: it has no such value.
        """
        if name not in self._types or name in self._constants:
            raise ValueError(f"it computes no {name[:40]!r}")
        return self._types[name].shape

    def add(self, operation: Operation) -> None:
        """Add the nodes of an operation.

        Raises:
            ValueError: it means nothing.
            Unsupported: it is not computed here.
        """
        for name, _ in operation.outputs:
            if name in self._types:
                raise ValueError(f"it makes {name[:40]!r} twice")
        if operation.kind == "classify":  # labels are the card's
            return
        if operation.kind in ("const", "constexpr_affine_dequantize"):
            self._add_constant(operation)
            return
        if operation.kind not in self._by_kind:
            raise Unsupported(f"the operation {operation.kind[:40]!r}")
        nodes = self._by_kind[operation.kind](operation)
        self._emit(operation, nodes)

    def _emit(self, operation: Operation, nodes: _Nodes) -> None:
        """Add nodes; round the results that are declared float16, where rounding changes them.

        Raises:
            Unsupported: a result is no tensor of floats.
        """
        rounded: dict[str, str] = {}
        for name, kind in operation.outputs:
            if not isinstance(kind, TensorType) or kind.dtype not in _IR_FLOATS:
                raise Unsupported(f"a {operation.kind} of another type than float")
            self._types[name] = kind
            if kind.dtype == "float16" and operation.kind not in _EXACT:
                rounded[name] = f"{name}/exact"
        for op, inputs, outputs, attributes in nodes:
            renamed = [rounded.get(name, name) for name in outputs]
            self.nodes.append(node_bytes(op, inputs, renamed, attributes))
        for name, exact in rounded.items():
            half = f"{name}/half"
            self.nodes.append(node_bytes("Cast", [exact], [half], {"to": 10}))
            self.nodes.append(node_bytes("Cast", [half], [name], {"to": 1}))

    def _add_constant(self, operation: Operation) -> None:
        ((name, kind),) = operation.outputs
        if operation.kind == "const":
            value = operation.attributes.get("val")
        else:
            value = _dequantized(operation.attributes)
        if value is None or not isinstance(kind, TensorType):
            raise ValueError("it has a constant without a value")
        if isinstance(value, np.ndarray) and (value.dtype.name, value.shape) != (
            kind.dtype,
            kind.shape,
        ):
            raise ValueError(f"its constant {name[:40]!r} has another type than it says")
        self._constants[name], self._types[name] = value, kind

    def _constant(self, operation: Operation, parameter: str) -> Constant:
        """Return the constant that a parameter is.

        Raises:
            ValueError: it is none.
        """
        (name,) = operation.inputs.get(parameter, ("",))
        if name not in self._constants:
            raise ValueError(f"its {operation.kind} has no constant {parameter!r}")
        return self._constants[name]

    def _integers(self, operation: Operation, parameter: str, largest: int) -> list[int]:
        value = self._constant(operation, parameter)
        if not isinstance(value, np.ndarray) or value.dtype.name not in ("int32", "bool"):
            raise ValueError(f"its {operation.kind} has no integers {parameter!r}")
        numbers = [int(each) for each in value.ravel()]
        if any(abs(each) > largest for each in numbers):
            raise ValueError(f"its {operation.kind} has a huge {parameter!r}")
        return numbers

    def _number(self, operation: Operation, parameter: str) -> float:
        value = self._constant(operation, parameter)
        if not isinstance(value, np.ndarray) or value.size != 1:
            raise ValueError(f"its {operation.kind} has no number {parameter!r}")
        return float(value.ravel()[0])

    def _value(self, operation: Operation, parameter: str) -> str:
        """Return the name of the ONNX value that a parameter is; constants are stored.

        Raises:
            ValueError: nothing made it.
        """
        names = operation.inputs.get(parameter, ())
        if len(names) != 1:
            raise ValueError(f"its {operation.kind} has no {parameter!r}")
        return self._name(names[0])

    def _name(self, name: str) -> str:
        if name not in self._types:
            raise ValueError(f"it reads {name[:40]!r} before anything makes it")
        value = self._constants.get(name)
        if value is not None and name not in self._stored:
            if not isinstance(value, np.ndarray) or value.dtype.name not in _IR_FLOATS:
                raise Unsupported("a constant of another type than float among its values")
            self._stored.add(name)
            self.tensors.append(tensor_bytes(name, value.astype(np.float32)))
        return name

    def _store(self, operation: Operation, what: str, values: list[int]) -> str:
        name = f"{operation.output}/{what}"
        self.tensors.append(tensor_bytes(name, np.array(values, np.int64)))
        return name

    def _window(self, operation: Operation) -> dict[str, Attribute]:
        strides = self._integers(operation, "strides", _LARGEST)
        kind = self._constant(operation, "pad_type")
        pads = [0] * 4 if kind == "valid" else self._integers(operation, "pad", _LARGEST)
        if kind not in ("valid", "custom"):
            raise Unsupported(f"a {operation.kind} with another padding than stated")
        if len(strides) != 2 or len(pads) != 4 or min(strides) < 1 or min(pads) < 0:
            raise ValueError(f"its {operation.kind} is none of images")
        top, bottom, left, right = pads
        return {"strides": strides, "pads": [top, left, bottom, right]}

    def _conv(self, of: Operation) -> _Nodes:
        dilations = self._integers(of, "dilations", _LARGEST)
        (groups,) = self._integers(of, "groups", 1 << 20)
        if min(dilations, default=0) < 1 or groups < 1:
            raise ValueError("its conv has no dilations or no groups")
        attributes = {**self._window(of), "dilations": dilations, "group": groups}
        return [("Conv", self._x_weight_bias(of), [of.output], attributes)]

    def _x_weight_bias(self, of: Operation) -> list[str]:
        bias = [self._value(of, "bias")] if "bias" in of.inputs else []
        return [self._value(of, "x"), self._value(of, "weight"), *bias]

    def _linear(self, of: Operation) -> _Nodes:
        return [("Gemm", self._x_weight_bias(of), [of.output], {"transB": 1})]

    def _pool(self, of: Operation) -> _Nodes:
        kernel = self._integers(of, "kernel_sizes", _LARGEST)
        (ceil,) = self._integers(of, "ceil_mode", 1)
        if len(kernel) != 2 or min(kernel) < 1:
            raise ValueError(f"its {of.kind} is none of images")
        attributes = {**self._window(of), "kernel_shape": kernel, "ceil_mode": ceil}
        if of.kind == "max_pool":
            return [("MaxPool", [self._value(of, "x")], [of.output], attributes)]
        (without,) = self._integers(of, "exclude_padding_from_average", 1)
        attributes["count_include_pad"] = 1 - without
        return [("AveragePool", [self._value(of, "x")], [of.output], attributes)]

    def _binary(self, of: Operation) -> _Nodes:
        op = {"add": "Add", "mul": "Mul", "sub": "Sub"}[of.kind]
        return [(op, [self._value(of, "x"), self._value(of, "y")], [of.output], {})]

    def _unary(self, of: Operation) -> _Nodes:
        op = {"relu": "Relu", "sigmoid": "Sigmoid"}[of.kind]
        return [(op, [self._value(of, "x")], [of.output], {})]

    def _cast(self, of: Operation) -> _Nodes:
        short = {"float16": "fp16", "float32": "fp32"}
        (_, kind) = of.outputs[0]
        stated = short.get(kind.dtype) if isinstance(kind, TensorType) else None
        if self._constant(of, "dtype") != stated:
            raise ValueError("its cast has another type than it says")
        return [("Identity", [self._value(of, "x")], [of.output], {})]

    def _clip(self, of: Operation) -> _Nodes:
        limits = [self._value(of, "alpha"), self._value(of, "beta")]
        return [("Clip", [self._value(of, "x"), *limits], [of.output], {})]

    def _silu(self, of: Operation) -> _Nodes:
        x, gate = self._value(of, "x"), f"{of.output}/gate"
        return [("Sigmoid", [x], [gate], {}), ("Mul", [x, gate], [of.output], {})]

    def _sigmoid_hard(self, of: Operation) -> _Nodes:
        numbers = {each: self._number(of, each) for each in ("alpha", "beta")}
        return [("HardSigmoid", [self._value(of, "x")], [of.output], dict(numbers))]

    def _softmax(self, of: Operation) -> _Nodes:
        (axis,) = self._integers(of, "axis", 4)
        return [("Softmax", [self._value(of, "x")], [of.output], {"axis": axis})]

    def _mean(self, of: Operation) -> _Nodes:
        (keep,) = self._integers(of, "keep_dims", 1)
        attributes: dict[str, Attribute] = {
            "axes": self._integers(of, "axes", 4),
            "keepdims": keep,
        }
        return [("ReduceMean", [self._value(of, "x")], [of.output], attributes)]

    def _concat(self, of: Operation) -> _Nodes:
        (axis,) = self._integers(of, "axis", 4)
        if any(self._integers(of, "interleave", 1)):
            raise Unsupported("a concat that interleaves")
        names = [self._name(name) for name in of.inputs.get("values", ())]
        return [("Concat", names, [of.output], {"axis": axis})]

    def _split(self, of: Operation) -> _Nodes:
        (axis,) = self._integers(of, "axis", 4)
        sizes = self._store(of, "sizes", self._integers(of, "split_sizes", 1 << 20))
        outputs = [name for name, _ in of.outputs]
        return [("Split", [self._value(of, "x"), sizes], outputs, {"axis": axis})]

    def _gather(self, of: Operation) -> _Nodes:
        (axis,) = self._integers(of, "axis", 4)
        if "batch_dims" in of.inputs and any(self._integers(of, "batch_dims", 4)):
            raise Unsupported("a gather of batches")
        indices = self._store(of, "indices", self._integers(of, "indices", 1 << 20))
        return [("Gather", [self._value(of, "x"), indices], [of.output], {"axis": axis})]

    def _reshape(self, of: Operation) -> _Nodes:
        sizes = self._store(of, "sizes", self._integers(of, "shape", 1 << 24))
        return [("Reshape", [self._value(of, "x"), sizes], [of.output], {})]

    def _transpose(self, of: Operation) -> _Nodes:
        axes = self._integers(of, "perm", 8)
        return [("Transpose", [self._value(of, "x")], [of.output], {"perm": axes})]


def _dequantized(attributes: Mapping[str, Constant]) -> npt.NDArray[np.generic]:
    """Return ``scale * (quantized_data - zero_point)``, in the type of the scale.

    Raises:
        ValueError: a part is missing or does not fit.
    """
    parts = [attributes.get(name) for name in ("quantized_data", "zero_point", "scale", "axis")]
    codes, zero, scale, axis = (
        each if isinstance(each, np.ndarray) else np.zeros(0) for each in parts
    )
    if axis.size != 1 or not 0 <= int(axis.ravel()[0]) < codes.ndim:
        raise ValueError("its weights have no axis of scales")
    if scale.dtype.name not in _IR_FLOATS or codes.dtype.name not in ("int8", "uint8"):
        raise ValueError("its weights are no bytes with scales")
    shape = [1] * codes.ndim
    shape[int(axis.ravel()[0])] = -1
    wide = [each.astype(np.float32).reshape(shape) for each in (zero, scale)]
    return np.asarray(wide[1] * (codes.astype(np.float32) - wide[0])).astype(scale.dtype)
