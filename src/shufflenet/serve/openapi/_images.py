"""The operations of ``/v1`` as OpenAPI describes them."""

from collections.abc import Mapping

from shufflenet.serve._limits import Limits
from shufflenet.serve._served import Served
from shufflenet.serve.openapi._parts import TIMING, Json, errors, json_answer, ref

__all__ = ["image_operations"]

_ERRORS = (400, 404, 408, 413, 415, 429, 500, 503)


def image_operations(models: Mapping[str, Served], limits: Limits) -> Json:
    """Return the paths of ``/v1``, for these models."""
    listed = {"200": json_answer("The models.", ref("schemas", "Models"))}
    return {
        "/v1/classify": {"post": _classify(models, limits)},
        "/v1/embed": {"post": _embed(models, limits)},
        "/v1/models": {
            "get": {
                "operationId": "listModels",
                "tags": ["Images"],
                "summary": "List the models",
                "description": "The models that are served, the default one first, and what a "
                "request may hold.",
                "responses": listed,
            }
        },
    }


def _classify(models: Mapping[str, Served], limits: Limits) -> Json:
    label = next(iter(models.values())).card.labels[0].name
    shown = {"index": 0, "label": label, "probability": 0.93}
    return {
        "operationId": "classify",
        "tags": ["Images"],
        "summary": "Say what images show",
        "description": "The most probable classes of each image, in the order in which the images "
        "were sent.",
        "parameters": [_model(list(models)), _TOP],
        "requestBody": _body(limits),
        "responses": _answers("Classified", {"path": "-", "predictions": [shown]}),
    }


def _embed(models: Mapping[str, Served], limits: Limits) -> Json:
    embedding = [name for name, served in models.items() if served.embedder is not None]
    none = "" if embedding else " None of the models that are served computes any."
    return {
        "operationId": "embed",
        "tags": ["Images"],
        "summary": "Turn images into vectors",
        "description": "A vector of each image, in the order in which the images were sent; the "
        f"vectors of images that are alike are at a small angle.{none}",
        "parameters": [_model(embedding or list(models))],
        "requestBody": _body(limits),
        "responses": _answers("Embedded", {"path": "-", "embedding": [0.25, 0.0, 1.5]}),
    }


_TOP: Json = {
    "name": "top",
    "in": "query",
    "description": "How many classes of each image are answered, if it has so many.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999, "default": 5},
    "example": 3,
}


def _model(names: list[str]) -> Json:
    """Return the parameter that chooses among models; ``default`` always finds one."""
    return {
        "name": "model",
        "in": "query",
        "description": "Which model; the first one unless given.",
        "schema": {"type": "string", "enum": list(dict.fromkeys([*names, "default"]))},
    }


def _body(limits: Limits) -> Json:
    image: Json = {"schema": {"title": "the bytes of an image"}}
    parts = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": limits.images,
        "additionalProperties": {"type": "string", "contentMediaType": "application/octet-stream"},
        "title": "each part an image, whatever its field is called",
    }
    return {
        "required": True,
        "description": "An image as it is, or several as the parts of a form: "
        f"at most {limits.images}, of {limits.pixels / 1e6:,.6g} megapixels each and "
        f"{limits.request_pixels / 1e6:,.6g} together, and "
        f"{limits.request_bytes / 2**20:,.6g} MiB together. What an image is, is read from its "
        "bytes; its type is not.",
        "content": {
            "image/jpeg": image,
            "image/png": image,
            "image/webp": image,
            "application/octet-stream": image,
            "multipart/form-data": {"schema": parts},
        },
    }


def _answers(name: str, example: Json) -> Json:
    """Return the answers of an operation that answers with an object for each image."""
    either = {"anyOf": [ref("schemas", name), ref("schemas", "Unreadable")]}
    done: Json = {
        "description": "For a body that is an image, an object. For a form, one for each image, "
        "in lines of JSON, or as an array for who accepts application/json. An image that cannot "
        "be read has an error in its place.",
        "headers": {"Server-Timing": TIMING},
        "content": {
            "application/jsonl": {"schema": {"type": "string", "title": "an object in each line"}},
            "application/json": {
                "schema": {
                    "anyOf": [ref("schemas", name), {"type": "array", "items": either}],
                },
                "example": example,
            },
        },
    }
    unreadable = json_answer("The body is no image that can be read.", ref("schemas", "Unreadable"))
    unreadable["headers"] = {"Server-Timing": TIMING}
    return {"200": done, **errors(*_ERRORS), "422": unreadable}
