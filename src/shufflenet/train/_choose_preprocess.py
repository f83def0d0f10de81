"""How a run reads its images: their size and fit, channels and bits, mean and deviation."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from shufflenet.data import ImageSet, Sample, load
from shufflenet.errors import DataError, ImageError, SpecError
from shufflenet.preprocess import Pixels, mean_image
from shufflenet.recipes import Size, preprocess_for
from shufflenet.spec import CHANNEL_COUNTS, Bits, Card, Channels, Fit, Preprocess, Task
from shufflenet.train._image_kinds import Kinds

__all__ = ["Reading", "choose_preprocess", "fit_of"]

_MEASURED = 512  # images whose mean and deviation are measured, evenly over the set
_DIGITS = 4  # of a mean or a deviation: what decoders differ by should not show
_LEAST_STD = 1 / 255  # of the largest value: a smaller deviation is noise that would be amplified
_UNKNOWN = (0.5, 0.25)  # mean and deviation where no image can be read, which training reports

_NONE = 1e-9  # what is left of a deviation of nothing by rounding

_Numbers = tuple[float, float]  # mean and deviation of a channel, 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is read of images, where it is not left to the weights that are started from.

    Attributes:
        fit: How images of another shape are made to fit.
        channels: Which channels; ``rgb`` in the order that the weights have.
        bits: Of a value.
    """

    fit: Fit | None = None
    channels: Literal["gray", "rgb", "rgba", "stored"] | None = None
    bits: Bits | None = None


def choose_preprocess(
    reading: Reading, image_px: Size, images: ImageSet, start: Card | None
) -> Preprocess:
    """Return the preprocessing of a run.

    The means and deviations of channels that the weights to start from know are theirs, and without
    weights those of red, green and blue are the usual ones. All others are measured on up to 512
    of the images to train on, evenly over the set: each is squashed to ``image_px``, all pixels
    count alike, and numbers are rounded to four digits of the largest value. A channel that is the
    same everywhere has the deviation 1.

    Args:
        reading: What was asked for.
        image_px: The size of the input.
        images: The images to train on.
        start: The card of the weights to start from.

    Raises:
        SeveralChannelCounts: stored channels are read, and images have several numbers of them.
        OtherChannels: they have another number than the weights take.
        ManyChannels: the images have more channels than colors and opacity, and these are read.
    """
    known = start.preprocess if start else None
    how = preprocess_for(image_px, fit_of(reading, start, images.task))
    channels = _channels(reading, known)
    bits = reading.bits or (known.bits if known else 8)
    kinds = Kinds(images)
    kinds.compare(channels, bits)
    own = known.in_channels if known and reading.channels is None else None
    count = CHANNEL_COUNTS[channels] if channels in CHANNEL_COUNTS else kinds.stored_channels(own)
    if known is None and channels == "rgb":
        return replace(how, bits=bits)
    how = replace(
        how,
        channels=channels,
        bits=bits,
        value_range=known.value_range if known else 1,
        mean=(0.0,) * count,
        std=(1.0,) * count,
    )
    if known and (known.channels, known.in_channels) == (channels, count):
        return _with_numbers_of(known, how)
    carried = _carried(known, how) if known else []
    missing = _measure(images, how)[len(carried) :] if len(carried) < count else []
    numbers = np.array([*carried, *missing]) * how.value_range
    numbers = numbers[::-1] if channels == "bgr" else numbers
    return replace(how, mean=tuple(numbers[:, 0].tolist()), std=tuple(numbers[:, 1].tolist()))


def fit_of(reading: Reading, start: Card | None, task: Task) -> Fit:
    """Return how images of another shape than the input are made to fit.

    Raises:
        SpecError: images are to be cropped, and what is cut away to be detected.
    """
    if task != "detection":
        return reading.fit or (start.preprocess.fit if start else "crop")
    if reading.fit == "crop":
        raise SpecError("fit", reading.fit, "pad or squash: a detector looks at whole images")
    own = start.preprocess.fit if start and start.task == "detection" else "pad"
    return reading.fit or own


def _channels(reading: Reading, known: Preprocess | None) -> Channels:
    """Return which channels are read: colors in the order that the weights have."""
    if reading.channels is None:
        return known.channels if known else "rgb"
    if reading.channels == "rgb" and known and known.channels == "bgr":
        return "bgr"
    return reading.channels


def _with_numbers_of(known: Preprocess, how: Preprocess) -> Preprocess:
    """Return the preprocessing with the means and deviations that the weights know.

    A mean image has one size; for images of another, or fitted otherwise, its mean of every channel
    stands in.
    """
    stays = (known.crop_px, known.fit, known.bits) == (how.crop_px, how.fit, how.bits)
    return replace(
        how,
        mean=known.mean if stays else _mean_with_image(known),
        std=known.std,
        mean_image=known.mean_image if stays else "",
    )


def _mean_with_image(how: Preprocess) -> tuple[float, ...]:
    """Return the means of channels, in the order and range of ``how.mean``, mean image included."""
    image = mean_image(how)
    if image is None:
        return how.mean
    of_image = image.mean(axis=(1, 2), dtype=float) * how.value_range / 255
    return tuple(float(a + b) for a, b in zip(how.mean, of_image, strict=True))


def _carried(known: Preprocess, how: Preprocess) -> list[_Numbers]:
    """Return mean and deviation of the first channels, from those that the weights know, 0 to 1.

    For gray images they are the averages of those of the colors; for colors, of gray weights, each
    the same.
    """
    numbers = np.array([_mean_with_image(known), known.std]).T / known.value_range
    numbers = numbers[::-1] if known.channels == "bgr" else numbers
    if known.channels == "rgba" and how.channels != "stored":
        numbers = numbers[:3] if how.in_channels < 4 else numbers
    if how.channels == "gray":
        numbers = numbers.mean(axis=0, keepdims=True)
    elif how.channels != "stored" and len(numbers) == 1:
        numbers = numbers.repeat(3, axis=0)
    return [(mean, std) for mean, std in numbers[: how.in_channels].tolist()]


def _measure(images: ImageSet, how: Preprocess) -> list[_Numbers]:
    """Return mean and deviation of every channel of images, see ``choose_preprocess``.

    Sums are of whole numbers, and so exact.
    """
    squashed = replace(how, fit="squash", resize_px=min(how.size_px))
    pixels, total, of_squares = 0, np.zeros(how.in_channels, object), np.zeros((), object)
    for sample in images.spread(_MEASURED):
        values = _pixels(sample, squashed)
        if values is not None:
            flat = values.reshape(-1, how.in_channels).astype(np.int64)
            pixels += len(flat)
            total += flat.sum(axis=0).astype(object)
            of_squares = of_squares + (flat * flat).sum(axis=0).astype(object)
    if not pixels:
        return [_UNKNOWN] * how.in_channels
    mean = [float(each) / pixels / how.max_value for each in total]
    square = [float(each) / pixels / how.max_value**2 for each in of_squares]
    return [
        (round(m, _DIGITS), _deviation(max(0.0, s - m * m) ** 0.5))
        for m, s in zip(mean, square, strict=True)
    ]


def _deviation(std: float) -> float:
    """Return a deviation that values can be divided by.

    >>> [_deviation(std) for std in (0.0, 0.001, 0.22507)]
    [1.0, 0.0039, 0.2251]
    """
    return round(max(std, _LEAST_STD), _DIGITS) if std > _NONE else 1.0


def _pixels(sample: Sample, how: Preprocess) -> Pixels | None:
    """Return the pixels of an image; ``None`` if it cannot be read, which training reports."""
    try:
        pixels = load(sample, how)
    except DataError:
        return None
    return None if isinstance(pixels, ImageError) else pixels
