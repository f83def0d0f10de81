"""The image formats that are read: one table for endings, for Pillow and for the docs.

Pillow knows more. Left out is what starts a program (EPS: Ghostscript), reads other files, takes
minutes for an image (QOI: decoded in Python), or holds no photos.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["HEIC", "IMAGE_FORMATS", "IMAGE_SUFFIXES", "ImageFormat", "name_foreign"]


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """An image format.

    Attributes:
        title: Its name for people.
        pillow: Its names among Pillow's openers.
        suffixes: The endings of its files, in lower case, with a dot.
    """

    title: str
    pillow: tuple[str, ...]
    suffixes: tuple[str, ...]


# Read where pillow-heif is installed, which registers the opener HEIF.
HEIC: Final = ImageFormat("HEIC", ("HEIF",), (".heic", ".heics", ".heif", ".heifs", ".hif"))

# Pillow 10.4 to 13.0, Image.OPEN and Image.registered_extensions(); .jif to .pjp are what browsers
# and the JPEG standard's authors also call a JPEG. Formats are tried in this order: Pillow loads
# its rarer plugins only for those after PPM, and TGA, which has no mark of its own, comes last.
IMAGE_FORMATS: Final = (
    ImageFormat(
        "JPEG",
        ("JPEG",),  # which opens MPO, several JPEGs in a file, too
        (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".pjpeg", ".pjp", ".mpo"),
    ),
    ImageFormat("PNG", ("PNG",), (".png", ".apng")),
    ImageFormat("GIF", ("GIF",), (".gif",)),
    ImageFormat("BMP", ("BMP", "DIB"), (".bmp", ".dib")),
    ImageFormat("PPM", ("PPM",), (".ppm", ".pgm", ".pbm", ".pnm", ".pfm")),
    ImageFormat("WebP", ("WEBP",), (".webp",)),
    ImageFormat("AVIF", ("AVIF",), (".avif", ".avifs")),
    ImageFormat("TIFF", ("TIFF",), (".tif", ".tiff")),
    ImageFormat("JPEG 2000", ("JPEG2000",), (".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c")),
    ImageFormat("TGA", ("TGA",), (".tga", ".icb", ".vda", ".vst")),
    HEIC,
)

IMAGE_SUFFIXES: Final = frozenset(suffix for form in IMAGE_FORMATS for suffix in form.suffixes)

_HEIC_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)
# How files begin that are given for images; after white space where they are text.
_FOREIGN = (
    (b"%!PS", "a PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript file"),
    (b"%PDF", "a PDF"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an SVG drawing or other XML"),
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
    (b"8bps", "a Photoshop file"),
    (b"pk\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a compressed archive"),
)


def name_foreign(start: bytes) -> str:
    r"""Return what a file is that none of the formats fits, by its first 64 bytes; or nothing.

    >>> name_foreign(b"%PDF-1.7"), name_foreign(b"words")
    ('a PDF', '')
    >>> name_foreign(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    'HEIC'
    """
    if start[4:8] == b"ftyp":  # ISO/IEC 14496-12, 4.3: the major brand, a version, other brands
        brands = {start[at : at + 4] for at in (8, *range(16, 60, 4))}
        return HEIC.title if brands & _HEIC_BRANDS else "a video or sound"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((name for mark, name in _FOREIGN if text.startswith(mark.lower())), "")
