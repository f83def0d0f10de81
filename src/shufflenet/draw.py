"""Boxes drawn on the image in which they were found."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from shufflenet.files import is_picture_of, write_picture
from shufflenet.labels import file_name, printable
from shufflenet.spec import Detection

__all__ = ["COLORS", "draw_boxes", "is_drawing", "write_drawing"]

# Seven colors that can be told apart also by those who confuse red and green, without black.
# Source: Okabe and Ito 2008, Color Universal Design (eight with black), https://jfly.uni-koeln.de/color/
COLORS: Final = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((0, 114, 178), (213, 94, 0), (204, 121, 167)),
)
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_BRIGHT = 128  # of 255, from which on text on a color is black
_LONGEST = 40  # characters of a label
_MARK = "shufflenet predict"


def draw_boxes(photo: Image.Image, found: Sequence[Detection]) -> Image.Image:
    """Return a photo with boxes, their labels and their scores drawn on it, of the same size.

    Each line lies between two black ones, so that it is seen before any background. The best box is
    drawn last. Letters that the font does not have lose their accents, or become ``?``.

    Args:
        photo: The photo in RGB, as ``preprocess.decode_to_show`` returns it.
        found: Boxes in its pixels, best first.
    """
    picture = photo.convert("RGB")
    pen = _Pen(ImageDraw.Draw(picture), picture.size)
    for each in reversed(found):
        pen.draw(each)
    return picture


class _Pen:
    """Draws boxes on a picture, in lines and letters that its size makes readable."""

    def __init__(self, canvas: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
        self.canvas, self.size = canvas, size
        shorter = min(size)
        self.line = max(1, round(shorter / 240))
        self.font = ImageFont.load_default(max(10, shorter / 32))

    def draw(self, found: Detection) -> None:
        """Draw a box and, above it or inside it, what it is."""
        color = COLORS[found.index % len(COLORS)]
        left, top, width, height = found.box
        box = round(left), round(top), round(left + width) - 1, round(top + height) - 1
        for outset, width_px, shade in (
            (self.line, self.line * 3, _BLACK),
            (0, self.line, color),
        ):
            self._frame(box, outset, width_px, shade)
        self._name(f"{_legible(found)} {found.score:.2f}", box, color)

    def _frame(
        self, box: tuple[int, int, int, int], outset: int, width: int, color: tuple[int, int, int]
    ) -> None:
        left, top, right, bottom = box
        outer = left - outset, top - outset, right + outset, bottom + outset
        if outer[2] >= outer[0] and outer[3] >= outer[1]:
            self.canvas.rectangle(outer, outline=color, width=width)

    def _name(self, text: str, box: tuple[int, int, int, int], color: tuple[int, int, int]) -> None:
        """Write a text on a ground of a color, inside the picture."""
        _, _, width, height = self.canvas.textbbox((0, 0), text, font=self.font)
        margin = 2 * self.line
        wide, high = round(width) + 2 * margin, round(height) + 2 * margin
        left = max(0, min(box[0], self.size[0] - wide))
        top = box[1] - high if box[1] >= high else max(0, min(box[1], self.size[1] - high))
        self.canvas.rectangle(
            (left, top, left + wide - 1, top + high - 1), fill=color, outline=_BLACK
        )
        ink = _BLACK if _brightness(color) >= _BRIGHT else _WHITE
        self.canvas.text((left + margin, top + margin), text, fill=ink, font=self.font)


def _brightness(color: tuple[int, int, int]) -> float:
    """Return how bright a color is, 0 to 255, by ITU-R BT.601."""
    red, green, blue = color
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _legible(found: Detection) -> str:
    """Return a label in the letters that Pillow's font has; if it has none, the class's number.

    >>> box = (0, 0, 1, 1)
    >>> [_legible(Detection(box, 3, label, 1)) for label in ("Löwe", "猫")]
    ['Lowe', 'class 3']
    """
    plain = unicodedata.normalize("NFKD", found.label)
    kept = "".join(each for each in plain if not unicodedata.combining(each))
    text = printable("".join(each if each.isascii() else "?" for each in kept))
    if not any(each.isalnum() for each in text):
        return f"class {found.index}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def write_drawing(folder: Path, photo: str, picture: Image.Image) -> Path:
    """Write a picture as ``photo.jpg`` and return its path.

    An older picture of the same photo is replaced, told by a mark inside it. Any other file of that
    name stays, and a number is added: ``photo-2.jpg``.

    Args:
        folder: Where to write; it is created if it is missing.
        photo: The path of the photo.
        picture: The picture.

    Raises:
        WriteError: the disk is full or the folder cannot be written.
    """
    shows = str(Path(photo).absolute())
    return write_picture(folder, file_name(Path(photo).stem), picture, _MARK, shows)


def is_drawing(path: Path) -> bool:
    """Return whether a file is a picture that ``write_drawing`` wrote."""
    return is_picture_of(path, _MARK)
