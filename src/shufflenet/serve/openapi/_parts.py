"""Pieces of the OpenAPI document that several operations use: schemas, answers, parameters.

Source: OpenAPI 3.1.1, https://spec.openapis.org/oas/v3.1.1.html.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from shufflenet.serve._limits import Limits

__all__ = [
    "TIMING",
    "Json",
    "errors",
    "json_answer",
    "no_token",
    "object_of",
    "problems",
    "ref",
    "text_answer",
]

Json: TypeAlias = dict[str, Any]  # a node of the document

TIMING: Json = {
    "description": "Milliseconds that decoding, computing and waiting took, over all images.",
    "required": True,
    "schema": {"type": "string", "pattern": "^decode;dur=.+, compute;dur=.+, wait;dur=.+$"},
}
"""The header ``Server-Timing``."""

_RETRY_AFTER: Json = {
    "description": "Seconds after which to try again.",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}


def ref(kind: str, name: str) -> Json:
    """Return a reference to a component.

    >>> ref("schemas", "Card")
    {'$ref': '#/components/schemas/Card'}
    """
    return {"$ref": f"#/components/{kind}/{name}"}


def json_answer(description: str, schema: Json, example: object = None) -> Json:
    """Return an answer of JSON."""
    content: Json = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"description": description, "content": {"application/json": content}}


def text_answer(description: str, *types: str) -> Json:
    """Return an answer of text, in one of several media types."""
    schema = {"type": "string"}
    return {"description": description, "content": {kind: {"schema": schema} for kind in types}}


def errors(*statuses: int) -> Json:
    """Return references to the answers with these statuses."""
    return {str(status): ref("responses", _NAMES[status]) for status in sorted(statuses)}


_NAMES = {
    400: "Refused",
    401: "NoToken",
    403: "OtherSite",
    404: "NotFound",
    408: "TooSlow",
    413: "TooLarge",
    415: "OtherType",
    421: "OtherHost",
    429: "TooBusy",
    500: "Failed",
    503: "Unavailable",
}


def problems(limits: Limits) -> Json:
    """Return the components of errors, by their names in ``errors``."""
    retry = {"Retry-After": _RETRY_AFTER}
    megabytes = f"{limits.request_bytes / 2**20:,.6g} MiB"
    return {
        _NAMES[400]: _problem("A parameter or the body is none that can be answered."),
        _NAMES[403]: _problem("A page of another site asks; none but the service's own may."),
        _NAMES[404]: _problem("No model has that name."),
        _NAMES[408]: _problem(f"The body did not arrive within {limits.seconds:g} seconds."),
        _NAMES[413]: _problem(
            f"The body has more than {megabytes}, or holds more than {limits.images} images."
        ),
        _NAMES[415]: _problem("The body is of a type that holds no image."),
        _NAMES[421]: _problem("The service does not answer for the host that is asked for."),
        _NAMES[429]: _problem("As much waits as the service accepts.", retry),
        _NAMES[500]: _problem("The service failed. Its log says why."),
        _NAMES[503]: _problem(
            f"Not answered within {limits.seconds:g} seconds, or the service is ending.", retry
        ),
    }


def no_token() -> Json:
    """Return the component of a request that lacks the token."""
    challenge = {"WWW-Authenticate": {"required": True, "schema": {"const": "Bearer"}}}
    return {_NAMES[401]: _problem("The request bears no token, or another.", challenge)}


def _problem(description: str, headers: Json | None = None) -> Json:
    answer = json_answer(description, ref("schemas", "Problem"))
    return answer if headers is None else {**answer, "headers": headers}


def object_of(description: str, properties: Json, optional: Sequence[str] = ()) -> Json:
    """Return the schema of an object that has these properties and no others."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }
