"""One request to a server that is believed in nothing: addresses, headers, lengths, its pace.

``urllib`` does the speaking; what it leaves without bounds has them here. Redirects are followed
one by one, each address checked. Every byte passes ``_Paced``, which ends a transfer that is slower
than ``LEAST_BYTES_S`` or whose headers have no end.
"""

import io
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    IncompleteRead,
)
from typing import Any, NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

__all__ = ["Refused", "Transient", "chunks", "open_url", "require_address"]

TIMEOUT_S = 20.0  # without a byte from the server
LEAST_BYTES_S, WINDOW_S = 1000, 30.0  # in every window of so many seconds
_MAX_HEADER_BYTES = 1 << 20
_MAX_REDIRECTS = 10
_CHUNK_BYTES = 1 << 16
_TRANSIENT = frozenset((408, 425, 429, 500, 502, 503, 504))  # HTTP statuses worth another attempt
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_GONE = frozenset((404, 410))
_LENGTH = re.compile(r"[0-9]{1,15}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_IN_ADDRESSES = "%/:=&?~#+!$,;'@()*[]"  # characters that quoting leaves as they are


class Transient(Exception):
    """A failure of the network or the server that another attempt may not meet."""


class Refused(Exception):
    """An answer, or an address, that another attempt would not change."""


class _Paced(io.RawIOBase):
    """The bytes that a server sends, ended when they are too few a second or all of them headers.

    Args:
        raw: The bytes, unbuffered.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._began, self._in_window = time.monotonic(), 0
        self.header_bytes: int | None = 0  # None when the body has begun

    def readable(self) -> bool:
        """Return True, as the base asks."""
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401  # as the base declares it
        """Read what has arrived.

        Raises:
            TimeoutError: the server sends too slowly.
            HTTPException: its headers do not end.
        """
        count = self._raw.readinto(buffer) or 0
        self._in_window += count
        if self.header_bytes is not None:
            self.header_bytes += count
            if self.header_bytes > _MAX_HEADER_BYTES:
                raise HTTPException("its headers do not end")
        now = time.monotonic()
        if count and now - self._began > WINDOW_S:
            if self._in_window < LEAST_BYTES_S * (now - self._began):
                raise TimeoutError(f"the server sent less than {LEAST_BYTES_S} bytes a second")
            self._began, self._in_window = now, 0
        return count

    def close(self) -> None:
        """Close the connection too."""
        self._raw.close()
        super().close()


class _PacedSocket:
    """A socket of which a response makes a file, and nothing else."""

    def __init__(self, of: socket.socket) -> None:
        self.paced = _Paced(of.makefile("rb", buffering=0))

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return the bytes that the server sends."""
        return io.BufferedReader(self.paced)


class _Response(HTTPResponse):
    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str = ""
    ) -> None:
        self._socket = _PacedSocket(sock)
        super().__init__(self._socket, debuglevel, method, url)  # type: ignore[arg-type]  # see it

    def begin(self) -> None:
        super().begin()
        self._socket.paced.header_bytes = None

    def _read_and_discard_trailer(self) -> None:
        """Leave what follows the last chunk unread: http.client would read it for ever."""


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Handler(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_Connection, req)


class _SecureHandler(HTTPSHandler):
    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_SecureConnection, req)


def _opener() -> OpenerDirector:
    """Return what speaks HTTP and HTTPS, through the proxies of the environment: no redirects."""
    opener = OpenerDirector()
    handlers = (_Handler, _SecureHandler, HTTPErrorProcessor, HTTPDefaultErrorHandler)
    for handler in (ProxyHandler, UnknownHandler, *handlers):
        opener.add_handler(handler())
    return opener


def require_address(url: str) -> None:
    """Check that a text is the address of a file on the web.

    Raises:
        Refused: it is none, and the message says why.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Refused(f"{url[:80]!r} is no address ({error})") from error
    if parts.scheme not in ("http", "https"):
        raise Refused(f"{parts.scheme[:20]!r} is neither http nor https")
    if not host or parts.username is not None:
        problem = "has a user's name" if host else "names no host"
        raise Refused(f"the address {url[:80]!r} {problem}")


def open_url(url: str, start: int) -> HTTPResponse | None:
    """Request the bytes of a file from ``start`` on; None if the server says that there are none.

    Raises:
        Refused: the server does not have the file, or leads to no address.
        Transient: the server could not be reached, or is at fault.
    """
    opener = _opener()
    for _ in range(_MAX_REDIRECTS):
        require_address(url)
        try:
            return _answer(opener, url, start)
        except HTTPError as error:
            with closing(error):
                if error.code == 416 and start:
                    return None
                if error.code not in _REDIRECTS:
                    _fail(error)
                url = _next_address(url, error.headers.get("Location"))
    raise Refused(f"it redirects more than {_MAX_REDIRECTS} times")


def _answer(opener: OpenerDirector, url: str, start: int) -> HTTPResponse:
    """Request a file from one address.

    Raises:
        HTTPError: the server does not send it from there.
        Refused: the address cannot be asked, or the answer is no file.
        Transient: the network is at fault.
    """
    headers = {"User-Agent": "shufflenet"} | ({"Range": f"bytes={start}-"} if start else {})
    with _failures():
        try:
            response: HTTPResponse = opener.open(Request(url, headers=headers), timeout=TIMEOUT_S)
        except ValueError as error:  # of addresses, also of proxies in the environment
            raise Refused(f"the address or the proxy cannot be used ({error})") from error
    if response.status != 200 and not (start and response.status == 206):
        response.close()
        raise Refused(f"the server answered HTTP {response.status} where it should send a file")
    lengths = set(response.headers.get_all("Content-Length", ()))
    if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
        response.close()
        raise Transient(f"the server announced a length of {min(lengths)[:40]!r} bytes")
    return response


def _fail(error: HTTPError) -> NoReturn:
    """Raise what an HTTP status of failure means.

    Raises:
        Refused: the server does not send the file.
        Transient: it may at another time.
    """
    if error.code in _TRANSIENT:
        raise Transient(f"the server answered HTTP {error.code}") from error
    meaning = "the link is dead" if error.code in _GONE else "the server refuses"
    raise Refused(f"{meaning} (HTTP {error.code})") from error


def _next_address(url: str, location: str | None) -> str:
    """Return where a redirect leads.

    Raises:
        Refused: to nowhere, or out of an encrypted connection.
    """
    if not location or not location.strip():
        raise Refused("it redirects to no address")
    following = quote(location.strip(), _IN_ADDRESSES)
    if _SCHEME.match(following):
        require_address(following)  # joined to another, one without a host would get its host
    try:
        following = urljoin(url, following)
    except ValueError as error:
        raise Refused(f"it redirects to {location[:80]!r}, which is no address") from error
    if url.startswith("https:") and not following.startswith("https:"):
        raise Refused(f"it redirects from https to {following[:80]!r}, which is not encrypted")
    return following


def chunks(response: HTTPResponse) -> Iterator[bytes]:
    """Yield the body of a response in pieces of at most 64 KiB.

    Raises:
        Transient: the transfer ends early, or is too slow.
    """
    buffer = bytearray(_CHUNK_BYTES)  # reading into it, a negative chunk's size takes no memory
    with _failures():
        while count := response.readinto(buffer):
            yield bytes(buffer[:count])


@contextmanager
def _failures() -> Iterator[None]:
    """Raise failures of the network as ``Transient``.

    Raises:
        HTTPError: as it is: the server answered.
        Transient: the network failed, or the server answered no HTTP.
    """
    try:
        yield
    except HTTPError:
        raise
    except (OSError, HTTPException) as error:
        raise Transient(_reason(error)) from error


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, socket.gaierror):
        return "there is no network, or no host of that name"
    if isinstance(cause, TimeoutError):
        timed_out = cause.errno or str(cause) in ("", "timed out")
        return f"the server sent nothing for {TIMEOUT_S:g} s" if timed_out else str(cause)
    if isinstance(cause, IncompleteRead):
        return "the transfer ended early"
    if isinstance(cause, HTTPException):
        said = str(cause).strip() or type(cause).__name__
        return f"the server's answer is no HTTP ({said[:80]!r})"
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
