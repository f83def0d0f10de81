"""The operations of ``/v1`` as OpenAPI describes them."""

from collections.abc import Mapping, Sequence

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
        "/v1/detect": {"post": _detect(models, limits)},
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
    classifiers = [name for name, served in models.items() if not served.card.detector]
    none = "" if classifiers else " None of the models that are served is a classifier."
    label = models[(classifiers or list(models))[0]].card.labels[0].name
    shown = {"index": 0, "label": label, "probability": 0.93}
    return {
        "operationId": "classify",
        "tags": ["Images"],
        "summary": "Say what images show",
        "description": "The most probable classes of each image, in the order in which the images "
        f"were sent.{none}",
        "parameters": [_model(models, classifiers), _TOP],
        "requestBody": _body(limits),
        "responses": _answers("Classified", {"path": "-", "predictions": [shown]}),
    }


def _detect(models: Mapping[str, Served], limits: Limits) -> Json:
    detectors = [name for name, served in models.items() if served.card.detector]
    none = "" if detectors else " None of the models that are served is a detector."
    label = models[detectors[0]].card.labels[0].name if detectors else "cat"
    shown = {"box": [12.5, 30, 100, 80.25], "index": 0, "label": label, "score": 0.93}
    example = {"path": "-", "width": 640, "height": 480, "detections": [shown]}
    return {
        "operationId": "detect",
        "tags": ["Images"],
        "summary": "Find boxes in images",
        "description": "The boxes that a detector finds in each image, in the order in which the "
        f"images were sent.{none}",
        "parameters": [_model(models, detectors), *_SHARES, _MOST_BOXES],
        "requestBody": _body(limits),
        "responses": _answers("Detected", example),
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
        "parameters": [_model(models, embedding)],
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


_MOST_BOXES: Json = {
    "name": "top",
    "in": "query",
    "description": "How many boxes of each image are answered at most.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    "example": 10,
}
_SHARES: list[Json] = [
    {
        "name": name,
        "in": "query",
        "description": text,
        "schema": {"type": "number", "minimum": 0, "maximum": 1, "default": usual},
        "example": usual,
    }
    for name, text, usual in (
        ("min_score", "The least score of a box.", 0.3),
        ("max_iou", "The largest overlap of two boxes of a class; of others one is left.", 0.6),
    )
]


def _model(models: Mapping[str, Served], names: Sequence[str]) -> Json:
    """Return the parameter that chooses among models.

    Args:
        models: All that are served, of which the first is meant without it, and by ``default``.
        names: Those that answer the operation; of no use if there are none.
    """
    names = names or list(models)
    first = next(iter(models))
    parameter: Json = {
        "name": "model",
        "in": "query",
        "description": "Which model; the first one unless given.",
        "schema": {"type": "string", "enum": list(dict.fromkeys([*names, "default"]))},
    }
    if first not in names:
        description = f"Which model: {first}, the first one, is of another task."
        schema = {"type": "string", "enum": list(names)}
        parameter |= {"required": True, "example": names[0]}
        parameter |= {"description": description, "schema": schema}
    return parameter


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
