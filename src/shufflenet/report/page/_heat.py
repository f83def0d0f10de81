"""Heat maps on the page: where in photos a network found the class that it answered."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from PIL import Image

from shufflenet.data import Sample, load
from shufflenet.errors import ImageError, ShuffleNetError
from shufflenet.explain import Explainer, overlay
from shufflenet.report.page._photos import SIDE_PX, Picture, picture_of, read_small

__all__ = ["Heat", "draw_heat", "heat_of"]

Heat: TypeAlias = Callable[[Sample, int], Image.Image]
"""Returns a photo under the heat map of a class, or raises a ``ShuffleNetError``."""


def heat_of(explainer: Explainer) -> Heat:
    """Return what draws the heat maps of a model over photos, small."""
    card = explainer.card

    def heat(sample: Sample, index: int) -> Image.Image:
        pixels = load(sample, card.preprocess)
        if isinstance(pixels, ImageError):
            raise pixels
        found = explainer.maps(pixels[None], np.array([[index]], np.int64))[0, 0]
        photo = read_small(sample, exif=card.preprocess.exif)
        return overlay(photo, found, card, most_px=SIDE_PX)

    return heat


def draw_heat(heat: Heat, sample: Sample, index: int, label: str) -> Picture:
    """Return a photo with a heat map of a class; a picture without an address if there is none."""
    try:
        return picture_of(heat(sample, index), f"Where {label} was found")
    except ShuffleNetError as error:
        return Picture("", f"There is no heat map. {error}")
