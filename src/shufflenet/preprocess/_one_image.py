"""The guard around one image: whatever reading it raises becomes an ``ImageError``."""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import jpeg_factory

from shufflenet.errors import ImageError
from shufflenet.outside import IrregularFile, open_regular, read_regular
from shufflenet.preprocess._formats import HEIC, IMAGE_FORMATS, name_foreign
from shufflenet.preprocess._libtiff import silence_libtiff
from shufflenet.preprocess._tiff import describe_pages, is_tiff, read_pages

__all__ = [
    "LARGEST_FILE_BYTES",
    "identify",
    "one_image",
    "open_image",
    "open_source",
    "read_image_file",
    "refuse_huge",
    "refuse_size",
    "stores_16_bits",
]

_LONGEST_PX = 65_535  # of a side: as high as a JPEG can be
LARGEST_FILE_BYTES = 1 << 29  # of a file: 89 million pixels of 6 bytes
_MOST_COLORS = 4  # channels of an image of Pillow
_MOST_SCANS = 200  # of a progressive JPEG, each of which goes over all pixels; usual are 10
_HEIC_MISSING = "it is a HEIC image, which needs pillow-heif: pip install 'shufflenet[heic]'"
_LONGEST_REASON = 120  # characters of what a decoder says
_JPEG = b"\xff\xd8\xff"
_MARK_BYTES = 64  # bytes by which a file of another kind is named

_OPENERS = tuple(name for form in IMAGE_FORMATS if form is not HEIC for name in form.pillow)

# Images of that many pixels are refused in a sentence; Pillow would warn about them as well.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@contextlib.contextmanager
def one_image(name: str) -> Iterator[None]:
    """Guard what opens or decodes one image, so that the others are answered.

    Raises:
        ImageError: anything at all went wrong inside, with a sentence about it.
    """
    try:
        yield
    except ImageError:
        raise
    except Exception as error:  # decoders raise anything on a damaged file
        raise ImageError(name, _why(error)) from error


def read_image_file(path: str | Path, name: str) -> bytes:
    """Return the bytes of an image file.

    Raises:
        ImageError: it cannot be read, is no regular file, or is too large.
    """
    with one_image(name):
        return read_regular(path, LARGEST_FILE_BYTES)


@contextlib.contextmanager
def open_source(source: str | Path | bytes, name: str) -> Iterator[BinaryIO]:
    """Open the file of an image, guard what is done with it, and close it in the end.

    Raises:
        ImageError: it is missing, too large, or anything went wrong inside.
    """
    with one_image(name), _open(source) as file:
        if file.seek(0, os.SEEK_END) > LARGEST_FILE_BYTES:
            raise ImageError(name, f"it is larger than {LARGEST_FILE_BYTES >> 20} MB")
        yield file


def _open(source: str | Path | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else open_regular(source)


@contextlib.contextmanager
def open_image(
    source: str | Path | bytes, name: str, most_pixels: int | None = None
) -> Iterator[Image.Image]:
    """Open an image, of which the header is read and checked, and close it in the end.

    Args:
        source: A path, or the bytes of an image file.
        name: The image's name in errors.
        most_pixels: The most that it may have, if fewer than ``PIL.Image.MAX_IMAGE_PIXELS``.

    Raises:
        ImageError: it is missing, of no format that is read, or too large.
    """
    with open_source(source, name) as file, identify(file, name, most_pixels) as image:
        yield image


@contextlib.contextmanager
def identify(file: BinaryIO, name: str, most_pixels: int | None = None) -> Iterator[Image.Image]:
    """Open the image in a file, as ``open_image`` does.

    Raises:
        ImageError: it is of no format that is read, or too large.
    """
    with _identify(file, name) as image:
        refuse_huge(image, name, most_pixels)
        if image.info.get("progressive"):
            _refuse_many_scans(file, name)
        if image.format == "TIFF":
            silence_libtiff()
        yield image


def _identify(file: BinaryIO, name: str) -> Image.Image:
    """Open an image by the format that its content has, whatever it is called.

    Raises:
        ImageError: it is of no format that is read, or HEIC, and pillow-heif is not installed.
        UnidentifiedImageError: it cannot even be told what it is.
    """
    _refuse_many_channels(file, name)
    try:
        return _open_jpeg(file) or Image.open(file, formats=_OPENERS)
    except UnidentifiedImageError as error:
        file.seek(0)
        start = file.read(_MARK_BYTES)
        if is_tiff(start):  # of numbers that Pillow does not read
            raise ImageError(name, describe_pages(read_pages(file))) from error
        kind = name_foreign(start)
        if kind == HEIC.title:
            return _open_heic(file, name)
        if not kind:
            raise
        raise ImageError(name, f"it is {kind}, not an image of a format that is read") from error


def _refuse_many_channels(file: BinaryIO, name: str) -> None:
    """Check a TIFF for channels of which no colors are made; Pillow would write on stderr.

    Raises:
        ImageError: it has more than four.
    """
    file.seek(0)
    if is_tiff(file.read(4)):
        with contextlib.suppress(ValueError, OSError):  # Pillow may understand it
            pages = read_pages(file)
            if pages[0].channels > _MOST_COLORS:
                raise ImageError(name, describe_pages(pages))


def _open_jpeg(file: BinaryIO) -> Image.Image | None:
    """Open a JPEG, the usual case, without loading Pillow's other formats as its ``open`` does."""
    file.seek(0)
    if file.read(len(_JPEG)) != _JPEG:
        return None
    file.seek(0)
    try:
        return jpeg_factory(file)
    except SyntaxError:  # whereby Pillow's readers say that it is none
        return None


def _open_heic(file: BinaryIO, name: str) -> Image.Image:
    """Open a HEIC image.

    Raises:
        ImageError: pillow-heif is not installed.
    """
    try:
        import_module("pillow_heif").register_heif_opener()
    except ImportError as error:
        raise ImageError(name, _HEIC_MISSING) from error
    return Image.open(file, formats=HEIC.pillow)


def refuse_huge(image: Image.Image, name: str, most_pixels: int | None = None) -> None:
    """Check the size of an image before it is decoded, as ``refuse_size`` does.

    Raises:
        ImageError: it is refused.
    """
    refuse_size(image.size, name, most_pixels)


def stores_16_bits(image: Image.Image) -> bool:
    """Return whether a file, not decoded yet, has 16 bits for a value, whatever Pillow makes of it.

    Source: Pillow 10.4 to 13.0, ``ImageFile.tile``: its last item has the format of the file's
    pixels, such as ``RGB;16B`` (PngImagePlugin, _MODES; TiffImagePlugin, OPEN_INFO).
    """
    return isinstance(image, ImageFile) and ";16" in str(image.tile)


def refuse_size(size: tuple[int, int], name: str, most_pixels: int | None = None) -> None:
    """Check a width and a height, px.

    Raises:
        ImageError: there are no pixels, more than ``most_pixels`` or
            ``PIL.Image.MAX_IMAGE_PIXELS``, or a side is longer than 65,535.
    """
    width, height = size
    if 0 in size:
        raise ImageError(name, f"it has {width} x {height} pixels")
    for limit in (most_pixels, Image.MAX_IMAGE_PIXELS):
        if limit is not None and width * height > limit:
            raise ImageError(name, _too_large(limit))
    if max(size) > _LONGEST_PX:
        shown = f"{width} x {height} pixels"
        raise ImageError(name, f"it has {shown}, and a side may have {_LONGEST_PX}; cut it first")


def _refuse_many_scans(file: BinaryIO, name: str) -> None:
    """Check that decoding a JPEG takes a time that its size bounds.

    Raises:
        ImageError: it has more scans than any program writes.
    """
    file.seek(0)
    if file.read().count(b"\xff\xda") > _MOST_SCANS:  # ITU-T T.81, B.1.1.2: starts of scans
        raise ImageError(name, f"it has more than {_MOST_SCANS} scans")


def _too_large(limit: int | None = None) -> str:
    limit = limit or Image.MAX_IMAGE_PIXELS or 0
    count = f"{limit // 1_000_000} million" if limit >= 1_000_000 else f"{limit:,}"
    return f"it has more than {count} pixels; scale it down first"


def _why(error: Exception) -> str:
    """Return what is wrong with an image, as the end of a sentence."""
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case IrregularFile():
            return _kind_of_file(str(error.strerror))
        case PermissionError():
            return "permission denied"
        case UnidentifiedImageError():
            return "it is empty or not an image"
        case MemoryError():
            return "there is not enough memory to decode it"
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            return _too_large()
        case OSError(strerror=str() as problem):
            return problem[:1].lower() + problem[1:]
    text = (str(error) or type(error).__name__).strip().split("\n")[0]
    text = text.rstrip(".")[:_LONGEST_REASON]
    return "".join(c if c.isprintable() else "?" for c in text)


def _kind_of_file(kind: str) -> str:
    return {
        "it is a folder": "it is a folder in which no image can be found",
        "it is a pipe": "it is a pipe, which might never end",
    }.get(kind, kind)
