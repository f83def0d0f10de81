"""The page for people at ``/``: its files, each with the headers that keep it by itself."""

import hashlib
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shufflenet.look import icon, stylesheet

__all__ = ["PAGE_PATHS", "page_routes"]

_PAGE = Path(__file__).parent / "site"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Nothing is loaded from elsewhere or sent there, no other page frames this one or reads it, and
# a label or a file's name that got into the page as a script would not run.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-cache",  # kept, but asked about by its ETag
}


def _read() -> dict[str, tuple[bytes, str]]:
    """Return the content of each file of the page by its path, and its type."""
    files = {"/": (_PAGE / "index.html").read_bytes(), "/icon.svg": icon()}
    files["/page.css"] = stylesheet((_PAGE / "page.css").read_bytes())
    for path in sorted(_PAGE.rglob("*.js")):
        files[f"/{path.relative_to(_PAGE).as_posix()}"] = path.read_bytes()
    files["/favicon.ico"] = files["/icon.svg"]  # for browsers that ask before they read the page
    types = {"/": ".html", "/favicon.ico": ".svg"}
    return {
        path: (content, _TYPES[types.get(path) or Path(path).suffix])
        for path, content in files.items()
    }


_FILES = _read()
PAGE_PATHS = frozenset(_FILES)  # what is answered without a token


def page_routes() -> list[Route]:
    """Return the routes of the page: ``/``, its scripts, its style, its icon."""
    return [_route(path, content, kind) for path, (content, kind) in _FILES.items()]


def _route(path: str, content: bytes, kind: str) -> Route:
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**_HEADERS, "ETag": tag}

    async def answer(request: Request) -> Response:
        if _names(request.headers.get("If-None-Match", ""), tag):
            return Response(status_code=304, headers=headers)
        return Response(content, headers={**headers, "Content-Type": kind})

    return Route(path, answer, methods=["GET"], include_in_schema=False)


def _names(condition: str, tag: str) -> bool:
    """Return whether an ``If-None-Match`` names a tag (RFC 9110, 13.1.2: compared weakly).

    >>> _names('W/"a", "b"', '"a"'), _names("*", '"a"'), _names('"ab"', '"a"')
    (True, True, False)
    """
    return condition.strip() == "*" or tag in re.findall(r'"[^"]*"', condition)
