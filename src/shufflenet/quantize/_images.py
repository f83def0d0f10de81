"""Images to calibrate on, and others to judge by."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shufflenet.data import ImageSet, Sample, load, relabel
from shufflenet.errors import DataError, ImageError
from shufflenet.labels import class_index
from shufflenet.machine import cores
from shufflenet.quantize._observe import Pixels, Progress
from shufflenet.spec import Card

__all__ = ["Drawn", "draw"]

_log = logging.getLogger(__name__)

_PIXELS = 12_000_000  # are enough: 239 images of 224 px; more move what is measured by little
_MOST = 2000
_JUDGED = 2000
_REMEDY = "Give a folder of class folders with some hundred photos."


@dataclass(frozen=True, slots=True)
class Drawn:
    """Images of 0..255, ``(n, h, w, 3)``, drawn at random.

    Attributes:
        calibration: What ranges and roundings are fitted to.
        judging: Others, which accuracy is counted on.
        labels: Of those, ``(n,)``; or none, where the folders are not the model's classes.
    """

    calibration: Pixels
    judging: Pixels
    labels: npt.NDArray[np.int64] | None


def draw(
    images: ImageSet, card: Card, *, calibration: int | None, seed: int, on_progress: Progress
) -> Drawn:
    """Draw images; half of them at most are calibrated on.

    Args:
        images: Where from; class folders that the model does not know cost the labels.
        card: Says how images are prepared, and which classes there are.
        calibration: How many to calibrate on; unless given, 2,000, or as many as hold 12 million
            pixels.
        seed: Of the drawing.
        on_progress: Called with 1 after each image.

    Raises:
        DataError: there are fewer than two images that can be read, or they show nothing.
    """
    side = card.preprocess.crop_px
    count = min(calibration or min(_MOST, _PIXELS // side**2 or 1), len(images) // 2)
    if count < 1:
        raise DataError(images.source, "holds one image, and two are the least", _REMEDY)
    labelled = True
    try:
        known = class_index(card.labels)
        images = relabel(images, [label.id for label in card.labels], known)
    except DataError as error:
        _log.warning("%s Judging by what the float network answers.", error)
        labelled = False
    order = np.random.default_rng(seed).permutation(len(images))[: count + _JUDGED]
    samples = [images.samples[number] for number in order]
    pixels, good = _load(samples, card, on_progress)
    calibrated = min(count, len(good) // 2)
    if calibrated < 1:
        raise DataError(images.source, "holds fewer than two images that can be read", _REMEDY)
    if (pixels[:calibrated] == pixels[:calibrated, :1, :1]).all():
        problem = "shows nothing: every image that was drawn is of one colour"
        raise DataError(images.source, problem, _REMEDY)
    labels = np.array([sample.label for sample in good[calibrated:]])
    return Drawn(pixels[:calibrated], pixels[calibrated:], labels if labelled else None)


def _load(
    samples: Sequence[Sample], card: Card, on_progress: Progress
) -> tuple[Pixels, list[Sample]]:
    side = card.preprocess.crop_px
    pixels, good = [np.zeros((0, side, side, 3), np.uint8)], []
    with ThreadPoolExecutor(cores()) as pool:
        loaded = pool.map(lambda sample: load(sample, card.preprocess), samples)
        for sample, image in zip(samples, loaded, strict=True):
            on_progress(1)
            if isinstance(image, ImageError):
                _log.warning("%s It is left out.", image)
            else:
                pixels.append(image[None])
                good.append(sample)
    return np.concatenate(pixels), good
