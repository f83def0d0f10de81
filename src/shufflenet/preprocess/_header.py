"""The size and the channels of an image file, read without decoding it."""

from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image

from shufflenet.preprocess._one_image import identify, open_source, refuse_size, stores_16_bits
from shufflenet.preprocess._tiff import is_tiff, read_pages

__all__ = ["ImageHeader", "read_header", "upright_size"]

_LYING = range(5, 9)  # EXIF 2.3, table 4, tag 0x0112: turned by 90 degrees


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image file says of itself.

    Attributes:
        width: As stored, before it is turned upright, px.
        height: The same.
        channels: Those of a pixel; of a TIFF with several pages those of all.
        bits: Of a value: 8 or 16, fewer count as 8; a TIFF that is not read may have more.
    """

    width: int
    height: int
    channels: int
    bits: int

    @property
    def pixels(self) -> int:
        """How many pixels of up to four channels hold as much.

        >>> ImageHeader(width=10, height=10, channels=12, bits=8).pixels
        300
        """
        return self.width * self.height * -(-self.channels // 4)


def read_header(
    source: str | Path | bytes, name: str, most_pixels: int | None = None
) -> ImageHeader:
    """Read the header of an image.

    Args:
        source: A path, or the bytes of an image file.
        name: The image's name in errors.
        most_pixels: The most that it may have, if fewer than ``PIL.Image.MAX_IMAGE_PIXELS``.

    Raises:
        ImageError: it is missing, of no format that is read, or too large.
    """
    with open_source(source, name) as file:
        file.seek(0)
        if is_tiff(file.read(4)):
            pages = read_pages(file)
            first = pages[0]
            refuse_size((first.width, first.height), name, most_pixels)
            if len(pages) > 1 or first.channels > 1:
                channels = sum(page.channels for page in pages)
                return ImageHeader(first.width, first.height, channels, max(8, first.bits))
        with identify(file, name, most_pixels) as image:
            return ImageHeader(*image.size, *_channels(image))


def upright_size(source: str | Path | bytes, name: str) -> tuple[int, int]:
    """Return the width and height, px, of an image that its EXIF tag has turned upright.

    Args:
        source: A path, or the bytes of an image file.
        name: The image's name in errors.

    Raises:
        ImageError: it is missing, of no format that is read, or too large.
    """
    with open_source(source, name) as file, identify(file, name) as image:
        width, height = image.size
        lies = image.getexif().get(ExifTags.Base.Orientation) in _LYING
        return (height, width) if lies else (width, height)


def _channels(image: Image.Image) -> tuple[int, int]:
    """Return the channels and bits that ``stored`` makes of an image that is not decoded yet."""
    if image.mode.startswith("I"):
        return 1, 16
    bits = 16 if stores_16_bits(image) else 8
    if image.mode in ("P", "PA"):
        return (4 if image.has_transparency_data else 3), bits
    return len(image.getbands()), bits
