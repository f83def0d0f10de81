"""The channels and bits that images are stored with, compared with what is read of them."""

import logging
from collections import Counter

from shufflenet.data import ImageSet, Sample
from shufflenet.errors import (
    DataError,
    ImageError,
    ManyChannels,
    OtherChannels,
    SeveralChannelCounts,
)
from shufflenet.preprocess import ImageHeader, read_header
from shufflenet.spec import Channels

__all__ = ["Kinds"]

_log = logging.getLogger(__name__)

_LOOKED_AT = 64  # images, evenly over the set
_READ_BITS = (8, 16)
_MOST_COLORS = 4  # of channels: colors and opacity
_JPEG = (".jpg", ".jpeg", ".jpe")  # of four channels it is CMYK


class Kinds:
    """The kinds of some images of a set, by their headers."""

    def __init__(self, images: ImageSet) -> None:
        headers = [(sample, _header(sample)) for sample in images.spread(_LOOKED_AT)]
        self._source = images.source
        self._found = [(sample, header) for sample, header in headers if header]

    def stored_channels(self, known: int | None) -> int:
        """Return the number of channels of the first image; 3 if none can be read.

        Args:
            known: The number that is meant, if the weights to start from say it.

        Raises:
            SeveralChannelCounts: others have other numbers.
            OtherChannels: they have another number than ``known``.
        """
        counts = Counter(header.channels for _, header in self._found)
        if len(counts) > 1:
            raise SeveralChannelCounts(self._source, counts)
        found = next(iter(counts), known or 3)
        if known not in (None, found):
            raise OtherChannels(self._source, found, known)
        return found

    def compare(self, channels: Channels, bits: int) -> None:
        """Log what of the images is lost or made up by reading them so, and the option for it.

        Raises:
            ManyChannels: the first has more channels than colors and opacity.
        """
        if not self._found or channels == "stored":
            return self._compare_bits(bits)
        first = self._found[0][1].channels
        if first > _MOST_COLORS:
            raise ManyChannels(self._source, first, channels)
        gray = all(header.channels <= 2 for _, header in self._found)
        if gray and channels != "gray":
            _log.info("The images are gray, and read as %s. See --channels gray.", channels)
        if channels == "gray" and not gray:
            _log.info("The images have colors, and are read as gray. See --channels rgb.")
        clear = sum(_has_opacity(sample, header) for sample, header in self._found)
        if clear and channels != "rgba":
            _log.info(
                "Of %d images looked at, %d have opacity: they are blended with white. See "
                "--channels rgba.",
                *(len(self._found), clear),
            )
        return self._compare_bits(bits)

    def _compare_bits(self, bits: int) -> None:
        stored = {header.bits for _, header in self._found}
        readable = stored & {*_READ_BITS}  # others, such as floating-point numbers, are refused
        if readable and bits not in stored:
            _log.info(
                "The images have %d bits a value, and are read as %d. See --bits %d.",
                *(max(readable), bits, max(readable)),
            )


def _has_opacity(sample: Sample, header: ImageHeader) -> bool:
    return header.channels == 2 or (
        header.channels == _MOST_COLORS and not sample.name.lower().endswith(_JPEG)
    )


def _header(sample: Sample) -> ImageHeader | None:
    """Return the header of an image; ``None`` if it cannot be read, which training reports."""
    try:
        return read_header(sample.read(), sample.name)
    except (DataError, ImageError):
        return None
