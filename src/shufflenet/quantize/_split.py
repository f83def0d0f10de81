"""Images drawn at random, some to calibrate on and others to compare int8 with float on."""

import logging
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from shufflenet.data import ImageSet, Sample, check_one_label, label_as, load, multi_label
from shufflenet.errors import BlankImages, DataError, ImageError, TooFewImages
from shufflenet.evaluate import right_classes
from shufflenet.machine import cores
from shufflenet.quantize._hold_out import Labels
from shufflenet.quantize._options import QuantizeOptions
from shufflenet.quantize._session import Pixels, Progress
from shufflenet.runtimes import check_image
from shufflenet.spec import Card

__all__ = ["CalibrationSplit", "draw_split"]

_log = logging.getLogger(__name__)

_PIXELS = 12_000_000  # to calibrate on, 239 images of 224 px; more change the result little
_MOST = 2000  # images to calibrate on
_HELD_OUT = 2000
_HELD_OUT_PIXELS = 100_000_000  # 2,000 images of 224 px, 300 MB


@dataclass(frozen=True, slots=True)
class CalibrationSplit:
    """Images drawn at random, pixels ``(n, h, w, c)``.

    Attributes:
        calibration: The images that ranges and roundings are fitted to.
        held_out: Other images, on which correct predictions are counted.
        labels: The classes of the images held out, ``(n,)``, or which are right for a multi-label
            model, bool ``(n, classes)``; None where the class folders are not
            the model's classes.
        is_multi_label: Whether the model is; float's answers then are all that it finds probable.
    """

    calibration: Pixels
    held_out: Pixels
    labels: Labels | None
    is_multi_label: bool = False


def draw_split(
    images: ImageSet, card: Card, options: QuantizeOptions, on_progress: Progress
) -> CalibrationSplit:
    """Draw images and load them, ``(n, h, w, c)``; at most half of them are calibrated on.

    Args:
        images: The images to draw from.
        card: The preprocessing of images, and the classes of the model.
        options: How many images to calibrate on, and the seed.
        on_progress: Called with 1 after each image.

    Raises:
        BlankImages: every image has a single color.
        TooFewImages: fewer than two images can be read.
    """
    area = math.prod(card.preprocess.size_px)
    most = options.calibration_images or min(_MOST, _PIXELS // area or 1)
    count = min(most, len(images) // 2)
    if count < 1:
        raise TooFewImages(images.source, len(images))
    known = _with_labels_of(images, card)
    images = known or images
    held_out = min(_HELD_OUT, max(_HELD_OUT_PIXELS // area, count))
    order = np.random.default_rng(options.seed).permutation(len(images))[: count + held_out]
    pixels, loaded = _load([images.samples[number] for number in order], card, on_progress)
    count = min(count, len(loaded) // 2)
    if count < 1:
        raise TooFewImages(images.source, len(loaded))
    if count < (options.calibration_images or 0):
        _log.warning(
            "Of %d images that can be read, %d are calibrated on, and not %d: the others are for "
            "the test.",
            len(loaded),
            count,
            options.calibration_images,
        )
    if (pixels[:count] == pixels[:count, :1, :1]).all():
        raise BlankImages(images.source)
    held = replace(known, samples=tuple(loaded[count:])) if known else None
    labels = _labels(held) if held else None
    is_multi_label = card.task == "multi-label"
    return CalibrationSplit(pixels[:count], pixels[count:], labels, is_multi_label)


def _with_labels_of(images: ImageSet, card: Card) -> ImageSet | None:
    """Return the images with the class numbers of a model; None if they have other classes."""
    try:
        if card.task == "multi-label":
            images = multi_label(images)
        else:
            check_one_label(images, card)
        return label_as(images, card.labels)
    except DataError as error:
        _log.warning("%s The predictions of the float network count as correct.", error)
        return None


def _labels(images: ImageSet) -> Labels:
    if images.task == "multi-label":
        return right_classes(images)
    return np.array([sample.label for sample in images.samples])


def _load(
    samples: Sequence[Sample], card: Card, on_progress: Progress
) -> tuple[Pixels, list[Sample]]:
    """Load and crop images, ``(n, h, w, c)``, and return them with the samples that can be read."""
    pixels, loaded = [check_image(card.preprocess)[:0]], []
    with ThreadPoolExecutor(cores()) as pool:
        images = pool.map(lambda sample: load(sample, card.preprocess), samples)
        for sample, image in zip(samples, images, strict=True):
            on_progress(1)
            if isinstance(image, ImageError):
                _log.warning("%s It is skipped.", image)
            else:
                pixels.append(np.asarray(image[None], np.uint8))
                loaded.append(sample)
    return np.concatenate(pixels), loaded
