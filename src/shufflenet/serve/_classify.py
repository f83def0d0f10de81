"""``/v1``: images in, the classes or the vectors of each out."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shufflenet.benchmark import cost
from shufflenet.errors import DetectorAsked, ImageError, SpecError
from shufflenet.runtimes import top_k
from shufflenet.serve._bodies import Sent, read_pictures
from shufflenet.serve._pool import Tally
from shufflenet.serve._served import Served
from shufflenet.serve._service import Computed, Service, Size

__all__ = [
    "Json",
    "Size",
    "answer",
    "check_query",
    "image_routes",
    "note",
    "server_timing",
    "whole_number",
]

_JSON, _JSON_LINES = "application/json", "application/jsonl"
_TOP = 5  # classes of an image, unless a request says
_PREDICTION_VALUES = 3  # index, label, probability
Json: TypeAlias = dict[str, object]
_Describe: TypeAlias = Callable[[npt.NDArray[np.float32], Size], Json]


def image_routes(service: Service) -> list[Route]:
    """Return the routes of ``/v1`` that are not for boxes."""

    async def classify(request: Request) -> Response:
        check_query(request, ("model", "top"))
        served = service.find(request.query_params.get("model"))
        k = whole_number(request, "top", _TOP)
        if served.card.detector is not None:
            raise DetectorAsked(served.name, "names no class of a whole image")

        def describe(logits: npt.NDArray[np.float32], size: Size) -> Json:
            return {"predictions": [asdict(each) for each in top_k(logits, served.card, k)]}

        async with read_pictures(request, service) as sent:
            note(request, served, sent)
            computed = await service.compute(served, sent.pictures)
        values = _PREDICTION_VALUES * min(k, len(served.card.labels)) * len(computed.rows)
        return await service.write(values, partial(answer, request, sent, computed, describe))

    async def embed(request: Request) -> Response:
        check_query(request, ("model",))
        served = service.find(request.query_params.get("model"))
        if served.card.detector is not None:
            raise DetectorAsked(served.name, "has no embeddings")

        def describe(row: npt.NDArray[np.float32], size: Size) -> Json:
            return {"embedding": row.tolist()}

        async with read_pictures(request, service) as sent:
            note(request, served, sent)
            computed = await service.compute(served, sent.pictures, "embedding")
        values = served.card.network.embedding_channels * len(computed.rows)
        return await service.write(values, partial(answer, request, sent, computed, describe))

    # Written once: the cards take some milliseconds.
    listed = JSONResponse({"models": _models(service), "limits": asdict(service.limits)}).body

    async def models(request: Request) -> Response:
        return Response(listed, media_type=_JSON)

    return [
        Route("/v1/classify", classify, methods=["POST"]),
        Route("/v1/embed", embed, methods=["POST"]),
        Route("/v1/models", models, methods=["GET"]),
    ]


def _models(service: Service) -> list[Json]:
    """Return what ``/v1/models`` says of each model."""
    first = next(iter(service.models))
    return [
        {
            "name": name,
            "default": name == first,
            "task": served.card.task,
            "runtime": served.model.runtime,
            "embeds": served.embedder is not None,
            "parameters": cost(served.card.network, detector=served.card.detector).parameters,
            "card": json.loads(served.card.to_json()),
        }
        for name, served in service.models.items()
    ]


def note(request: Request, served: Served, sent: Sent) -> None:
    """Note what the log says of a request."""
    request.state.model, request.state.images = served.name, len(sent.pictures)


def check_query(request: Request, known: Sequence[str]) -> None:
    """Check the names of a request's parameters: one that is misspelled would have no effect.

    Raises:
        SpecError: one is not known.
    """
    for name in request.query_params:
        if name not in known:
            raise SpecError("a parameter of the query", name, " or ".join(known))


def whole_number(request: Request, name: str, usual: int) -> int:
    """Return the number that a parameter of a request asks for.

    Raises:
        SpecError: it is no whole number of at least 1.
    """
    text = request.query_params.get(name, str(usual))
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise SpecError(name, text, "a whole number of at least 1")
    return int(text)


def answer(request: Request, sent: Sent, computed: Computed, describe: _Describe) -> Response:
    """Return an object for each image, as ``predict --json`` prints them."""
    headers = {"Server-Timing": server_timing(computed.tally)}
    lines = [
        _line(name, row, size, describe)
        for name, row, size in zip(sent.names, computed.rows, computed.sizes, strict=True)
    ]
    if not sent.is_form:
        status = 422 if "error" in lines[0] else 200
        return Response(_json_lines(lines), status, headers, _JSON)
    if _JSON in request.headers.get("accept", ""):
        return JSONResponse(lines, headers=headers)
    return Response(_json_lines(lines), headers=headers, media_type=_JSON_LINES)


def _line(
    name: str, row: npt.NDArray[np.float32] | ImageError, size: Size, describe: _Describe
) -> Json:
    if isinstance(row, ImageError):
        return {"path": name, "error": str(ImageError(name, row.problem))}
    return {"path": name, **describe(row, size)}


def _json_lines(lines: Sequence[Json]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def server_timing(tally: Tally) -> str:
    """Return where the time of a request went, in milliseconds, summed over its images.

    Source: W3C, Server Timing; the browser's tools show it.

    >>> server_timing(Tally(decode=0.00312, compute=0.0004, wait=0.0))
    'decode;dur=3.12, compute;dur=0.40, wait;dur=0.00'
    """
    parts = (("decode", tally.decode), ("compute", tally.compute), ("wait", tally.wait))
    return ", ".join(f"{name};dur={1000 * seconds:.2f}" for name, seconds in parts)
