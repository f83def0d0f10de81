"""A request's body as images: an image alone, or the parts of a form, read within the limits."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)
from starlette.requests import Request

from shufflenet.errors import (
    BodyTooLarge,
    BrokenMultipart,
    EncodedBody,
    NoImageSent,
    NotImageBody,
    SlowSender,
    TooManyImages,
)
from shufflenet.serve._limits import Limits
from shufflenet.serve._service import Service

__all__ = ["Sent", "read_body", "read_pictures"]

# What programs name the bytes of an image, and what curl names those of --data-binary.
_BYTES = ("application/octet-stream", "application/x-www-form-urlencoded")
_FORM = "multipart/form-data"
_PART_HEADER_BYTES, _PART_HEADERS = 4096, 8  # RFC 7578 defines three, of which one is deprecated


@dataclass(frozen=True, eq=False, slots=True)
class Sent:
    """The images of a request.

    Attributes:
        names: The file name of each, as the client calls it; ``-`` for a body that is an image.
        pictures: The bytes of each.
        is_form: Whether they are the parts of a form, so that the answer is a list.
    """

    names: tuple[str, ...]
    pictures: tuple[bytes, ...]
    is_form: bool


@asynccontextmanager
async def read_pictures(request: Request, service: Service) -> AsyncIterator[Sent]:
    """Read the images of a request; their bytes count as held while the block runs.

    Raises:
        EncodedBody: it is compressed.
        NotImageBody: its content type is that of something else.
        NoImageSent: the body is empty.
        BodyTooLarge: it has more bytes than ``Limits.request_bytes``.
        TooManyImages: it has more parts than ``Limits.images``.
        BrokenMultipart: it is a form that cannot be read.
        SlowSender: it did not arrive within ``Limits.seconds``.
        QueueFull: all bodies together would hold more than ``Limits.held_bytes``.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise EncodedBody(encoding)
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    kind = kind.strip().lower()
    if kind == _FORM:
        form = _Form(options.get("boundary", ""), service.limits)
        async with read_body(request, service, form.feed):
            yield form.sent()
    elif not kind or kind.startswith("image/") or kind in _BYTES:
        content = bytearray()
        async with read_body(request, service, content.extend):
            if not content:
                raise NoImageSent
            yield Sent(("-",), (bytes(content),), is_form=False)
    else:
        raise NotImageBody(kind)


@asynccontextmanager
async def read_body(
    request: Request, service: Service, feed: Callable[[bytes], None]
) -> AsyncIterator[Callable[[int], None]]:
    """Pass a body on, chunk by chunk; its bytes count as held while the block runs.

    The block gets what counts more bytes as held, such as those that it decompresses.

    Raises:
        BodyTooLarge: it has more bytes than ``Limits.request_bytes``.
        SlowSender: it did not arrive within ``Limits.seconds``.
        QueueFull: all bodies together would hold more than ``Limits.held_bytes``.
        ClientDisconnect: the client went away.
    """
    limits = service.limits
    length = request.headers.get("content-length", "")
    expected = int(length) if length.isdecimal() and len(length) < 20 else 0
    if expected > limits.request_bytes:
        raise BodyTooLarge(limits.request_bytes)
    # Too much is refused before it is sent, but nothing is kept free for it: else who announces
    # much and sends nothing would keep others out.
    service.check_room(expected)
    with service.hold_bytes() as hold:
        arrived = 0
        try:
            async with asyncio.timeout(limits.seconds):
                async for chunk in request.stream():
                    arrived += len(chunk)
                    if arrived > limits.request_bytes:
                        raise BodyTooLarge(limits.request_bytes)
                    hold(len(chunk))
                    feed(chunk)
        except TimeoutError as error:
            raise SlowSender(limits.seconds) from error
        yield hold


class _Form:
    """The parts of a multipart/form-data body, of which each is an image."""

    def __init__(self, boundary: str, limits: Limits) -> None:
        """Begin a form.

        Raises:
            BrokenMultipart: it has no boundary that can be.
        """
        self._limits = limits
        self._names: list[str] = []
        self._parts: list[bytearray] = []
        try:
            # Not strict: as of multipart 2.0.1 it would refuse a form of which the line break at
            # the end arrives by itself. What else it would refuse does no harm.
            self._parser = PushMultipartParser(
                boundary, max_header_size=_PART_HEADER_BYTES, max_header_count=_PART_HEADERS
            )
        except MultipartError as error:
            raise BrokenMultipart(_reason(error)) from error

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes.

        Raises:
            BrokenMultipart: they are not those of a form.
            TooManyImages: a part too many begins.
        """
        try:
            for event in self._parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    self._begin(event)
                elif event is not None:
                    self._parts[-1].extend(event)
        except ParserLimitReached as error:
            raise BrokenMultipart("a part has longer or more headers than are read") from error
        except ValueError as error:
            raise BrokenMultipart(_reason(error)) from error

    def _begin(self, part: MultipartSegment) -> None:
        if len(self._parts) == self._limits.images:
            raise TooManyImages(self._limits.images)
        self._names.append(part.filename or part.name)
        self._parts.append(bytearray())

    def sent(self) -> Sent:
        """Return the images.

        Raises:
            BrokenMultipart: the form has no end.
            NoImageSent: it has no parts.
        """
        try:
            self._parser.close()
        except ValueError as error:
            raise BrokenMultipart(_reason(error)) from error
        if not self._parts:
            raise NoImageSent
        return Sent(tuple(self._names), tuple(map(bytes, self._parts)), is_form=True)


def _reason(error: ValueError) -> object:
    """Return what the parser says; its errors may hold others, which are not for clients."""
    return error.args[0] if isinstance(error, MultipartError) else "a part has broken headers"
