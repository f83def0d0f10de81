"""The parts of a detector's page with photos: the worst misses, and what was found wrongly."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from PIL import Image, ImageDraw

from shufflenet.errors import DataError, ImageError
from shufflenet.evaluate import BoxMatch
from shufflenet.preprocess import decode_to_show
from shufflenet.report.page._box_subject import BoxSubject
from shufflenet.report.page._html import Html, join, name, text
from shufflenet.report.page._parts import Section, sentence, unsaid
from shufflenet.report.page._photos import Picture, gallery, photo, picture_of

__all__ = ["missed_section", "wrong_section"]

_SHOWN = 24  # photos of a part
_SIDE_PX = 320  # of the picture of a part of a photo
_ROUND_IT = 3.0  # times the longer side of a box is shown of the photo, and at least
_LEAST_PX = 96  # of the photo
# Blue and orange are told apart by those who confuse red and green. Source: Okabe and Ito 2008,
# Color Universal Design, https://jfly.uni-koeln.de/color/
_TO_FIND, _FOUND, _AROUND = (0, 114, 178), (230, 159, 0), (255, 255, 255)
_DASH_PX = 7  # of the lines around what was found
_THICK_PX = 3
_SOME = 0.005  # IoU that two digits show

_Box = Sequence[float]  # left, top, width and height


def missed_section(subject: BoxSubject) -> Section:
    """Return the boxes that are missed, the largest first."""
    missed = sorted(subject.of_kind("missed"), key=lambda each: -_area(_sides(each)))
    told = "No box is missed." if subject.measures.accuracy.boxes else "There are no boxes to find."
    return Section("missed", "Largest boxes that are missed", _photos(subject, missed, told))


def wrong_section(subject: BoxSubject) -> Section:
    """Return what was found where there is no such box, the highest scores first."""
    wrong = sorted(
        subject.of_kind("wrong"), key=lambda each: -each.found.score if each.found else 0
    )
    title = "Boxes found wrongly with the highest scores"
    photos = _photos(subject, wrong, "No box is found where there is none.")
    hint = "Where the detector is sure and no box is near, one may be missing in the data."
    parts = [sentence(text(hint)), photos] if wrong else [photos]
    return Section("wrong", title, join(parts))


def _photos(subject: BoxSubject, matches: Sequence[BoxMatch], if_none: str) -> Html:
    """Return a photo for each of the first matches; below, the key of the lines in them."""
    if not matches:
        return unsaid(if_none)
    parts = [sentence(text(_KEY), kind="quiet")]
    if len(matches) > _SHOWN:
        parts.append(
            sentence(text(f"The first {_SHOWN} are shown; errors.csv has all."), kind="quiet")
        )
    drawer = _Drawer(subject)
    photos = []
    for each in matches[:_SHOWN]:
        sample = subject.images.samples[each.place]
        pictures = [drawer.picture(each, whole=False), drawer.picture(each, whole=True)]
        photos.append(photo(pictures, _told(subject, each), [sample]))
    return join([*parts, gallery(photos)])


_KEY = (
    "Blue lines are boxes to find, dashed orange lines are what was found; the thick line is the "
    "box in question. On the left is a part of the photo, on the right all of it."
)


def _told(subject: BoxSubject, match: BoxMatch) -> Html:
    """Return what is said of a box that is missed, or of one that is wrong."""
    label = name(subject.images.classes[match.label])
    _, _, width, height = _sides(match)
    size = f"{width:.0f} x {height:.0f} px"
    if match.found is None:
        near = "nothing of its class overlaps it"
        if match.iou >= _SOME:
            near = f"what overlaps it most has an IoU of {match.iou:.2f}"
        return join([label, text(f", {size}: missed; {near}.")])
    score = text(f" with a score of {match.found.score:.2f}, {size}: ")
    if match.label_there is not None:
        there = join([text("there is "), name(subject.images.classes[match.label_there])])
        return join([label, score, there, text(f" (IoU {match.iou:.2f}).")])
    near = (
        f"the nearest box has an IoU of {match.iou:.2f}" if match.iou >= _SOME else "no box is near"
    )
    return join([label, score, text(f"{near}.")])


def _sides(match: BoxMatch) -> _Box:
    """Return the box in question: the one to find or, if there is none, the one found."""
    if match.box is not None:
        return match.box
    return match.found.box if match.found else (0.0, 0.0, 0.0, 0.0)


def _area(box: _Box) -> float:
    return box[2] * box[3]


class _Drawer:
    """Draws the boxes of images; of the last photo, which often is the next as well, it is kept."""

    def __init__(self, subject: BoxSubject) -> None:
        self._subject = subject
        self._lines = defaultdict[int, list[BoxMatch]](list)
        for each in subject.matches:
            self._lines[each.place].append(each)
        self._read: tuple[int, Image.Image] | None = None

    def picture(self, match: BoxMatch, *, whole: bool) -> Picture:
        """Return a photo with its boxes, whole or the part around a box, small.

        Without an address if it cannot be read.
        """
        what = "All of the photo" if whole else self._subject.images.classes[match.label]
        try:
            picture = self._draw(match, self._photo(match.place), whole=whole)
        except (ImageError, DataError) as error:
            return Picture("", f"The photo cannot be shown. {error}")
        return picture_of(picture, f"{what}, {match.kind}", side_px=_SIDE_PX)

    def _photo(self, place: int) -> Image.Image:
        """Return the photo of a place in the set, upright if the detector sees it so.

        Raises:
            ImageError: it cannot be read.
            DataUnreadable: the archive that it is in can no longer be read.
        """
        if self._read is None or self._read[0] != place:
            sample, exif = self._subject.images.samples[place], self._subject.card.preprocess.exif
            self._read = place, decode_to_show(sample.read(), sample.name, exif=exif)
        return self._read[1]

    def _draw(self, match: BoxMatch, photo: Image.Image, *, whole: bool) -> Image.Image:
        """Return a part of a photo with its boxes, the one in question last and thick."""
        width, height = photo.size
        part = (0.0, 0.0, float(width), float(height)) if whole else _around(_sides(match), photo)
        left, top, right, bottom = part
        scale = _SIDE_PX / max(right - left, bottom - top)
        size = tuple(max(1, round(scale * side)) for side in (right - left, bottom - top))
        picture = photo.resize((size[0], size[1]), Image.Resampling.BILINEAR, box=part)
        canvas = ImageDraw.Draw(picture)
        for each in (*(each for each in self._lines[match.place] if each is not match), match):
            for box, is_found in ((each.box, False), (each.found and each.found.box, True)):
                if box:
                    moved = (box[0] - left, box[1] - top, box[2], box[3])
                    sides = [scale * side for side in moved]
                    _outline(canvas, sides, is_found=is_found, thick=each is match)
        return picture


def _around(box: _Box, photo: Image.Image) -> tuple[float, float, float, float]:
    """Return the part of a photo around a box: left, top, right and bottom.

    >>> _around((10, 10, 40, 20), Image.new("RGB", (640, 480)))
    (0.0, 0.0, 120.0, 120.0)
    >>> _around((600, 100, 40, 400), Image.new("RGB", (640, 480)))
    (0.0, 0.0, 640.0, 480.0)
    """
    side = max(_LEAST_PX, _ROUND_IT * max(box[2:]))
    spans = []
    for start, length, most in zip(box[:2], box[2:], photo.size, strict=True):
        inside = min(side, most)
        low = min(max(0.0, start + length / 2 - inside / 2), most - inside)
        spans.append((float(low), float(low + inside)))
    (left, right), (top, bottom) = spans
    return left, top, right, bottom


def _outline(canvas: ImageDraw.ImageDraw, box: _Box, *, is_found: bool, thick: bool) -> None:
    """Draw a box: dashed if it was found, and thick, on white, if it is the one in question."""
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    corners = ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
    lines = [
        dash for side in pairwise(corners) for dash in (_dashes(*side) if is_found else [side])
    ]
    color = _FOUND if is_found else _TO_FIND
    for shade, width in ((_AROUND, _THICK_PX + 2), (color, _THICK_PX)) if thick else ((color, 1),):
        for line in lines:
            canvas.line(line, fill=shade, width=width)


_Point = tuple[float, float]


def _dashes(start: _Point, end: _Point) -> Iterator[tuple[_Point, _Point]]:
    """Return the parts of a line that are drawn.

    >>> list(_dashes((0, 0), (21, 0)))
    [((0.0, 0.0), (7.0, 0.0)), ((14.0, 0.0), (21.0, 0.0))]
    """
    length = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    for begin in range(0, max(1, round(length)), 2 * _DASH_PX):
        ends = (begin / length, min(1.0, (begin + _DASH_PX) / length)) if length else (0.0, 1.0)
        first, last = (
            (
                float(start[0] + share * (end[0] - start[0])),
                float(start[1] + share * (end[1] - start[1])),
            )
            for share in ends
        )
        yield first, last
