"""Arrays of images checked, and prepared images converted back to pixels."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from shufflenet.errors import SpecError
from shufflenet.preprocess import Pixels, mean_image, pixel_type
from shufflenet.runtimes._fixed_sizes import FixedSizes
from shufflenet.spec import Card, Preprocess

__all__ = ["check_batch", "check_pixels", "to_pixels"]

_T = TypeVar("_T", bound=np.generic)
_MOST = 1e30  # far above any normalized pixel, and far enough below float32's 3e38 to be summed


def check_batch(batch: npt.NDArray[np.float32], card: Card) -> npt.NDArray[np.float32]:
    """Return prepared images, float32 ``(n, channels, h, w)``, as runtimes read them: in C order.

    Raises:
        SpecError: it is no such array, holds NaN, infinities or huge numbers, or the model is a
            detector and the card names another size.
    """
    channels = card.network.in_channels
    expected = f"float32 of shape (n, {channels}, height, width)"
    images = _plain(batch, "the batch", expected)
    if images.ndim != 4 or images.shape[1] != channels or 0 in images.shape[2:]:
        raise SpecError("the batch", f"{images.dtype} {images.shape}", expected)
    if images.dtype != np.float32:
        raise SpecError("the batch", f"{images.dtype} {images.shape}", expected)
    # NaN fails both comparisons. Runtimes differ in what they make of it and of overflow.
    if images.size and not (images.max() < _MOST and images.min() > -_MOST):
        raise SpecError("the batch", "NaN, infinite or huge in places", "of normalized images")
    _check_size(images.shape[2:], card)
    return images


def check_pixels(pixels: Pixels, card: Card) -> Pixels:
    """Return images of a card's channels and bits, ``(n, h, w, c)``, as runtimes read them.

    Raises:
        SpecError: it is no such array, the network takes images of other channels than the
            preprocessing gives, or the model is a detector and the card names another size.
    """
    how = card.preprocess
    if not card.takes_pixels:
        expected = f"{how.in_channels} to classify photos; use logits() instead"
        raise SpecError("in_channels", card.network.in_channels, expected)
    expected = f"uint{how.bits} of shape (n, height, width, {how.in_channels})"
    images = _plain(pixels, "the pixels", expected)
    channels = images.shape[3:]
    fits = images.ndim == 4 and channels == (how.in_channels,) and 0 not in images.shape[1:3]
    if not fits or images.dtype != pixel_type(how):
        raise SpecError("the pixels", f"{images.dtype} {images.shape}", expected)
    _check_size(images.shape[1:3], card)
    return images


def _check_size(size: Sequence[int], card: Card) -> None:
    """Check the height and the width of images, which are a detector's cells and boxes.

    Raises:
        SpecError: the model is a detector, and the card names another size.
    """
    if card.detector is not None:
        FixedSizes(None, *card.preprocess.size_px).check(size, what="model")


def _plain(array: npt.NDArray[_T], name: str, expected: str) -> npt.NDArray[_T]:
    """Return an array in C order that can be written to, as libraries read memory.

    Raises:
        SpecError: it is something else, or an array with a mask, which libraries would not see.
    """
    if not isinstance(array, np.ndarray) or hasattr(array, "mask"):  # np.ma loads slowly
        raise SpecError(name, f"of type {type(array).__name__}", f"a NumPy array, {expected}")
    try:
        # An axis of one element may have any stride and NumPy still says C order; torch refuses it.
        array = array.copy() if min(array.strides, default=0) < 0 else array
        return np.require(array, requirements=("C", "W", "E"))
    except MemoryError as error:  # a view may have far more elements than memory
        raise SpecError(
            name, f"{array.dtype} {array.shape}", "small enough to fit memory"
        ) from error


def to_pixels(batch: npt.NDArray[np.float32], how: Preprocess) -> Pixels:
    """Convert prepared images back to pixels, both ``(n, c, h, w)``; inverts ``normalize``."""
    image = mean_image(how)
    std, mean = (np.array(x, np.float32)[:, None, None] for x in (how.std, how.mean))
    values = (batch * std + mean) * np.float32(how.max_value / how.value_range)
    values = values if image is None else values + image
    colors = -1 if how.channels == "bgr" else 1
    whole = np.rint(values[:, ::colors]).clip(0, how.max_value)
    pixels: Pixels = whole.astype(pixel_type(how))
    return pixels
