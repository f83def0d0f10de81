"""Decoded images converted to the channels and bits of a ``Preprocess``."""

from typing import Final

import numpy as np
from PIL import Image

from shufflenet.errors import ImageError
from shufflenet.preprocess._colors import check_range, to_plain_rgb
from shufflenet.preprocess._pixels import Decoded, Pixels
from shufflenet.spec import CHANNEL_COUNTS, Preprocess

__all__ = ["as_rgb", "convert_image", "convert_planes"]

_TO_16 = 257  # 255 becomes 65,535
# Of red, green and blue in gray, in 65,536ths: ITU-R BT.601, as Pillow rounds it (libImaging,
# Convert.c, L24).
_GRAY: Final = (19595, 38470, 7471)


def convert_image(image: Image.Image, how: Preprocess, name: str) -> Decoded:
    """Convert a decoded, upright image of Pillow.

    8 bits are widened to 16 by ``257 * value``, and 16 cut to 8 by ``value >> 8``. Gray becomes
    three equal colors, and colors gray by BT.601; where there is no opacity in the end, transparent
    parts are blended with white, and where there was none, all is opaque.

    Raises:
        ImageError: its pixel format has no defined colors, its 16 bits were lost, or ``stored`` is
            of another number of channels than it has.
    """
    if how.bits == 16:
        return _widened(image, how, name)
    if how.channels == "stored":
        return _counted(_stored(image, name), how, name)
    if how.channels == "gray":
        gray = image if image.mode == "L" and not image.has_transparency_data else None
        return np.asarray(gray or to_plain_rgb(image, name).convert("L"))[..., None]
    if how.channels == "rgba":
        if not image.has_transparency_data:
            image = to_plain_rgb(image, name)
        return np.asarray(image.convert("RGBA"))
    return to_plain_rgb(image, name)


def _stored(image: Image.Image, name: str) -> Pixels:
    """Return the channels of an image as they are, those of a palette as its colors."""
    if image.mode in ("P", "PA", "1"):
        image = image.convert(_UNPACKED["clear" if image.has_transparency_data else image.mode])
    elif image.mode.startswith(("I", "F")):
        image = to_plain_rgb(image, name).getchannel(0)
    values: Pixels = np.asarray(image)
    return values if values.ndim == 3 else values[..., None]


_PLAIN: Final = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
_UNPACKED: Final = {"clear": "RGBA", "P": "RGB", "PA": "RGBA", "1": "L"}


def _widened(image: Image.Image, how: Preprocess, name: str) -> Pixels:
    """Convert to 16 bits.

    Raises:
        ImageError: as ``convert_image``.
    """
    if image.mode.startswith("I"):
        check_range(image, name)
        return convert_planes(np.asarray(image).astype(np.uint16)[..., None], how, name)
    if how.channels != "stored" and image.mode not in _PLAIN:
        image = to_plain_rgb(image, name)
    planes = _stored(image, name)
    return convert_planes(planes.astype(np.uint16) * np.uint16(_TO_16), how, name)


def convert_planes(planes: Pixels, how: Preprocess, name: str) -> Pixels:
    """Convert the channels of a file, ``(h, w, c)``, of 8 or 16 bits.

    One channel is gray, two gray and opacity, three colors, four colors and opacity.

    Raises:
        ImageError: they are other channels than those of ``how``.
    """
    if planes.dtype == np.uint8 and how.bits == 16:
        planes = planes.astype(np.uint16) * np.uint16(_TO_16)
    if planes.dtype == np.uint16 and how.bits == 8:
        planes = (planes >> 8).astype(np.uint8)
    count = planes.shape[2]
    if how.channels == "stored" or count == CHANNEL_COUNTS[how.channels]:
        return _counted(planes, how, name)
    if count > len(_MEANINGS):
        wanted = f"{how.channels.upper()} has {CHANNEL_COUNTS[how.channels]}"
        raise ImageError(name, f"it has {count} channels, and {wanted}")
    known = _MEANINGS[count - 1]
    colors, opacity = planes[..., :known], planes[..., known:]
    if how.channels == "rgba":
        white = np.full_like(planes[..., :1], how.max_value)
        alpha = opacity if opacity.shape[2] else white
        return np.concatenate([_repeat(colors), alpha], axis=-1)
    if opacity.shape[2]:
        colors = _blend(colors, opacity, how.max_value)
    return _to_gray(colors) if how.channels == "gray" else _repeat(colors)


_MEANINGS: Final = (1, 1, 3, 3)  # how many of one to four channels are colors


def _repeat(colors: Pixels) -> Pixels:
    return colors if colors.shape[2] == 3 else np.repeat(colors, 3, axis=2)


def _blend(colors: Pixels, opacity: Pixels, white: int) -> Pixels:
    """Put colors before white: ``white - (white - color) * opacity / white``, rounded."""
    share = opacity.astype(np.float64) / white
    return np.rint(white - (white - colors.astype(np.float64)) * share).astype(colors.dtype)


def _to_gray(colors: Pixels) -> Pixels:
    """Mix three colors into one, ``(h, w, 1)``.

    >>> _to_gray(np.array([[[255, 0, 0], [9, 9, 9]]], np.uint8))[..., 0]
    array([[76,  9]], dtype=uint8)
    """
    if colors.shape[2] == 1:
        return colors
    mixed = colors.astype(np.int64) @ np.array(_GRAY) + (1 << 15) >> 16
    gray: Pixels = mixed.astype(colors.dtype)[..., None]
    return gray


_SHOWN: Final = Preprocess(resize_px=1, crop_px=1)


def as_rgb(decoded: Decoded, how: Preprocess) -> Image.Image:
    """Return what people are shown of an image that ``decode_as`` read.

    Of ``stored`` channels it is the first three as red, green and blue, or the first one as gray.
    """
    if isinstance(decoded, Image.Image):
        return decoded
    if how.channels == "stored":
        decoded = decoded[..., : 3 if decoded.shape[2] >= 3 else 1]
    return Image.fromarray(np.ascontiguousarray(convert_planes(decoded, _SHOWN, "image")))


def _counted(planes: Pixels, how: Preprocess, name: str) -> Pixels:
    """Return channels if they are as many as the network takes.

    Raises:
        ImageError: they are not.
    """
    count = planes.shape[2]
    if count != how.in_channels:
        has = "1 channel" if count == 1 else f"{count} channels"
        raise ImageError(name, f"it has {has}, and the network takes {how.in_channels}")
    return planes
