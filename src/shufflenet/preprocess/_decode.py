"""Reading a file as an upright image: RGB, or of the channels that a network takes."""

import contextlib
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from PIL import ExifTags, Image

from shufflenet.errors import ImageError
from shufflenet.preprocess._channels import convert_image, convert_planes
from shufflenet.preprocess._colors import to_plain_rgb
from shufflenet.preprocess._one_image import (
    identify,
    one_image,
    open_image,
    open_source,
    refuse_huge,
    refuse_size,
    stores_16_bits,
)
from shufflenet.preprocess._pixels import Decoded, Pixels
from shufflenet.preprocess._planes import check_pages, read_planes
from shufflenet.preprocess._tiff import TiffPage, is_tiff, read_pages
from shufflenet.spec import Preprocess

__all__ = ["decode", "decode_as", "image_as", "is_upright"]

# EXIF 2.3, table 4, tag 0x0112: how an image is turned to stand upright; 1 is upright.
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(
    source: str | Path | bytes,
    name: str | None = None,
    *,
    exif: bool = True,
    shrink: int = 1,
    most_pixels: int | None = None,
) -> Image.Image:
    """Read an image as RGB, as a viewer would show it.

    Of an animation, the first frame is read. Gray and palette images are converted to RGB, 16 bits
    a channel are scaled to 8, CMYK is converted, and transparent parts are blended with white.

    Args:
        source: A path, or the bytes of an image file.
        name: The image's name in errors; by default the path.
        exif: Whether the image is rotated upright by its EXIF tag, see ``Preprocess.exif``.
            ``cv2.imdecode(bytes, cv2.IMREAD_COLOR)`` does so, and with it PaddleClas and
            mmpretrain; ``PIL.Image.open`` does not, nor do torchvision and Megvii.
        shrink: With 2, 4 or 8 a JPEG is decoded that many times smaller, which costs a fraction
            of the time; other formats are decoded in full.
        most_pixels: The most that it may have, if fewer than ``PIL.Image.MAX_IMAGE_PIXELS``.

    Raises:
        ImageError: the file is missing, empty, truncated, not an image, of a format that is not
            read or a pixel format without defined colors, has more pixels than ``most_pixels`` or
            ``PIL.Image.MAX_IMAGE_PIXELS`` (89 million) or a side of more than 65,535, or decoding
            it fails in any other way.
    """
    name = name or ("image" if isinstance(source, bytes) else str(source))
    with open_image(source, name, most_pixels) as image:
        if shrink > 1:
            image.draft(None, (image.width // shrink, image.height // shrink))
        return to_plain_rgb(_upright(image, exif=exif), name)


def decode_as(
    source: str | Path | bytes,
    how: Preprocess,
    name: str | None = None,
    *,
    shrink: int = 1,
    most_pixels: int | None = None,
) -> Decoded:
    """Read an image as the channels and bits of a preprocessing, of its own size, upright.

    What ``convert_image`` and ``convert_planes`` say becomes of other channels and bits. Of a TIFF
    with several pages the first is read, but for ``stored`` the channels of all, in order.

    Args:
        source: A path, or the bytes of an image file.
        how: The channels and bits, and whether the EXIF tag is followed.
        name: The image's name in errors; by default the path.
        shrink: As in ``decode``.
        most_pixels: As in ``decode``.

    Raises:
        ImageError: as ``decode``, and for an image of channels that cannot be those of ``how``.
    """
    name = name or ("image" if isinstance(source, bytes) else str(source))
    with open_source(source, name) as file:
        if how.channels in ("rgb", "bgr") and how.bits == 8:
            return _decode_with_pillow(file, how, name, shrink, most_pixels)
        if pages := _pages(file, how):
            return _decode_pages(file, pages, how, name, most_pixels)
        return _decode_with_pillow(file, how, name, shrink, most_pixels)


def _decode_with_pillow(
    file: BinaryIO, how: Preprocess, name: str, shrink: int, most_pixels: int | None
) -> Decoded:
    with identify(file, name, most_pixels) as image:
        if shrink > 1:
            image.draft(None, (image.width // shrink, image.height // shrink))
        if how.bits == 16 and not image.mode.startswith("I") and stores_16_bits(image):
            raise ImageError(name, _BITS_LOST)
        return convert_image(_upright(image, exif=how.exif), how, name)


_BITS_LOST = "16 bits are read of gray images and of TIFF, so save it as TIFF"


def _pages(file: BinaryIO, how: Preprocess) -> list[TiffPage]:
    """Return the pages of a TIFF that Pillow would not read as ``how`` asks; none of others.

    Raises:
        ValueError: it is damaged.
    """
    file.seek(0)
    if not is_tiff(file.read(4)):
        return []
    pages = read_pages(file)
    first = pages[0]
    if how.channels == "stored":
        is_plain = first.channels == 1 or (first.channels == 3 and first.bits <= 8)
        return [] if len(pages) == 1 and is_plain else pages
    more = first.channels > 1 and first.bits == how.bits == 16
    fourth = how.channels == "rgba" and first.channels == 4 and first.photometric == 2
    return pages[:1] if more or fourth else []


def _decode_pages(
    file: BinaryIO, pages: list[TiffPage], how: Preprocess, name: str, most_pixels: int | None
) -> Pixels:
    first = pages[0]
    refuse_size((first.width, first.height), name, most_pixels)
    check_pages(pages, name)
    planes = convert_planes(read_planes(file, pages, name), how, name)
    turn = _TURNS.get(first.orientation) if how.exif else None
    return planes if turn is None else _turn(planes, turn)


def _turn(planes: Pixels, turn: Image.Transpose) -> Pixels:
    """Turn an array ``(h, w, c)`` as ``Image.transpose`` does."""
    match turn:
        case Image.Transpose.FLIP_LEFT_RIGHT:
            return planes[:, ::-1]
        case Image.Transpose.FLIP_TOP_BOTTOM:
            return planes[::-1]
        case Image.Transpose.TRANSPOSE:
            return planes.swapaxes(0, 1)
        case Image.Transpose.TRANSVERSE:
            return planes[::-1, ::-1].swapaxes(0, 1)
    turns = {Image.Transpose.ROTATE_90: 1, Image.Transpose.ROTATE_180: 2}
    return np.rot90(planes, turns.get(turn, 3))


def image_as(image: Image.Image, how: Preprocess, name: str = "image") -> Decoded:
    """Return an image of Pillow as ``decode_as`` does a file; the given one is left as it is.

    Raises:
        ImageError: its file is truncated, its pixel format has no defined colors, it has no pixels
            or more than ``PIL.Image.MAX_IMAGE_PIXELS``, or channels that cannot be those of
            ``how``.
    """
    refuse_huge(image, name)
    with one_image(name):
        image.load()
        copy = image.copy()
        copy.format = image.format  # copy() drops it, and it identifies 16 bits
        return convert_image(_upright(copy, exif=how.exif), how, name)


def _upright(image: Image.Image, *, exif: bool) -> Image.Image:
    image.load()
    turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1)) if exif else None
    if turn is None:
        return image
    turned = image.transpose(turn)
    turned.format = image.format  # transpose() drops it, and it identifies 16 bits
    return turned


def is_upright(source: bytes) -> bool:
    """Return whether EXIF leaves an image as it is stored; false if it cannot be read."""
    with contextlib.suppress(ImageError), open_image(source, "image") as image:
        return image.getexif().get(ExifTags.Base.Orientation) not in _TURNS
    return False
