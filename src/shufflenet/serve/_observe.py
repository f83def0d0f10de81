"""What every answer passes: counted by route, and given the headers that none may lack."""

import time
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shufflenet.serve._metrics import Metrics
from shufflenet.serve._problems import HEADERS

__all__ = ["Observed", "route_of"]


class Observed:
    """An app whose answers are counted, and which sets the headers that a route leaves out."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._app, self._metrics, self._clock = app, metrics, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = self._clock(), 500

        async def send_complete(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_complete)
        finally:
            self._metrics.request(route_of(scope), status, self._clock() - started)


def route_of(scope: Scope) -> str:
    """Return the pattern of the route that answered a request; empty if there is none."""
    route = scope.get("route")
    return getattr(route, "path", "")
