"""The service as an ASGI app, to run by itself or to mount in another."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shufflenet.errors import SpecError
from shufflenet.machine import check_threads, cores
from shufflenet.runtimes import Model
from shufflenet.serve._classify import image_routes
from shufflenet.serve._detect import detect_route
from shufflenet.serve._hosts import HostCheck
from shufflenet.serve._limits import Limits
from shufflenet.serve._metrics import Metrics
from shufflenet.serve._observe import Observed
from shufflenet.serve._problems import HANDLERS, problem
from shufflenet.serve._served import Served, list_served
from shufflenet.serve._service import Service
from shufflenet.serve._token import TokenCheck
from shufflenet.serve.kserve import kserve_routes
from shufflenet.serve.openapi import describe_service, openapi_route, reference_route
from shufflenet.serve.page import PAGE_PATHS, page_routes

__all__ = ["build_app", "make_app"]

_OPEN = PAGE_PATHS | {"", "/docs", "/openapi.json", "/healthz", "/readyz"}
_OPEN_BELOW = "/v2/health/"


def make_app(
    models: Mapping[str, Model] | Iterable[str | Path | Served],
    limits: Limits | None = None,
    *,
    token: str | None = None,
    hosts: Collection[str] | None = None,
    threads: int | None = None,
) -> Starlette:
    """Return an ASGI app that answers for these models.

    It can be mounted in another app, ``Mount("/vision", make_app(["default"]))``, and run by any
    ASGI server; ``shufflenet serve`` runs it by uvicorn. Where a server forks several processes,
    call it in each: ``/metrics`` counts what one process does.

    Args:
        models: Open models by the names they are asked for by, each opened with one thread; or
            names and files as ``open_model`` takes them, or ``NAME=FILE``. The first is the one
            that a request without a name means.
        limits: What is accepted at most.
        token: The bearer token that requests must bear; none unless given.
        hosts: The only hosts that requests may ask for, without ports, such as ``localhost``; any
            unless given. Pages of other sites are refused in any case.
        threads: Threads that decode and compute; one a core unless given.

    Raises:
        SpecError: there is no model, two have one name, a limit is none that can be, or the token
            is empty.
        ShuffleNetError: a model cannot be opened, see ``open_model``.
    """
    check_threads(threads)
    served = list_served(models)
    metrics = Metrics(list(served))
    service = Service(served, limits or Limits(), metrics, threads=threads or cores())
    return build_app(service, token=token, hosts=hosts)


def build_app(
    service: Service, *, token: str | None = None, hosts: Collection[str] | None = None
) -> Starlette:
    """Return the ASGI app of a service; see ``make_app`` for the token and the hosts.

    Raises:
        SpecError: the token is empty.
    """
    if token == "":
        raise SpecError("the token", token, "a text, or None to ask for none")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        service.pool.close()

    document = describe_service(service, _needs_token if token is not None else None)
    app = Starlette(
        routes=[
            *page_routes(),
            *_routes_of_health(service),
            *image_routes(service),
            detect_route(service),
            *kserve_routes(service),
            openapi_route(document),
            reference_route(document),
        ],
        middleware=[
            Middleware(Observed, service.metrics),
            Middleware(HostCheck, hosts),
            Middleware(TokenCheck, token, lambda path: not _needs_token(path)),
        ],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    # From /v1/classify/ it would lead to http://, even where a proxy speaks TLS to the client.
    app.router.redirect_slashes = False
    return app


def _needs_token(path: str) -> bool:
    """Return whether a path is none of those open to all: pages, and whether the service lives."""
    return path not in _OPEN and not path.startswith(_OPEN_BELOW)


def _routes_of_health(service: Service) -> list[Route]:
    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        if service.ending:
            return problem("The service is ending.", 503, {"Retry-After": "5"})
        return JSONResponse({"status": "ready"})

    async def metrics(request: Request) -> Response:
        content, kind = service.metrics.render(request.headers.get("accept", ""))
        return Response(content, media_type=kind)

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]
