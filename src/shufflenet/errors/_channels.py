"""Errors of data whose images have other channels than those that are trained on."""

from collections.abc import Mapping

from shufflenet.errors._base import count_of
from shufflenet.errors._data import DataError

__all__ = ["ManyChannels", "OtherChannels", "SeveralChannelCounts"]

_ALIKE = "Use --channels gray, rgb or rgba, which makes them alike"


class SeveralChannelCounts(DataError):
    """Images were to be read as they are stored, and have several numbers of channels.

    Args:
        source: The data.
        counts: How many of the images that were looked at have each number.
    """

    def __init__(self, source: str, counts: Mapping[int, int]) -> None:
        some = ", ".join(
            f"{count_of(images, 'image')} of {count_of(channels, 'channel')}"
            for channels, images in sorted(counts.items())
        )
        problem = f"has images of several numbers of channels ({some})"
        super().__init__(source, problem, f"{_ALIKE}, or train on those of one kind.")


class OtherChannels(DataError):
    """Images are stored with another number of channels than the weights to start from take.

    Args:
        source: The data.
        channels: Of the images.
        known: Of the weights.
    """

    def __init__(self, source: str, channels: int, known: int) -> None:
        has = f"has images of {count_of(channels, 'channel')}"
        remedy = "Use --channels stored, which adapts their first convolution."
        problem = f"{has}, and the weights to start from take {known}"
        super().__init__(source, problem, remedy)


class ManyChannels(DataError):
    """Images have more channels than colors and opacity, and colors were to be read.

    Args:
        source: The data.
        channels: Of the images.
        wanted: What was to be read.
    """

    def __init__(self, source: str, channels: int, wanted: str) -> None:
        problem = f"has images of {channels} channels, which are not read as {wanted}"
        super().__init__(source, problem, "Use --channels stored, which reads them all.")
