"""Arrays checked, and converted to the input that a file takes: floats or bytes."""

import numpy as np
import numpy.typing as npt

from shufflenet.errors import SpecError
from shufflenet.preprocess import normalize
from shufflenet.spec import Preprocess

__all__ = ["check_batch", "check_pixels", "input_from_batch", "input_from_pixels", "to_pixels"]


def check_batch(batch: npt.NDArray[np.float32], channels: int) -> None:
    """Check that an array is a batch of prepared images, float32 ``(n, channels, h, w)``.

    Raises:
        SpecError: it has another shape or dtype.
    """
    fits = batch.ndim == 4 and batch.shape[1] == channels and 0 not in batch.shape[2:]
    if not fits or batch.dtype != np.float32:
        actual = f"{batch.dtype} {batch.shape}"
        raise SpecError("the batch", actual, f"float32 of shape (n, {channels}, height, width)")


def check_pixels(pixels: npt.NDArray[np.uint8], channels: int) -> None:
    """Check that an array is a batch of RGB images, uint8 ``(n, h, w, 3)``, for three channels.

    Raises:
        SpecError: it has another shape or dtype, or the network takes no images of 3 channels.
    """
    if channels != 3:
        raise SpecError("in_channels", channels, "3 to classify photos; use logits() instead")
    fits = pixels.ndim == 4 and pixels.shape[3] == 3 and 0 not in pixels.shape[1:3]
    if not fits or pixels.dtype != np.uint8:
        actual = f"{pixels.dtype} {pixels.shape}"
        raise SpecError("the pixels", actual, "uint8 of shape (n, height, width, 3)")


def input_from_pixels(
    pixels: npt.NDArray[np.uint8], how: Preprocess, *, takes_bytes: bool
) -> npt.NDArray[np.float32] | npt.NDArray[np.uint8]:
    """Convert RGB images ``(n, h, w, 3)``, 0 to 255, to the input of a file, ``(n, 3, h, w)``.

    A file that takes bytes gets them as they are, transposed; no float is computed.
    """
    if takes_bytes:
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    return normalize(pixels, how)


def input_from_batch(
    batch: npt.NDArray[np.float32], how: Preprocess, *, takes_bytes: bool
) -> npt.NDArray[np.float32] | npt.NDArray[np.uint8]:
    """Convert prepared images ``(n, 3, h, w)`` to the input of a file, of the same shape."""
    return to_pixels(batch, how) if takes_bytes else batch


def to_pixels(batch: npt.NDArray[np.float32], how: Preprocess) -> npt.NDArray[np.uint8]:
    """Convert prepared images back to RGB bytes, both ``(n, 3, h, w)``; inverts ``normalize``."""
    std, mean = (np.array(x, np.float32)[:, None, None] for x in (how.std, how.mean))
    values = (batch * std + mean) * np.float32(255 / how.value_range)
    colors = 1 if how.channels == "rgb" else -1
    pixels: npt.NDArray[np.uint8] = np.rint(values[:, ::colors]).clip(0, 255).astype(np.uint8)
    return pixels
