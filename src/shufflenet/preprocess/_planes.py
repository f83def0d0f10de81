"""TIFF files of any number of channels: bands of a page, and pages, by the library tifffile."""

import logging
import math
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from shufflenet.errors import ImageError
from shufflenet.preprocess._pixels import Pixels
from shufflenet.preprocess._tiff import TiffPage, describe_pages
from shufflenet.spec import MAX_PLANES

if TYPE_CHECKING:
    import tifffile

__all__ = ["check_pages", "read_planes"]

_MISSING = "it is a TIFF of {what}, which needs tifffile: pip install 'shufflenet[tiff]'"
_MOST_BYTES: Final = 1 << 29  # of a decoded image, as of a file
_MOST_SEGMENTS: Final = 1 << 16  # strips or tiles of a page: each takes some microseconds
_UNPACKED, _LZW, _PACKBITS, _DEFLATE = 1, 5, 32773, (8, 32946)
_READ: Final = (_UNPACKED, _LZW, _PACKBITS, *_DEFLATE)
_WHITE_IS_ZERO: Final = 0


def check_pages(pages: list[TiffPage], name: str) -> None:
    """Check that the pages are one image, within bounds, of values that are read.

    Raises:
        ImageError: they are not.
    """
    first = pages[0]
    if len(pages) > MAX_PLANES:
        raise ImageError(name, f"it has more than {MAX_PLANES} pages")
    if any(_form(page) != _form(first) for page in pages):
        raise ImageError(name, "its pages are of different sizes or kinds")
    if first.kind != 1 or first.bits > 16:
        raise ImageError(name, describe_pages(pages))
    if first.bits not in (8, 16):
        problem = f"its values have {first.bits} bits, and of several channels 8 or 16 are read"
        raise ImageError(name, problem)
    channels = sum(page.channels for page in pages)
    if channels > MAX_PLANES:
        raise ImageError(name, f"it has {channels} channels, and at most {MAX_PLANES} are read")
    if first.width * first.height * channels * first.bits // 8 > _MOST_BYTES:
        raise ImageError(name, f"it has more than {_MOST_BYTES >> 20} MB of pixels; cut it first")
    if any(page.segments > _MOST_SEGMENTS for page in pages):
        raise ImageError(name, f"it is stored in more than {_MOST_SEGMENTS:,} pieces")
    if unread := [page.compression for page in pages if page.compression not in _READ]:
        problem = f"it is compressed by method {unread[0]}; save it with deflate, or uncompressed"
        raise ImageError(name, problem)


def _form(page: TiffPage) -> tuple[int, ...]:
    return page.width, page.height, page.bits, page.kind


def read_planes(file: BinaryIO, pages: list[TiffPage], name: str) -> Pixels:
    """Decode pages that ``check_pages`` accepts: all their channels, in order, ``(h, w, c)``.

    Raises:
        ImageError: tifffile is not installed, or the file is damaged.
    """
    channels = sum(page.channels for page in pages)
    try:
        from tifffile import TiffFile  # noqa: PLC0415  # an extra
    except ImportError as error:
        what = f"{channels} channels" if len(pages) == 1 else f"{len(pages)} pages"
        raise ImageError(name, _MISSING.format(what=what)) from error
    _silence()
    file.seek(0)
    with TiffFile(file, name=name) as content:  # its own may be a number
        planes = [_read_page(content.pages.get(page.index).aspage(), page, name) for page in pages]
    return planes[0] if len(planes) == 1 else np.concatenate(planes, axis=-1)


def _read_page(one: "tifffile.TiffPage", page: TiffPage, name: str) -> Pixels:
    """Decode a page, ``(h, w, c)``.

    Raises:
        ImageError: it is damaged, or what decompresses it is not installed.
        ValueError: the same, as the library says it.
    """
    shape, dtype = (one.imagelength, one.imagewidth, one.samplesperpixel), one.dtype
    is_as_read = shape == (page.height, page.width, page.channels) and one.imagedepth == 1
    if not is_as_read or dtype != np.dtype(f"u{page.bits // 8}"):
        raise ImageError(name, "it is damaged")
    expected = math.prod(one.chunks) * dtype.itemsize
    if expected > _MOST_BYTES:
        raise ImageError(name, f"it is stored in pieces of more than {_MOST_BYTES >> 20} MB")
    if page.compression in _DEFLATE:
        _refuse_bombs(one, expected, name)
    try:
        values = np.asarray(one.asarray(maxworkers=1))
    except ValueError as error:
        if "imagecodecs" in str(error):
            problem = "its compression needs imagecodecs: pip install imagecodecs"
            raise ImageError(name, problem) from error
        raise
    if one.planarconfig == _SEPARATE and page.channels > 1:
        values = np.moveaxis(values.reshape(page.channels, page.height, page.width), 0, -1)
    values = values.reshape(shape)
    return (1 << page.bits) - 1 - values if page.photometric == _WHITE_IS_ZERO else values


_SEPARATE: Final = 2  # channels stored one after the other


def _refuse_bombs(page: Any, expected: int, name: str) -> None:  # noqa: ANN401  # of a library
    """Check that no strip or tile decompresses to more than its pixels take.

    tifffile, without imagecodecs, decompresses without a bound.

    Raises:
        ImageError: one does.
    """
    file = page.parent.filehandle
    for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(offset)
        if len(zlib.decompressobj().decompress(file.read(size), expected + 1)) > expected:
            raise ImageError(name, "it decompresses to more than its pixels")


@cache
def _silence() -> None:
    """Have tifffile print nothing about damaged files, once: what matters is raised."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
