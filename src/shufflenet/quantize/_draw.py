"""Images drawn at random: the first to calibrate on, the others to compare int8 with float on."""

import logging
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from shufflenet.data import Sample, load
from shufflenet.errors import BlankImages, ImageError, TooFewImages
from shufflenet.machine import cores
from shufflenet.quantize._options import QuantizeOptions
from shufflenet.quantize._session import Pixels, Progress
from shufflenet.runtimes import check_image
from shufflenet.spec import Preprocess

__all__ = ["Drawn", "draw"]

_log = logging.getLogger(__name__)

_PIXELS = 12_000_000  # to calibrate on, 239 images of 224 px; more change the result little
_MOST = 2000  # images to calibrate on
_HELD_OUT = 2000
_HELD_OUT_PIXELS = 100_000_000  # 2,000 images of 224 px, 300 MB


@dataclass(frozen=True, slots=True)
class Drawn:
    """Images drawn and read.

    Attributes:
        pixels: ``(n, h, w, c)``.
        numbers: Which of the samples each is.
        sizes: The width and the height of each upright image, px.
        count: How many of them, from the first on, are calibrated on.
    """

    pixels: Pixels
    numbers: Sequence[int]
    sizes: Sequence[tuple[int, int]]
    count: int


def draw(
    samples: Sequence[Sample],
    source: str,
    how: Preprocess,
    options: QuantizeOptions,
    on_progress: Progress,
) -> Drawn:
    """Draw images and load them; at most half of them are calibrated on.

    Args:
        samples: The images to draw from.
        source: Their name in errors.
        how: How they are resized and cropped.
        options: How many images to calibrate on, and the seed.
        on_progress: Called with 1 after each image.

    Raises:
        BlankImages: every image has a single color.
        TooFewImages: fewer than two images can be read.
    """
    area = math.prod(how.size_px)
    most = options.calibration_images or min(_MOST, _PIXELS // area or 1)
    count = min(most, len(samples) // 2)
    if count < 1:
        raise TooFewImages(source, len(samples))
    held_out = min(_HELD_OUT, max(_HELD_OUT_PIXELS // area, count))
    order = np.random.default_rng(options.seed).permutation(len(samples))[: count + held_out]
    drawn = _load(samples, order.tolist(), how, on_progress)
    count = min(count, len(drawn.numbers) // 2)
    if count < 1:
        raise TooFewImages(source, len(drawn.numbers))
    if count < (options.calibration_images or 0):
        _log.warning(
            "Of %d images that can be read, %d are calibrated on, and not %d: the others are for "
            "the test.",
            len(drawn.numbers),
            count,
            options.calibration_images,
        )
    if (drawn.pixels[:count] == drawn.pixels[:count, :1, :1]).all():
        raise BlankImages(source)
    return Drawn(drawn.pixels, drawn.numbers, drawn.sizes, count)


def _load(
    samples: Sequence[Sample], order: Sequence[int], how: Preprocess, on_progress: Progress
) -> Drawn:
    """Load and crop images, and leave out those that cannot be read."""
    pixels, numbers = [check_image(how)[:0]], []
    sizes: list[tuple[int, int]] = []

    def read(number: int) -> tuple[Pixels | ImageError, list[tuple[int, int]]]:
        size: list[tuple[int, int]] = []
        image = load(samples[number], how, on_size=lambda *given: size.append(given))
        return image, size

    with ThreadPoolExecutor(cores()) as pool:
        for number, (image, size) in zip(order, pool.map(read, order), strict=True):
            on_progress(1)
            if isinstance(image, ImageError):
                _log.warning("%s It is skipped.", image)
            else:
                pixels.append(np.asarray(image[None], np.uint8))
                numbers.append(number)
                sizes += size
    return Drawn(np.concatenate(pixels), numbers, sizes, 0)
