"""The schemas of what ``/v2`` takes and answers, as OpenAPI describes them.

Source: kserve/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from collections.abc import Sequence

from shufflenet.serve.kserve import Signature
from shufflenet.serve.openapi._parts import Json, object_of, ref

__all__ = ["tensor_schemas"]

_TEXT: Json = {"type": "string"}
_OBJECT: Json = {"type": "object"}
_SHAPE: Json = {"type": "array", "items": {"type": "integer"}}
_ELEMENTS: Json = {"type": "array", "items": {"type": ["number", "string"]}}
_TENSORS: Json = {"type": "array", "items": _OBJECT}


def tensor_schemas(models: Sequence[Signature]) -> Json:
    """Return the schemas by name; inputs and outputs are those of any model."""
    inputs = list(dict.fromkeys(name for each in models for name in each.inputs))
    outputs = list(dict.fromkeys(name for each in models for name in each.outputs))
    return {
        "InferenceRequest": _REQUEST,
        "InferenceInput": _sent(inputs),
        "InferenceOutput": _asked(outputs),
        "InferenceAnswer": _ANSWER,
        "InferenceTensor": _answered(outputs),
        "ModelMetadata": _MODEL,
        "ServerMetadata": _SERVER,
        "IndexedModel": _INDEXED,
    }


# What the service passes over in a request, it may hold.
_REQUEST: Json = {
    "type": "object",
    "description": "One input, and the outputs that are asked for.",
    "required": ["inputs"],
    "properties": {
        "id": {**_TEXT, "description": "Is answered as it is."},
        "inputs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": ref("schemas", "InferenceInput"),
        },
        "outputs": {"type": "array", "items": ref("schemas", "InferenceOutput")},
        "parameters": _OBJECT,
    },
}


def _sent(names: list[str]) -> Json:
    data = "The elements in their order; of files, their base64. Without it they follow the JSON."
    return {
        "type": "object",
        "description": "Images: prepared as the model takes them, cropped, or as files.",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": {"enum": names},
            "shape": {**_SHAPE, "description": "(n, c, h, w), (n, h, w, c) or (n)."},
            "datatype": {"enum": ["FP32", "FP16", "UINT8", "UINT16", "BYTES"]},
            "data": {**_ELEMENTS, "description": data},
            "parameters": _OBJECT,
        },
    }


def _asked(names: list[str]) -> Json:
    parameters = (
        "classification: so many of the highest values, as value:index:label. "
        "binary_data: whether the elements follow the JSON."
    )
    return {
        "type": "object",
        "description": "An output that is asked for.",
        "required": ["name"],
        "properties": {
            "name": {"enum": names},
            "parameters": {**_OBJECT, "description": parameters},
        },
    }


_ANSWER = object_of(
    "The outputs that were asked for.",
    {
        "model_name": _TEXT,
        "model_version": _TEXT,
        "id": _TEXT,
        "outputs": {"type": "array", "items": ref("schemas", "InferenceTensor")},
    },
    optional=("id",),
)


def _answered(names: list[str]) -> Json:
    fields = {
        "name": {"enum": names},
        "shape": _SHAPE,
        "datatype": {"enum": ["FP32", "BYTES"]},
        "data": _ELEMENTS,
        "parameters": _OBJECT,
    }
    return object_of("An output.", fields, optional=("data", "parameters"))


_MODEL = object_of(
    "What tensors a model takes and gives.",
    {
        "name": _TEXT,
        "versions": {"type": "array", "items": _TEXT},
        "platform": _TEXT,
        "inputs": _TENSORS,
        "outputs": _TENSORS,
    },
)
_SERVER = object_of(
    "What the service is.",
    {"name": _TEXT, "version": _TEXT, "extensions": {"type": "array", "items": _TEXT}},
)
_INDEXED = object_of(
    "A model in the list of them.",
    {"name": _TEXT, "version": _TEXT, "state": _TEXT, "reason": _TEXT},
)
