"""Photos on the page: small, inside of it, side by side with what is said of them."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from shufflenet.data import Sample
from shufflenet.errors import DataError, ImageError
from shufflenet.preprocess import decode_to_show, read_header
from shufflenet.report.page._html import Html, element, join, name, shorten, text
from shufflenet.report.page._parts import data_uri, sentence

__all__ = ["Picture", "gallery", "photo", "picture_of", "read_picture", "read_small"]

SIDE_PX = 160  # at most, of a thumbnail
_AT_ONCE = 12
_QUALITY = 70  # of WebP: about 3 kB a thumbnail


@dataclass(frozen=True, slots=True)
class Picture:
    """A photo as an address that holds it, or the reason why there is none.

    Attributes:
        address: A ``data:`` address; empty if there is none.
        shows: What it shows, for those who do not see it; or why there is none.
    """

    address: str
    shows: str


def read_picture(sample: Sample, shows: str) -> Picture:
    """Read a photo of a set, small; a picture without an address if it cannot be read."""
    try:
        return picture_of(read_small(sample), shows)
    except (ImageError, DataError) as error:
        return Picture("", f"The photo cannot be shown. {error}")


def read_small(sample: Sample, *, exif: bool = True) -> Image.Image:
    """Read a photo of a set as RGB; a large JPEG is decoded smaller, in a fraction of the time.

    Raises:
        ImageError: it cannot be read.
        DataUnreadable: the archive that it is in can no longer be read.
    """
    content = sample.read()
    header = read_header(content, sample.name)
    side = min(header.width, header.height)
    shrink = next((each for each in (8, 4, 2) if side // each >= SIDE_PX), 1)
    return decode_to_show(content, sample.name, exif=exif, shrink=shrink)


def picture_of(image: Image.Image, shows: str, *, side_px: int = SIDE_PX) -> Picture:
    """Return an RGB image, small; one of few pixels is enlarged by the browser."""
    small = image.copy()
    small.thumbnail((side_px, side_px))
    content = io.BytesIO()
    small.save(content, "WEBP", quality=_QUALITY, method=4)
    return Picture(data_uri("image/webp", content.getvalue()), shows)


def photo(pictures: Sequence[Picture], told: Html, samples: Sequence[Sample]) -> Html:
    """Return one or two pictures side by side, with a sentence and the paths of the images."""
    shown = element("div", {"class": "pair"}, *(_image(each) for each in pictures))
    paths = [sentence(name(each.place), kind="path") for each in samples]
    return element("li", {}, shown, sentence(told), *paths)


def gallery(photos: Sequence[Html]) -> Html:
    """Return photos beside and below each other; of many, the first, and the others on demand."""
    first = element("ul", {"class": "photos"}, *photos[:_AT_ONCE])
    others = photos[_AT_ONCE:]
    if not others:
        return first
    summary = element("summary", {}, text(f"{len(others)} more"))
    more = element("details", {}, summary, element("ul", {"class": "photos"}, *others))
    return join([first, more])


def _image(picture: Picture) -> Html:
    if not picture.address:
        return element("span", {"class": "gone"}, text(shorten(picture.shows)))
    return element("img", {"src": picture.address, "alt": shorten(picture.shows)})
