"""A program's tensors in a LiteRT model, each in float32, in bytes, or in both."""

from dataclasses import replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from shufflenet.export._litert_model import Codes, Kind, Model, Operation
from shufflenet.graph import Array, Program, QuantParams

__all__ = ["Tensors", "signed"]

# The versions of operations on bytes, where they are not 2.
# Source: tensorflow/compiler/mlir/lite/tools/versioning/op_version.cc of TensorFlow 2.19
_OF_BYTES = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 12, "RESHAPE": 1}
_FROM_BYTES, _FROM_FLOAT16, _FROM_CHANNELS = 2, 3, 5  # of DEQUANTIZE


def signed(params: QuantParams) -> Codes:
    """Return what signed bytes mean, each 128 less than the unsigned ones that mean ``params``."""
    return Codes(np.array([params.scale], np.float32), params.zero_point - 128)


class Tensors:
    """The tensors of a program that a model has so far.

    Args:
        program: The program.
        model: The model, to which conversions between floats and bytes are added.
        halves: Whether weights are stored in float16.
    """

    def __init__(self, program: Program, model: Model, *, halves: bool) -> None:
        self._program, self._model, self._halves = program, model, halves
        self._floats: dict[str, int] = {}
        self._bytes: dict[str, int] = {}

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape in the model: ``(n, h, w, c)`` for a map."""
        shape = self._program.shapes[name]
        return (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape

    def take(self, name: str, number: int, *, as_bytes: bool) -> None:
        """Note that a tensor of the model holds one of the program, in bytes or in float32."""
        (self._bytes if as_bytes else self._floats)[name] = number

    def read(self, name: str, *, as_bytes: bool) -> int:
        """Return the tensor that holds a tensor's values in bytes or in float32."""
        if as_bytes:
            return self._bytes[name]
        if name not in self._floats:
            self._floats[name] = number = self._model.tensor(name, self.shape(name))
            self._model.operator(_dequantize(_FROM_BYTES), [self._bytes[name]], [number])
        return self._floats[name]

    def rounded(self, name: str, params: QuantParams) -> int:
        """Return a tensor that holds a tensor's values in bytes of these parameters."""
        if name not in self._bytes:
            return self._round(name, self._floats[name], params, version=1)
        if params == self._program.params[name]:
            return self._bytes[name]
        return self._round(name, self._bytes[name], params, version=2)

    def beside(self, name: str, shape: tuple[int, ...], *, as_bytes: bool) -> int:
        """Add a tensor of another shape that holds values like those of the program's tensor."""
        kind, codes = self._kind(name if as_bytes else None)
        return self._model.tensor(name, shape, kind, codes)

    def number(self, name: str, value: np.generic | float) -> int:
        """Add a constant of one number of the type of a tensor: a byte of it, or a float."""
        kind, codes = self._kind(name if isinstance(value, np.int8) else None)
        return self._model.constant("number", np.array([value], kind), codes)

    def weights(self, name: str, array: Array, scale: Array | None, axis: int) -> int:
        """Add weights that an operation reads in float32, however they are stored.

        Args:
            name: Their name.
            array: The numbers: float32, or int8.
            scale: The scale of each output channel, if they are int8.
            axis: The axis of output channels.
        """
        if scale is None and not self._halves:
            return self._model.constant(name, array)
        if scale is None:
            stored = self._model.constant(name, array.astype(np.float16))
        else:
            stored = self._model.constant(name, array, Codes(scale, axis=axis))
        number = self._model.tensor(name, array.shape)
        version = _FROM_FLOAT16 if scale is None else _FROM_CHANNELS
        self._model.operator(_dequantize(version), [stored], [number])
        return number

    def compute(self, operation: Operation, inputs: list[int], output: str) -> None:
        """Add an operation of float32; where the program holds its output in bytes, round it."""
        number = self._model.tensor(output, self.shape(output))
        self._model.operator(operation, inputs, [number])
        self._floats[output] = number
        if output in self._program.params:
            self._bytes[output] = self._round(
                output, self._floats.pop(output), self._program.params[output], version=1
            )

    def compute_bytes(
        self,
        operation: Operation,
        inputs: list[int],
        output: str,
        written: QuantParams | None = None,
    ) -> None:
        """Add an operation of bytes.

        Args:
            operation: The operation; its version is that for bytes.
            inputs: What it reads.
            output: The tensor of the program that it computes.
            written: The parameters of its input, if it can write no others; its bytes are then
                rounded to those of the output.
        """
        own = self._program.params[output]
        number = self._model.tensor(output, self.shape(output), "int8", signed(written or own))
        version = _OF_BYTES.get(operation.name, 2)
        self._model.operator(replace(operation, version=version), inputs, [number])
        if written is not None and written != own:
            number = self._round(output, number, own, version=2)
        self._bytes[output] = number

    def _kind(self, name: str | None) -> tuple[Kind, Codes | None]:
        return ("float32", None) if name is None else ("int8", signed(self._program.params[name]))

    def _round(self, name: str, number: int, params: QuantParams, *, version: int) -> int:
        rounded = self._model.tensor(name, self.shape(name), "int8", signed(params))
        operation = Operation("QUANTIZE", schema.QuantizeOptionsT(), version)
        self._model.operator(operation, [number], [rounded])
        return rounded


def _dequantize(version: int) -> Operation:
    return Operation("DEQUANTIZE", schema.DequantizeOptionsT(), version)
