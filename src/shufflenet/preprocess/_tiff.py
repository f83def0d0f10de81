"""The pages of a TIFF file: their sizes and channels, read without decoding any.

Source: TIFF 6.0, sections 2 and 8, and for files of more than 4 GB the BigTIFF proposal of libtiff.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

from shufflenet.spec import MAX_PLANES

__all__ = ["TiffPage", "describe_pages", "is_tiff", "read_pages"]

_MARKS: Final = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
_BIG: Final = (b"II+\0", b"MM\0+")
_TYPES: Final = {1: "B", 3: "H", 4: "I", 16: "Q"}  # of whole numbers; other types are passed over
_MOST_TAGS: Final = 4096  # of a page; usual are 20
_MOST_SKIPPED: Final = 64  # pages that hold no image of their own, such as smaller copies
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIPS, _ORIENTATION, _CHANNELS, _TILES, _KIND = 273, 274, 277, 324, 339
_KINDS: Final = {
    1: "{bits}-bit numbers",
    2: "signed {bits}-bit numbers",
    3: "{bits}-bit floating-point numbers",
}


@dataclass(frozen=True, slots=True)
class TiffPage:
    """A page of a TIFF file.

    Attributes:
        index: Its number in the file, from 0, with those that hold no image of their own.
        width: In pixels.
        height: The same.
        channels: The values of a pixel.
        bits: Of a value.
        kind: Of numbers: 1 without sign, 2 with, 3 floating-point.
        compression: Its number.
        photometric: What values mean: 0 that white is 0, 1 that black is, 2 RGB, 3 a palette.
        orientation: How it is turned, as EXIF has it.
        segments: The strips or tiles in which it is stored.
    """

    index: int
    width: int
    height: int
    channels: int
    bits: int
    kind: int
    compression: int
    photometric: int
    orientation: int
    segments: int


def is_tiff(start: bytes) -> bool:
    """Return whether a file begins as a TIFF does."""
    return start[:4] in _MARKS


def read_pages(file: BinaryIO, most: int = MAX_PLANES) -> list[TiffPage]:
    """Read the first pages of a TIFF that hold an image of their own; one more than ``most``.

    Raises:
        ValueError: it is damaged; the message is a predicate.
    """
    file.seek(0)
    start = file.read(16)
    if not is_tiff(start):
        raise ValueError("it is no TIFF")
    reader = _Reader(file, _MARKS[start[:4]], start[:4] in _BIG)
    offset = reader.unpack("Q", start[8:16]) if reader.is_big else reader.unpack("I", start[4:8])
    pages, seen = list[TiffPage](), set[int]()
    while offset and len(pages) <= most and len(seen) < most + _MOST_SKIPPED:
        if offset in seen:
            raise ValueError("its pages follow each other in a circle")
        page, subfile, following = reader.page(offset, len(seen))
        seen.add(offset)
        offset = following
        if not subfile & (_REDUCED | _MASK):
            pages.append(page)
    if not pages:
        raise ValueError("it has no pages")
    return pages


def describe_pages(pages: list[TiffPage]) -> str:
    """Return what is stored in a TIFF that colors cannot be read of, as the end of a sentence."""
    page = pages[0]
    if page.kind != 1 or page.bits > 16:
        numbers = _KINDS.get(page.kind, "{bits}-bit numbers").format(bits=page.bits)
        return f"its pixels are {numbers} of unknown range"
    channels = sum(each.channels for each in pages)
    counted = "1 channel" if channels == 1 else f"{channels} channels"
    return f"it is a TIFF of {counted} of {page.bits} bits, which is no gray or color image"


@dataclass(frozen=True, slots=True)
class _Reader:
    file: BinaryIO
    order: str
    is_big: bool

    def unpack(self, form: str, data: bytes) -> int:
        """Return one whole number.

        Raises:
            ValueError: the file ended before it.
        """
        if len(data) < struct.calcsize(f"{self.order}{form}"):
            raise ValueError("it is cut off")
        return int(struct.unpack(f"{self.order}{form}", data)[0])

    def page(self, offset: int, index: int) -> tuple[TiffPage, int, int]:
        """Return the page whose table is there, what it is, and where the next one's is.

        Raises:
            ValueError: it is damaged.
        """
        few, form, entry = (8, "Q", 20) if self.is_big else (2, "H", 12)
        self.file.seek(offset)
        count = self.unpack(form, self.file.read(few))
        if not 0 < count <= _MOST_TAGS:
            raise ValueError(f"a page of it has {count} tags")
        table = self.file.read(count * entry + (8 if self.is_big else 4))
        tags: dict[int, bytes] = {}
        for at in range(0, count * entry, entry):
            tag = self.unpack("H", table[at : at + 2])
            tags.setdefault(tag, table[at + 2 : at + entry])
        following = self.unpack("Q" if self.is_big else "I", table[count * entry :])
        number = self._number
        bits, kinds = self._several(tags, _BITS, 1), self._several(tags, _KIND, 1)
        if len({*bits}) != 1 or len({*kinds}) != 1:
            raise ValueError("its channels have numbers of different kinds")
        page = TiffPage(
            index=index,
            width=number(tags, _WIDTH, 0),
            height=number(tags, _HEIGHT, 0),
            channels=number(tags, _CHANNELS, 1),
            bits=bits[0],
            kind=kinds[0],
            compression=number(tags, _COMPRESSION, 1),
            photometric=number(tags, _PHOTOMETRIC, 1),
            orientation=number(tags, _ORIENTATION, 1),
            segments=max(self._count(tags, _STRIPS), self._count(tags, _TILES)),
        )
        return page, number(tags, _SUBFILE, 0), following

    def _count(self, tags: dict[int, bytes], tag: int) -> int:
        """Return how many values a tag has."""
        if tag not in tags:
            return 0
        form, end = ("Q", 10) if self.is_big else ("I", 6)
        return self.unpack(form, tags[tag][2:end])

    def _number(self, tags: dict[int, bytes], tag: int, usual: int) -> int:
        return self._several(tags, tag, usual)[0]

    def _several(self, tags: dict[int, bytes], tag: int, usual: int) -> list[int]:
        """Return the whole numbers of a tag, at most 2**16.

        Raises:
            ValueError: it has none, or others.
        """
        if tag not in tags:
            return [usual]
        form, count = _TYPES.get(self.unpack("H", tags[tag][:2])), self._count(tags, tag)
        if form is None or not 0 < count < 1 << 16:
            raise ValueError(f"its tag {tag} is damaged")
        size = struct.calcsize(f"<{count}{form}")
        value = tags[tag][10 if self.is_big else 6 :]
        if size > len(value):
            self.file.seek(self.unpack("Q" if self.is_big else "I", value))
            value = self.file.read(size)
        if len(value) < size:
            raise ValueError("it is cut off")
        return list(struct.unpack(f"{self.order}{count}{form}", value[:size]))
