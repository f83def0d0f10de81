"""A model as the messages of Core ML's files.

The numbers of fields are those of coremltools 9.0: mlmodel/format/Model.proto, FeatureTypes.proto
and MIL.proto. What coremltools writes as a constant of its own (every parameter of an operation) is
one here too; only a classifier's labels stand in their operation, as there. Maps are written in
the order of their keys, so that the same model makes the same bytes.
"""

import numpy as np
import numpy.typing as npt

from shufflenet.files.mlpackage._blobs import BlobWriter
from shufflenet.files.mlpackage._values import (
    COLOR_SPACES,
    DATA_TYPES,
    ArrayInput,
    Constant,
    ImageInput,
    Model,
    Operation,
    Result,
    TensorType,
    ValueType,
)
from shufflenet.files.protobuf_writer import chunk, entry, floats, integer, integers_packed

__all__ = ["encode_model"]

_WEIGHTS = "@model_path/weights/weight.bin"
_ARRAY_FLOAT32 = 65568


def encode_model(model: Model) -> tuple[bytes, bytes]:
    """Return the bytes of ``model.mlmodel`` and of ``weight.bin``."""
    blobs = BlobWriter()
    program = integer(1, 1) + entry(2, "main", _function(model, blobs))
    spec = integer(1, model.version) + chunk(2, _description(model)) + chunk(502, program)
    return spec, blobs.content()


def _description(model: Model) -> bytes:
    about = model.about
    texts = ((1, about[0]), (3, about[1]), (4, about[2]))
    metadata = b"".join(chunk(number, text) for number, text in texts if text)
    metadata += b"".join(entry(100, key, text) for key, text in sorted(model.metadata.items()))
    parts = chunk(1, _feature(model.input.name, model.input.about, _input_type(model.input)))
    for each in model.results:
        parts += chunk(10, _feature(each.name, each.about, _result_type(each)))
    if (label := _named(model, TensorType("str", ()))) is not None:
        parts += chunk(11, label)
    if (probabilities := _named(model, "probabilities")) is not None:
        parts += chunk(12, probabilities)
    return parts + chunk(100, metadata)


def _named(model: Model, kind: ValueType) -> str | None:
    return next((each.name for each in model.results if each.kind == kind), None)


def _feature(name: str, about: str, kind: bytes) -> bytes:
    return chunk(1, name) + (chunk(2, about) if about else b"") + chunk(3, kind)


def _input_type(of: ImageInput | ArrayInput) -> bytes:
    if isinstance(of, ArrayInput):
        return _array(of.shape)
    size = integer(1, of.width) + integer(2, of.height)
    return chunk(4, size + integer(3, COLOR_SPACES[of.colors]))


def _array(shape: tuple[int, ...]) -> bytes:
    return chunk(5, integers_packed(1, shape) + integer(2, _ARRAY_FLOAT32))


def _result_type(result: Result) -> bytes:
    if isinstance(result.kind, TensorType):
        return chunk(3, b"") if result.kind.dtype == "str" else _array(result.kind.shape)
    return chunk(6, chunk(2, b""))  # a map whose keys are texts


def _function(model: Model, blobs: BlobWriter) -> bytes:
    block = b"".join(chunk(2, each.name) for each in model.results)
    block += b"".join(chunk(3, _operation(each, blobs)) for each in model.operations)
    kind = _type(TensorType("float32", model.input.shape))
    images = chunk(1, model.input.name) + chunk(2, kind)
    return chunk(1, images) + chunk(2, model.opset) + entry(3, model.opset, block)


def _operation(operation: Operation, blobs: BlobWriter) -> bytes:
    parts = chunk(1, operation.kind)
    bound = {
        parameter: b"".join(chunk(1, chunk(1, name)) for name in names)
        for parameter, names in operation.inputs.items()
    }
    for parameter, literal in operation.literals.items():
        bound[parameter] = chunk(1, chunk(2, _value(literal, blobs)))
    parts += b"".join(entry(2, *each) for each in sorted(bound.items()))
    for name, kind in operation.outputs:
        parts += chunk(3, chunk(1, name) + chunk(2, _type(kind)))
    attributes: dict[str, Constant] = {"name": f"{operation.output}_op", **operation.attributes}
    for name in sorted(attributes):
        parts += entry(5, name, _value(attributes[name], blobs))
    return parts


def _type(kind: ValueType) -> bytes:
    if isinstance(kind, TensorType):
        sizes = b"".join(chunk(3, chunk(1, integer(1, size))) for size in kind.shape)
        rank = integer(2, len(kind.shape)) if kind.shape else b""
        return chunk(1, integer(1, DATA_TYPES[kind.dtype]) + rank + sizes)
    key, value = _type(TensorType("str", ())), _type(TensorType("float64", ()))
    return chunk(4, chunk(1, key) + chunk(2, value))


def _value(constant: Constant, blobs: BlobWriter) -> bytes:
    if isinstance(constant, str):
        text = chunk(1, chunk(4, chunk(1, constant)))
        return chunk(2, _type(TensorType("str", ()))) + chunk(3, text)
    if isinstance(constant, tuple):
        length = chunk(2, chunk(1, integer(1, len(constant))))
        kind = chunk(2, chunk(1, _type(TensorType("str", ()))) + length)
        values = b"".join(chunk(1, _value(each, blobs)) for each in constant)
        return chunk(2, kind) + chunk(3, chunk(3, values))
    kind = chunk(2, _type(TensorType(constant.dtype.name, constant.shape)))
    if blobs.holds(constant):
        return kind + chunk(5, chunk(1, _WEIGHTS) + integer(2, blobs.add(constant)))
    return kind + chunk(3, chunk(1, _tensor(constant)))


def _tensor(constant: npt.NDArray[np.generic]) -> bytes:
    """Return numbers as a ``TensorValue``; those of one or two bytes are its ``bytes``."""
    values, kind = constant.ravel(), constant.dtype.name
    if kind == "float32":
        return chunk(1, floats(1, values.tolist()))
    if kind in ("int32", "bool"):
        return chunk(2 if kind == "int32" else 3, integers_packed(1, map(int, values.tolist())))
    return chunk(7, chunk(1, values.astype(values.dtype.newbyteorder("<")).tobytes()))
