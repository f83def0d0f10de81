"""``/v1/detect``: images in, the boxes in each out."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import numpy as np
import numpy.typing as npt
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shufflenet.boxes import Search, find_detections
from shufflenet.errors import ClassifierAsked, SpecError
from shufflenet.preprocess import placement
from shufflenet.serve._bodies import read_pictures
from shufflenet.serve._classify import Json, Size, answer, check_query, note, whole_number
from shufflenet.serve._service import Service
from shufflenet.spec import Card

__all__ = ["detect_route"]

_PARAMETERS = ("model", "min_score", "max_iou", "top")
_LONGEST_NUMBER = 20  # characters


def detect_route(service: Service) -> Route:
    """Return the route of ``/v1/detect``."""

    async def detect(request: Request) -> Response:
        check_query(request, _PARAMETERS)
        served = service.find(request.query_params.get("model"))
        if served.card.detector is None:
            raise ClassifierAsked(served.name)
        search, card = _search(request), served.card
        async with read_pictures(request, service) as sent:
            note(request, served, sent)
            computed = await service.compute(served, sent.pictures)
        describe = partial(_describe, card, [label.name for label in card.labels], search)
        values = int(np.prod(card.row_shape)) * len(computed.rows)  # which are searched
        return await service.write(values, partial(answer, request, sent, computed, describe))

    return Route("/v1/detect", detect, methods=["POST"])


def _describe(
    card: Card, labels: Sequence[str], search: Search, rows: npt.NDArray[np.float32], size: Size
) -> Json:
    """Return what is answered of an image: its size, and the boxes in its pixels."""
    found = find_detections(rows, labels, placement(*size, card.preprocess), search)
    width, height = size
    return {"width": width, "height": height, "detections": [asdict(each) for each in found]}


def _search(request: Request) -> Search:
    """Return what the parameters of a request look for.

    Raises:
        SpecError: one is no number, or outside its range.
    """
    usual = Search()
    return Search(
        _share(request, "min_score", usual.min_score),
        _share(request, "max_iou", usual.max_iou),
        whole_number(request, "top", usual.k),
    )


def _share(request: Request, name: str, usual: float) -> float:
    """Return a number from 0 to 1.

    Raises:
        SpecError: it is none.
    """
    text = request.query_params.get(name)
    if text is None:
        return usual
    try:
        value = float(text) if text.isascii() and len(text) <= _LONGEST_NUMBER else -1.0
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise SpecError(name, text, "from 0 to 1")
    return value
