"""Every error as an answer: its status, and one sentence as ``{"error": ...}``."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from shufflenet.errors import RequestError, SpecError, UnknownName

__all__ = ["HANDLERS", "HEADERS", "answer_error", "problem"]

# A page that is opened from an answer of the API can load nothing and be framed by none.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

# What Starlette's router raises by itself.
_SENTENCES = {
    404: "There is nothing at this address; GET /docs lists what there is.",
    405: "This address does not answer that method; GET /docs lists what it does.",
}
_CLIENT_GONE = 499  # nginx's number; nobody reads it but the log


def problem(sentence: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer that is one sentence."""
    return JSONResponse({"error": sentence}, status, headers)


async def answer_error(request: Request, error: Exception) -> Response:
    """Return the answer to a request that raised an error of this package, or of the router."""
    if isinstance(error, RequestError):
        headers = {"Retry-After": str(error.retry_seconds)} if error.retry_seconds else {}
        if error.status in (408, 413):  # the rest of the body is not read
            headers["Connection"] = "close"
        return problem(str(error), error.status, headers)
    if isinstance(error, UnknownName):
        return problem(str(error), 404)
    if isinstance(error, SpecError):
        return problem(str(error), 400)
    if isinstance(error, HTTPException):
        sentence = _SENTENCES.get(error.status_code, error.detail)
        return problem(sentence, error.status_code, error.headers)
    return problem("The client went away.", _CLIENT_GONE)


async def _answer_failure(request: Request, error: Exception) -> Response:
    """Answer a fault of the service's own, whose traceback goes to the log and not to clients.

    Starlette sends it past all middleware, so that it brings every answer's headers by itself.
    """
    return problem("The service failed at this request. Its log says why.", 500, HEADERS)


# All else, other errors of this package too, ends at the last one: Starlette answers by it, and
# raises the error again for the server to log. What a handler of a class answers is not logged.
HANDLERS = {
    HTTPException: answer_error,
    RequestError: answer_error,
    SpecError: answer_error,
    UnknownName: answer_error,
    ClientDisconnect: answer_error,
    Exception: _answer_failure,
}
