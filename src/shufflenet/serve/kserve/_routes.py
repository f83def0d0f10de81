"""``/v2``: the Open Inference Protocol, which clients of KServe and Triton speak.

Sources: kserve/open-inference-protocol, specification/protocol/inference_rest.md; of Triton's
extensions (triton-inference-server/server, docs/protocol), binary tensor data, classification and
model configuration.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shufflenet.errors import (
    BrokenElement,
    ImageError,
    NotAnsweredInTime,
    NotEmbeddedFrom,
    UnknownVersion,
)
from shufflenet.serve._bodies import read_body
from shufflenet.serve._classify import server_timing
from shufflenet.serve._pool import Tally
from shufflenet.serve._served import Served
from shufflenet.serve._service import Computed, Service
from shufflenet.serve.kserve._answer import Answer, check_classes, write_answer
from shufflenet.serve.kserve._inflate import inflate
from shufflenet.serve.kserve._request import SentRequest, read_request, split_body
from shufflenet.serve.kserve._signature import (
    EMBEDDINGS,
    FILES,
    IMAGES,
    LOGITS,
    VERSION,
    Signature,
    configuration,
    metadata,
    sign,
)
from shufflenet.serve.kserve._tensors import Images, read_images

__all__ = ["kserve_routes"]

_PACKAGE_VERSION: Final = version("shufflenet")
_EXTENSIONS: Final = ("binary_tensor_data", "classification", "model_configuration")
_LENGTH: Final = "Inference-Header-Content-Length"
_AT_ONCE_BYTES = 1 << 14  # of JSON that is parsed in a fraction of a millisecond
_T = TypeVar("_T")
_Rows = npt.NDArray[np.float32]


def kserve_routes(service: Service) -> list[Route]:
    """Return the routes of ``/v2``."""
    signed = {name: sign(served) for name, served in service.models.items()}
    tells, infers = _Tells(service, signed), _Infers(service, signed)
    model = "/v2/models/{name}"
    routes = [
        Route("/v2", tells.server, methods=["GET"]),
        Route("/v2/", tells.server, methods=["GET"]),
        Route("/v2/health/live", tells.live, methods=["GET"]),
        Route("/v2/health/ready", tells.ready, methods=["GET"]),
        Route("/v2/repository/index", tells.index, methods=["POST"]),
    ]
    for path in (model, model + "/versions/{version}"):
        routes += [
            Route(path, tells.metadata, methods=["GET"]),
            Route(path + "/ready", tells.model_ready, methods=["GET"]),
            Route(path + "/config", tells.configuration, methods=["GET"]),
            Route(path + "/infer", infers.infer, methods=["POST"]),
        ]
    return routes


def _find(service: Service, signed: Mapping[str, Signature], request: Request) -> Signature:
    """Return the model that the path names.

    Raises:
        ModelNotServed: there is no such model.
        UnknownVersion: there is no such version of it.
    """
    name = service.find(request.path_params["name"]).name
    asked = request.path_params.get("version", VERSION)
    if asked != VERSION:
        raise UnknownVersion(name, asked, VERSION)
    return signed[name]


class _Tells:
    """What is asked before inference."""

    def __init__(self, service: Service, signed: Mapping[str, Signature]) -> None:
        self._service, self._signed = service, signed

    async def server(self, request: Request) -> Response:
        """Answer what the server is."""
        return JSONResponse(
            {
                "name": "shufflenet",
                "version": _PACKAGE_VERSION,
                "extensions": list(_EXTENSIONS),
            }
        )

    async def live(self, request: Request) -> Response:
        """Answer that the process is alive."""
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:
        """Answer whether requests are expected."""
        ready = not self._service.ending
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def model_ready(self, request: Request) -> Response:
        """Answer whether requests to a model are expected: models are open from the start."""
        name = _find(self._service, self._signed, request).served.name
        ready = not self._service.ending
        return JSONResponse({"name": name, "ready": ready}, 200 if ready else 503)

    async def metadata(self, request: Request) -> Response:
        """Answer a model's inputs and outputs."""
        return JSONResponse(metadata(_find(self._service, self._signed, request)))

    async def configuration(self, request: Request) -> Response:
        """Answer the same as Triton does."""
        signature = _find(self._service, self._signed, request)
        return JSONResponse(configuration(signature, self._service.limits))

    async def index(self, request: Request) -> Response:
        """Answer the models (Triton's extension_model_repository.md, "Index")."""
        return JSONResponse(
            [
                {"name": name, "version": VERSION, "state": "READY", "reason": ""}
                for name in self._service.models
            ]
        )


class _Infers:
    """Inference."""

    def __init__(self, service: Service, signed: Mapping[str, Signature]) -> None:
        self._service, self._signed = service, signed
        # What is parsed takes many times its memory: one body at a time. A lock belongs to the loop
        # that first waited for it, and an app may be run again, by another.
        self._turns = WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]()

    async def infer(self, request: Request) -> Response:
        """Answer the outputs of a model for the input of a request."""
        signature, content = _find(self._service, self._signed, request), bytearray()
        served = signature.served
        async with read_body(request, self._service, content.extend) as hold:
            body = await self._plain(request, memoryview(content).toreadonly(), hold)
            sent, images = await self._read(request, signature, body)
            computed = await self._compute(served, sent, images)
        rows = {name: _rows(each) for name, each in computed.items()}
        head = {"model_name": served.name, "model_version": VERSION}
        head |= {} if sent.id is None else {"id": sent.id}
        write = partial(write_answer, head, sent.outputs, rows, served.card)
        answer = await self._service.write(sum(each.size for each in rows.values()), write)
        return _response(answer, [each.tally for each in computed.values()])

    async def _plain(
        self, request: Request, content: memoryview, hold: Callable[[int], None]
    ) -> memoryview:
        """Return a body without its encoding, whose bytes are held as well.

        Raises:
            QueueFull: all bodies together would hold more than they may.
            RequestError: it cannot be decoded, or is too large.
        """
        encoding = request.headers.get("content-encoding", "")
        if not encoding:
            return content
        limit = self._service.limits.request_bytes
        body = await self._in_turn(partial(inflate, content, encoding, limit))
        hold(len(body))
        return body

    async def _read(
        self, request: Request, signature: Signature, body: memoryview
    ) -> tuple[SentRequest, Images]:
        """Read a body, by the pool if that takes long.

        Raises:
            RequestError: it is no request that the model answers.
            SpecError: its JSON is none.
        """
        text, binary = split_body(body, request.headers.get(_LENGTH))
        read = partial(_read, text, binary, signature, self._service.limits.images)
        return read() if len(text) <= _AT_ONCE_BYTES else await self._in_turn(read)

    async def _in_turn(self, work: Callable[[], _T]) -> _T:
        """Run a function by the pool while no other is run so.

        Raises:
            NotAnsweredInTime: its turn did not come within ``Limits.seconds``.
        """
        seconds = self._service.limits.seconds
        turn = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        try:
            async with asyncio.timeout(seconds), turn:
                return await self._service.run(work)
        except TimeoutError as error:
            raise NotAnsweredInTime(seconds, self._service.retry_seconds()) from error

    async def _compute(
        self, served: Served, sent: SentRequest, images: Images
    ) -> Mapping[str, Computed]:
        """Compute what all outputs are written from: logits, embeddings, or both.

        Raises:
            ShuffleNetError: as ``Service`` raises them.
        """
        if isinstance(images, np.ndarray):
            return {LOGITS: await self._service.logits(served, images)}
        names, computed = {each.name for each in sent.outputs}, {}
        if names - {EMBEDDINGS}:
            computed[LOGITS] = await self._service.compute(served, images)
        if EMBEDDINGS in names:
            computed[EMBEDDINGS] = await self._service.compute(served, images, "embedding")
        return computed


def _read(
    text: memoryview, binary: memoryview, signature: Signature, most_images: int
) -> tuple[SentRequest, Images]:
    """Read a request, and the images of its input.

    Raises:
        NotEmbeddedFrom: embeddings are asked of prepared images.
        RequestError: it is none that the model answers.
        SpecError: its JSON is none.
    """
    sent = read_request(text, binary, list(signature.inputs), list(signature.outputs))
    for asked in sent.outputs:
        check_classes(asked)
        if asked.name == EMBEDDINGS and sent.tensor.name == IMAGES:
            raise NotEmbeddedFrom(IMAGES)
    return sent, read_images(sent.tensor, signature.inputs[sent.tensor.name], most_images)


def _rows(computed: Computed) -> _Rows:
    """Return the rows of all images, ``(n, d)``.

    Raises:
        BrokenElement: an image cannot be read.
    """
    rows: list[_Rows] = []
    for at, row in enumerate(computed.rows):
        if isinstance(row, ImageError):
            raise BrokenElement(FILES, at, row.problem)
        rows.append(row)
    return np.stack(rows)


def _response(answer: Answer, tallies: Sequence[Tally]) -> Response:
    total = Tally(
        decode=sum(each.decode for each in tallies),
        compute=sum(each.compute for each in tallies),
        wait=sum(each.wait for each in tallies),
    )
    headers = {"Server-Timing": server_timing(total)}
    if not answer.is_binary:
        return Response(answer.body, headers=headers, media_type="application/json")
    headers[_LENGTH] = str(answer.json_bytes)
    return Response(answer.body, headers=headers, media_type="application/octet-stream")
