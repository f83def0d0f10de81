"""The operations of ``/v2`` as OpenAPI describes them.

Source: kserve/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from collections.abc import Sequence

from shufflenet.serve.kserve import FILES, LOGITS, Signature
from shufflenet.serve.openapi._parts import TIMING, Json, errors, json_answer, ref

__all__ = ["kserve_operations", "kserve_tag"]

_ERRORS = (400, 404, 408, 413, 415, 429, 500, 503)
_JSON_THEN_DATA = "JSON, then data"
# A photo of one pixel, as PNG in base64.
_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mM4USEHAANqAV9yShF3AAAAAElFTkSuQmCC"
)


def kserve_tag() -> Json:
    """Return the tag of these operations."""
    return {
        "name": "Inference",
        "description": "The Open Inference Protocol, which clients of KServe and Triton speak. "
        "Every address of a model also exists of its version, /v2/models/NAME/versions/1.",
    }


def kserve_operations(models: Sequence[Signature]) -> Json:
    """Return the paths of ``/v2``, for these models."""
    name = _name([each.served.name for each in models])
    shape = json_answer("Its inputs and outputs.", {"type": "object"})
    state = {"type": "object", "required": ["ready"], "properties": {"ready": {"type": "boolean"}}}
    live = {"type": "object", "required": ["live"], "properties": {"live": {"type": "boolean"}}}
    ready = {
        "200": json_answer("It is.", state),
        "503": json_answer("The service is ending.", state),
    }
    return {
        "/v2/models/{name}/infer": {"post": _infer(models[0], name)},
        "/v2/models/{name}": _get(
            "readModelMetadata", "What tensors a model takes and gives", {"200": _METADATA}, name
        ),
        "/v2/models/{name}/config": _get(
            "readModelConfiguration", "The same in Triton's words", {"200": shape}, name
        ),
        "/v2/models/{name}/ready": _get("isModelReady", "Is a model ready?", ready, name),
        "/v2": _get("readServerMetadata", "What the service is", {"200": _SERVER}),
        "/v2/health/live": _get(
            "isServerLive", "Is the process alive?", {"200": json_answer("It is.", live)}
        ),
        "/v2/health/ready": _get("isServerReady", "Is the service ready?", ready),
        "/v2/repository/index": {
            "post": _operation("listRepository", "List the models", {"200": _INDEX})
        },
    }


_METADATA = json_answer(
    "Its inputs and outputs, in which -1 is any length.", ref("schemas", "ModelMetadata")
)
_SERVER = json_answer("The service.", ref("schemas", "ServerMetadata"))
_INDEX = json_answer("The models.", {"type": "array", "items": ref("schemas", "IndexedModel")})


def _infer(first: Signature, name: Json) -> Json:
    answer = json_answer(
        "The outputs. With binary data the JSON is as long as the header says, and the data "
        "follows it.",
        ref("schemas", "InferenceAnswer"),
    )
    answer["content"]["application/octet-stream"] = {"schema": {"title": _JSON_THEN_DATA}}
    answer["headers"] = {"Server-Timing": TIMING, _LENGTH["name"]: _ANSWERED_LENGTH}
    unreadable = json_answer("An image file cannot be read.", ref("schemas", "Problem"))
    return {
        **_operation("infer", "Compute a model's outputs", {}),
        "parameters": [name, _LENGTH],
        "requestBody": {
            "required": True,
            "description": "Tensors as JSON, or as JSON followed by their bytes, then with the "
            "header that tells how long the JSON is. Content-Encoding may be gzip or deflate.",
            "content": {
                "application/json": {
                    "schema": ref("schemas", "InferenceRequest"),
                    **({"example": _EXAMPLE} if FILES in first.inputs else {}),
                },
                "application/octet-stream": {"schema": {"title": _JSON_THEN_DATA}},
            },
        },
        "responses": {"200": answer, "422": unreadable, **errors(*_ERRORS)},
    }


_LENGTH: Json = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "description": "The bytes of JSON, if data follows it.",
    "schema": {"type": "integer", "minimum": 1},
}
_ANSWERED_LENGTH: Json = {
    "description": "The bytes of JSON, if data follows it.",
    "schema": {"type": "integer", "minimum": 1},
}


_EXAMPLE: Json = {
    "inputs": [{"name": FILES, "shape": [1], "datatype": "BYTES", "data": [_PIXEL]}],
    "outputs": [{"name": LOGITS, "parameters": {"classification": 3}}],
}


def _get(name: str, summary: str, responses: Json, parameter: Json | None = None) -> Json:
    operation = _operation(name, summary, responses)
    if parameter is None:
        return {"get": operation}
    answers = {**responses, **errors(404)}
    return {"get": {**operation, "parameters": [parameter], "responses": answers}}


def _operation(name: str, summary: str, responses: Json) -> Json:
    shown = {"operationId": name, "tags": ["Inference"], "summary": summary}
    return {**shown, "responses": responses}


def _name(names: list[str]) -> Json:
    return {
        "name": "name",
        "in": "path",
        "required": True,
        "description": "Which model.",
        "schema": {"type": "string", "enum": list(dict.fromkeys([*names, "default"]))},
    }
