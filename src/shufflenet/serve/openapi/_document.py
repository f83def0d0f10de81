"""The service described in OpenAPI 3.1, for programs that write clients or test the service."""

from collections.abc import Callable
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shufflenet.serve._service import Service
from shufflenet.serve.kserve import sign
from shufflenet.serve.openapi._images import image_operations
from shufflenet.serve.openapi._inference import kserve_operations, kserve_tag
from shufflenet.serve.openapi._parts import (
    Json,
    errors,
    json_answer,
    no_token,
    problems,
    text_answer,
)
from shufflenet.serve.openapi._schemas import image_schemas
from shufflenet.serve.openapi._tensors import tensor_schemas

__all__ = ["describe_service", "openapi_route"]


def describe_service(service: Service, needs_token: Callable[[str], bool] | None) -> Json:
    """Return the document of a service.

    Args:
        service: Its models and limits are named in it.
        needs_token: Returns whether requests of a path must bear the token; None if there is none.
    """
    signed = [sign(served) for served in service.models.values()]
    components: Json = {
        "schemas": {**image_schemas(), **tensor_schemas(signed)},
        "responses": problems(service.limits),
    }
    if needs_token:
        components["responses"] |= no_token()
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    paths = {
        **image_operations(service.models, service.limits),
        **kserve_operations(signed),
        **_operations(),
    }
    return {
        "openapi": "3.1.0",
        "info": _INFO,
        "tags": [
            {"name": "Images", "description": "Images in, classes, boxes or vectors out."},
            kserve_tag(),
            {"name": "Operation", "description": "For who runs the service."},
        ],
        "paths": _each(paths, needs_token or (lambda path: False)),
        "components": components,
    }


_INFO: Json = {
    "title": "shufflenet",
    "version": version("shufflenet"),
    "summary": "Image classifiers and detectors behind an address.",
    "description": "Send an image, get what it shows. What is answered with 429 or 503 can be "
    "tried again after Retry-After seconds.",
    "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
}


def openapi_route(document: Json) -> Route:
    """Return the route of ``/openapi.json``."""

    async def openapi(request: Request) -> Response:
        # Where the app is mounted in another, its addresses begin with a prefix.
        prefix = request.scope.get("root_path", "")
        return JSONResponse({**document, "servers": [{"url": prefix or "/"}]})

    return Route("/openapi.json", openapi, methods=["GET"])


_STATUS: Json = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"type": "string"}},
}
_METRICS = ("text/plain", "application/openmetrics-text")
# Path, name, what it is, and the answer.
_OPERATIONS = (
    ("/healthz", "isAlive", "Is the process alive?", json_answer("It is.", _STATUS)),
    ("/readyz", "isReady", "Does the service take requests?", json_answer("It does.", _STATUS)),
    (
        "/metrics",
        "readMetrics",
        "Counters and histograms for Prometheus",
        text_answer("The metrics, in the format that is accepted.", *_METRICS),
    ),
    (
        "/openapi.json",
        "readDescription",
        "This description",
        json_answer("OpenAPI 3.1.", {"type": "object"}),
    ),
    ("/docs", "readReference", "This description as a page", text_answer("HTML.", "text/html")),
    ("/", "openPage", "A page that shows what is in photos", text_answer("HTML.", "text/html")),
)


def _operations() -> Json:
    """Return the paths that are not of images."""
    unavailable = errors(503)
    return {
        path: {
            "get": {
                "operationId": name,
                "tags": ["Operation"],
                "summary": summary,
                "responses": {"200": answer, **(unavailable if path == "/readyz" else {})},
            }
        }
        for path, name, summary, answer in _OPERATIONS
    }


def _each(paths: Json, needs_token: Callable[[str], bool]) -> Json:
    """Return the paths with what holds for all operations, and for those that need the token."""
    return {
        path: {
            method: _with_token(operation) if needs_token(path) else _with_all(operation)
            for method, operation in operations.items()
        }
        for path, operations in paths.items()
    }


def _with_all(operation: Json) -> Json:
    return {**operation, "responses": {**operation["responses"], **errors(403, 421)}}


def _with_token(operation: Json) -> Json:
    answers = {**operation["responses"], **errors(401, 403, 421)}
    return {**operation, "security": [{"bearer": []}], "responses": answers}
