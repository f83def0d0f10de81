"""Images as people are shown them, whatever channels a network takes of them."""

from pathlib import Path

from PIL import Image

from shufflenet.errors import ImageError
from shufflenet.preprocess._channels import as_rgb
from shufflenet.preprocess._decode import decode, decode_as
from shufflenet.preprocess._header import read_header
from shufflenet.spec import Preprocess

__all__ = ["decode_to_show"]

_COLORS = 4  # channels at most of what ``decode`` reads: colors and opacity


def decode_to_show(
    source: str | Path | bytes, name: str, *, exif: bool = True, shrink: int = 1
) -> Image.Image:
    """Read an image as RGB; of one of more than four channels, the first three.

    Args:
        source: A path, or the bytes of an image file.
        name: The image's name in errors.
        exif: Whether the image is rotated upright by its EXIF tag.
        shrink: As in ``decode``.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        return decode(source, name, exif=exif, shrink=shrink)
    except ImageError:
        count = read_header(source, name).channels
        if count <= _COLORS:
            raise
    numbers = (1.0,) * count
    how = Preprocess(
        resize_px=1, crop_px=1, channels="stored", mean=numbers, std=numbers, exif=exif
    )
    return as_rgb(decode_as(source, how, name), how)
