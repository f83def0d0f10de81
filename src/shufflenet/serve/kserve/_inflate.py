"""Bodies that a client compressed, decompressed within the limits."""

import zlib
from typing import Final

from shufflenet.errors import BodyTooLarge, BrokenEncoding, UnknownEncoding

__all__ = ["inflate"]

# RFC 9110, section 8.4.1: deflate is zlib's format (RFC 1950). The window bits of Python's zlib.
_WINDOW_BITS: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def inflate(content: memoryview, encoding: str, limit_bytes: int) -> memoryview:
    """Return a body without its ``Content-Encoding``; no more than the limit is decompressed.

    Args:
        content: The body as it arrived.
        encoding: The header; empty or ``identity`` for a body that is as it is.
        limit_bytes: The bytes that it may have decompressed.

    Raises:
        UnknownEncoding: it is encoded otherwise than by gzip or deflate.
        BodyTooLarge: it has more bytes than the limit.
        BrokenEncoding: it is damaged, ends early, or goes on after its end.

    >>> bytes(inflate(memoryview(zlib.compress(b"abc")), "deflate", 3))
    b'abc'
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return content
    if encoding not in _WINDOW_BITS:
        raise UnknownEncoding(encoding)
    inflater = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        plain = inflater.decompress(content, limit_bytes + 1)
    except zlib.error as error:
        raise BrokenEncoding(encoding, "it is damaged") from error
    if len(plain) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    if not inflater.eof:
        raise BrokenEncoding(encoding, "it ends early")
    if inflater.unused_data:
        raise BrokenEncoding(encoding, "bytes follow its end")
    return memoryview(plain)
