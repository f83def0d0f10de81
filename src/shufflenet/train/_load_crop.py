"""A random crop of an image file, without decoding more of it than is needed."""

import re

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from shufflenet.data import Sample
from shufflenet.preprocess import decode
from shufflenet.train._jpeg import upright_jpeg
from shufflenet.train.augment import random_crop

__all__ = ["load_crop"]

_PPM = re.compile(rb"P6\n(\d+) (\d+)\n255\n")  # what ``pack`` writes
_SPARE = 2  # pixels of a shrunk crop for each pixel of the result, in both directions


def load_crop(
    sample: Sample, size_px: int, smallest_area: float, rng: np.random.Generator
) -> Tensor:
    """Crop a random part of an image file, resize it to a square, mirror it half of the time.

    simplejpeg and, without it, Pillow decode to the same pixels, and torch resizes both, so that a
    run may be resumed with or without simplejpeg. The result is within a gray level of Pillow's
    BILINEAR. Only a JPEG whose crop is at least four times as large as the result is decoded at a
    half, a quarter or an eighth of its size; the crop then begins and ends at whole pixels of that
    size, and values differ from those of the part decoded in full by 0.4 gray levels in the mean
    and by at most 12 (200 photos of ImageNet).

    Args:
        sample: The image file.
        size_px: The side of the result.
        smallest_area: See ``augment.random_crop``.
        rng: Draws the part and whether it is mirrored.

    Returns:
        RGB values 0..255, ``(size_px, size_px, 3)``.

    Raises:
        DataError: there is no such file any more.
        ImageError: it cannot be read as an image.
    """
    pixels, crop, shrink = _packed_pixels(sample), None, 1
    if pixels is None:
        content = sample.read()
        jpeg = upright_jpeg(content, sample.name)
        if jpeg:
            crop = random_crop(jpeg.width, jpeg.height, smallest_area, rng)
            shrink = next((s for s in (8, 4, 2) if crop.shorter_px >= _SPARE * s * size_px), 1)
            pixels = jpeg.decode(crop.bottom, shrink)
        else:
            pixels = np.asarray(decode(content, sample.name))
    crop = crop or random_crop(pixels.shape[1], pixels.shape[0], smallest_area, rng)
    rows = slice(crop.top // shrink, crop.bottom // shrink)
    columns = slice(crop.left // shrink, crop.right // shrink)
    part = _resize(np.array(pixels[rows, columns]), size_px)
    return part.flip(1) if crop.mirrored else part


def _packed_pixels(sample: Sample) -> npt.NDArray[np.uint8] | None:
    """Return the pixels of an image that ``pack`` wrote, uint8 ``(h, w, 3)``, without a copy.

    ``None`` if it is another file.
    """
    if sample.size < 0 or not sample.name.endswith(".ppm"):
        return None
    content = sample.view()
    header = _PPM.match(content)
    if not header:
        return None
    width, height = map(int, header.groups())
    values = np.frombuffer(content, np.uint8)[header.end() :]
    return values.reshape(height, width, 3) if len(values) == width * height * 3 else None


def _resize(part: npt.NDArray[np.uint8], size_px: int) -> Tensor:
    """Resize ``(h, w, 3)`` to a square of ``size_px``.

    torch resizes fast where it recognizes the layout as channels last; for that the strides must be
    those of such a batch, the stride of the batch axis included.
    """
    batch = torch.from_numpy(part)[None].permute(0, 3, 1, 2)
    square = interpolate(batch, size=(size_px, size_px), mode="bilinear", antialias=True)
    return square[0].permute(1, 2, 0)
