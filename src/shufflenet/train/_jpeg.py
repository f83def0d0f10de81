"""JPEG files, decoded no further down than a crop needs and at a fraction of their size."""

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from shufflenet.preprocess import decode, is_upright

try:
    import simplejpeg
except ImportError:  # Pillow decodes to the same pixels, more slowly
    simplejpeg = None

__all__ = ["Jpeg", "upright_jpeg"]

# ITU-T T.81, table B.1
_START, _END, _SCAN, _APP1 = b"\xff\xd8", b"\xff\xd9", 0xDA, 0xE1
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive, all of them Huffman-coded
_CONTEXT_PX = 16  # rows below a pixel that its color may depend on: no block is higher


@dataclass(frozen=True, slots=True)
class Jpeg:
    """An upright JPEG of gray levels or three colors.

    Attributes:
        content: The file.
        name: What errors call it.
        width: In pixels.
        height: In pixels.
        height_at: Offset of the height in the file, two bytes.
    """

    content: bytes
    name: str
    width: int
    height: int
    height_at: int

    def decode(self, bottom: int, shrink: int) -> npt.NDArray[np.uint8]:
        """Decode the rows above ``bottom``, and perhaps more, ``shrink`` times smaller.

        The rows above ``bottom`` equal Pillow's to the last gray level: both decoders are
        libjpeg-turbo. A decoder reads a JPEG from the top down to the height in the header, so it
        is passed a header with no greater height than is needed.

        Args:
            bottom: In rows of the file.
            shrink: 1, 2, 4 or 8; side lengths are divided by it and rounded up.

        Returns:
            RGB values 0..255, ``(rows, columns, 3)``.

        Raises:
            ImageError: the file cannot be read as an image.
        """
        rows = min(bottom + _CONTEXT_PX, self.height)
        if simplejpeg:
            try:
                pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(
                    self._with_height(rows),
                    min_height=-(-rows // shrink),
                    min_width=-(-self.width // shrink),
                    strict=False,  # like Pillow, it decodes damaged files as well as it can
                )
            except ValueError:
                pass  # Pillow decodes it, or raises an ImageError
            else:
                return pixels
        return np.asarray(decode(self.content, self.name, shrink=shrink))

    def _with_height(self, rows: int) -> bytes:
        before, after = self.content[: self.height_at], self.content[self.height_at + 2 :]
        return before + rows.to_bytes(2) + after


def upright_jpeg(content: bytes, name: str) -> Jpeg | None:
    """Read the header of a JPEG; ``None`` if it is truncated, rotated, too large, or not common."""
    if not content.startswith(_START) or content.rfind(_END, -1024) < 0:
        return None
    at, tagged, frame = 2, False, 0
    while at + 10 <= len(content) and content[at] == 0xFF and (marker := content[at + 1]) != _SCAN:
        tagged = tagged or marker == _APP1  # EXIF or XMP, either of which may rotate it
        frame = at if marker in _FRAMES else frame
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    if not frame:
        return None
    bits, height, width, colors = struct.unpack_from(">BHHB", content, frame + 4)
    limit = Image.MAX_IMAGE_PIXELS
    common = bits == 8 and colors in (1, 3) and height and width
    huge = limit is not None and height * width > limit
    if not common or huge or (tagged and not is_upright(content)):
        return None
    return Jpeg(content, name, width, height, height_at=frame + 5)
