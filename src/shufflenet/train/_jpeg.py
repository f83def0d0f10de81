"""The part of a JPEG that a crop needs: no rows below it, and no more pixels than it shows."""

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from shufflenet.preprocess import decode, is_upright

try:
    import simplejpeg
except ImportError:  # Pillow gives the same pixels, more slowly
    simplejpeg = None

__all__ = ["Jpeg", "upright_jpeg"]

# ITU-T T.81, table B.1
_START, _END, _SCAN, _APP1 = b"\xff\xd8", b"\xff\xd9", 0xDA, 0xE1
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive, all of them Huffman-coded
_CONTEXT_PX = 16  # rows below a pixel whose colours have a part in it: no block is higher


@dataclass(frozen=True, slots=True)
class Jpeg:
    """A JPEG of grey levels or three colours that lies in its file as it is to be seen.

    Attributes:
        content: The file.
        name: What errors call it.
        width: In pixels.
        height: In pixels.
        height_at: Where the header tells the height, in two bytes.
    """

    content: bytes
    name: str
    width: int
    height: int
    height_at: int

    def decoded(self, bottom: int, shrink: int) -> npt.NDArray[np.uint8]:
        """Decode the rows above ``bottom``, and perhaps more, ``shrink`` times smaller.

        What comes before ``bottom`` is, to the last grey level, what Pillow makes of the file:
        both decoders are libjpeg-turbo. A decoder reads a JPEG from the top and ends at the
        height that the header tells; so the header it is given tells no more than is needed.

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
                    self._shortened(rows),
                    min_height=-(-rows // shrink),
                    min_width=-(-self.width // shrink),
                    strict=False,  # as Pillow, it makes the best of what is damaged
                )
            except ValueError:
                pass  # Pillow reads it, or says why it cannot be read
            else:
                return pixels
        return np.asarray(decode(self.content, self.name, shrink=shrink))

    def _shortened(self, rows: int) -> bytes:
        before, after = self.content[: self.height_at], self.content[self.height_at + 2 :]
        return before + rows.to_bytes(2) + after


def upright_jpeg(content: bytes, name: str) -> Jpeg | None:
    """Read the header of a JPEG; none if it is cut short, turned, too large, or no common one."""
    if not content.startswith(_START) or content.rfind(_END, -1024) < 0:
        return None
    at, tagged, frame = 2, False, 0
    while at + 10 <= len(content) and content[at] == 0xFF and (marker := content[at + 1]) != _SCAN:
        tagged = tagged or marker == _APP1  # EXIF or XMP, and either may tell to turn it
        frame = at if marker in _FRAMES else frame
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    if not frame:
        return None
    bits, height, width, colours = struct.unpack_from(">BHHB", content, frame + 4)
    limit = Image.MAX_IMAGE_PIXELS
    usual = bits == 8 and colours in (1, 3) and height and width
    huge = limit is not None and height * width > limit
    if not usual or huge or (tagged and not is_upright(content)):
        return None
    return Jpeg(content, name, width, height, height_at=frame + 5)
