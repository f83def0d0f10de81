"""A LiteRT model, put together of tensors and operators, as the bytes of a ``.tflite`` file.

The file is one FlatBuffers table, ``Model``: operators of one subgraph refer to tensors by number,
tensors to buffers that hold constants, and named metadata to buffers of any bytes.

Source: schema.fbs of TensorFlow Lite, version 3, as in ai_edge_litert 2.3 (schema_py_generated.py)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

__all__ = ["Codes", "Kind", "Model", "Operation"]

Kind: TypeAlias = Literal["float32", "float16", "int8", "uint8", "int32"]

_ALIGNMENT = 16  # of a buffer's bytes, as the schema demands; kernels read vectors from there
_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
}


@dataclass(frozen=True, slots=True)
class Codes:
    """What the integers of a tensor mean: ``(integer - zero_point) * scale``.

    Attributes:
        scale: One number, or one for each position along ``axis``.
        zero_point: The integer that means 0.
        axis: The axis along which scales differ.
    """

    scale: npt.NDArray[np.float32]
    zero_point: int = 0
    axis: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """What an operator computes.

    Attributes:
        name: Its name in the schema, such as ``CONV_2D``.
        options: The schema's object with its options, such as a ``Conv2DOptionsT``.
        version: The version of the operation that its types and options need.
    """

    name: str
    options: Any = None  # the schema's classes have no types
    version: int = 1


class Model:
    """A model under construction; tensors are known by the numbers that they get."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._buffers: list[bytes] = [b""]  # the first is empty, for tensors that are computed
        self._operators: list[Any] = []
        self._codes: dict[tuple[int, int], int] = {}

    def tensor(
        self, name: str, shape: Sequence[int], kind: Kind = "float32", codes: Codes | None = None
    ) -> int:
        """Add a tensor that an operator will compute, or that is the model's input.

        Args:
            name: Its name, which need not be its alone.
            shape: Its shape; images and maps are ``(n, h, w, channels)``.
            kind: The type of its elements.
            codes: What they mean, if they are integers that stand for real numbers.
        """
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name.encode(), [int(size) for size in shape]
        tensor.type, tensor.buffer, tensor.hasRank = _TYPES[kind], 0, True
        if codes is not None:
            params = schema.QuantizationParametersT()
            params.scale = [float(scale) for scale in np.atleast_1d(codes.scale)]
            params.zeroPoint = [codes.zero_point] * len(params.scale)
            params.quantizedDimension = codes.axis
            tensor.quantization = params
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def constant(self, name: str, array: npt.NDArray[Any], codes: Codes | None = None) -> int:
        """Add a tensor that holds an array of one of the types of ``Kind``."""
        kind: Any = str(array.dtype)
        number = self.tensor(name, array.shape, kind, codes)
        self._tensors[number].buffer = self._buffer(array.tobytes())
        return number

    def operator(self, operation: Operation, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Add an operator that reads some tensors and computes others."""
        code = (getattr(schema.BuiltinOperator, operation.name), operation.version)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.setdefault(code, len(self._codes))
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if operation.options is not None:
            kind = type(operation.options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = operation.options
        self._operators.append(operator)

    def finish(self, images: int, logits: int, metadata: Mapping[str, bytes]) -> bytes:
        """Return the file's bytes.

        Args:
            images: The input.
            logits: The output.
            metadata: Bytes that the file holds as they are, by their names.
        """
        entries = [(name, self._buffer(content)) for name, content in metadata.items()]
        builder = flatbuffers.Builder(sum(map(len, self._buffers)) + (1 << 18))
        buffers = _offsets(builder, [_pack_buffer(builder, each) for each in self._buffers])
        named = _offsets(builder, [_metadata(*entry).Pack(builder) for entry in entries])
        codes = _offsets(builder, [_operator_code(*code).Pack(builder) for code in self._codes])
        subgraph = _offsets(builder, [self._subgraph(images, logits).Pack(builder)])
        signature = _offsets(builder, [_signature(images, logits).Pack(builder)])
        description = builder.CreateString("shufflenet")
        schema.ModelStart(builder)
        schema.ModelAddVersion(builder, 3)
        schema.ModelAddOperatorCodes(builder, codes)
        schema.ModelAddSubgraphs(builder, subgraph)
        schema.ModelAddDescription(builder, description)
        schema.ModelAddBuffers(builder, buffers)
        schema.ModelAddMetadata(builder, named)
        schema.ModelAddSignatureDefs(builder, signature)
        builder.Finish(schema.ModelEnd(builder), b"TFL3")
        return bytes(builder.Output())

    def _buffer(self, content: bytes) -> int:
        self._buffers.append(content)
        return len(self._buffers) - 1

    def _subgraph(self, images: int, logits: int) -> Any:  # noqa: ANN401
        subgraph = schema.SubGraphT()
        subgraph.name, subgraph.tensors, subgraph.operators = "main", self._tensors, self._operators
        subgraph.inputs, subgraph.outputs = [images], [logits]
        return subgraph


def _offsets(builder: Any, offsets: Sequence[int]) -> int:  # noqa: ANN401
    """Write a vector of references to tables."""
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _pack_buffer(builder: Any, content: bytes) -> int:  # noqa: ANN401
    """Write a buffer, whose bytes are aligned in the file; the schema's own writer does not."""
    if content:
        builder.StartVector(1, len(content), _ALIGNMENT)
        builder.head -= len(content)
        builder.Bytes[builder.head : builder.head + len(content)] = content
        data = builder.EndVector()
    schema.BufferStart(builder)
    if content:
        schema.BufferAddData(builder, data)
    return int(schema.BufferEnd(builder))


def _metadata(name: str, buffer: int) -> Any:  # noqa: ANN401
    entry = schema.MetadataT()
    entry.name, entry.buffer = name.encode(), buffer
    return entry


def _operator_code(operator: int, version: int) -> Any:  # noqa: ANN401
    """Return the schema's object; operators from 127 on have a number in a newer field only."""
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode = operator, min(operator, 127)
    code.version = version
    return code


def _signature(images: int, logits: int) -> Any:  # noqa: ANN401
    """Name the input and the output, as programs ask for them."""
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs, signature.outputs = [], []
    for name, tensor, among in (
        ("images", images, signature.inputs),
        ("logits", logits, signature.outputs),
    ):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name.encode(), tensor
        among.append(entry)
    return signature
