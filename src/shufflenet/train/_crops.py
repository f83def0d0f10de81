"""From an image file to its random crop, the way that costs least."""

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

__all__ = ["cropped"]

_PPM = re.compile(rb"P6\n(\d+) (\d+)\n255\n")  # what ``pack`` writes
_SPARE = 2  # pixels of a shrunk crop for one of the result, each way


def cropped(sample: Sample, size_px: int, smallest_area: float, rng: np.random.Generator) -> Tensor:
    """Cut a random part out of an image file, resize it to a square, mirror it half of the time.

    Pixels come from simplejpeg or, without it, from Pillow, and are the same; torch resizes
    either, so that a run may be resumed with or without simplejpeg. The result is within a grey
    level of what Pillow's BILINEAR makes of the part. Only a JPEG whose crop is four times as
    large as the result, or larger, is decoded at a half, a quarter or an eighth of its size, and
    the crop begins and ends at whole pixels of that; its values differ by 0.4 grey levels in the
    mean and by 12 at most from those of the same part decoded whole (200 photos of ImageNet).

    Args:
        sample: The image file.
        size_px: The side of the result.
        smallest_area: See ``augment.random_crop``.
        rng: Decides which part.

    Returns:
        RGB values 0..255, ``(size_px, size_px, 3)``.

    Raises:
        DataError: there is no such file any more.
        ImageError: it cannot be read as an image.
    """
    pixels, crop, shrink = _raw(sample), None, 1
    if pixels is None:
        content = sample.read()
        jpeg = upright_jpeg(content, sample.name)
        if jpeg:
            crop = random_crop(jpeg.width, jpeg.height, smallest_area, rng)
            shrink = next((s for s in (8, 4, 2) if crop.shorter_px >= _SPARE * s * size_px), 1)
            pixels = jpeg.decoded(crop.bottom, shrink)
        else:
            pixels = np.asarray(decode(content, sample.name))
    crop = crop or random_crop(pixels.shape[1], pixels.shape[0], smallest_area, rng)
    rows = slice(crop.top // shrink, crop.bottom // shrink)
    columns = slice(crop.left // shrink, crop.right // shrink)
    part = _resized(np.array(pixels[rows, columns]), size_px)
    return part.flip(1) if crop.mirrored else part


def _raw(sample: Sample) -> npt.NDArray[np.uint8] | None:
    """Look at the pixels of an image of ``pack`` where they lie; none if it is another file."""
    if sample.size < 0 or not sample.name.endswith(".ppm"):
        return None
    content = sample.view()
    header = _PPM.match(content)
    if not header:
        return None
    width, height = map(int, header.groups())
    values = np.frombuffer(content, np.uint8)[header.end() :]
    return values.reshape(height, width, 3) if len(values) == width * height * 3 else None


def _resized(part: npt.NDArray[np.uint8], size_px: int) -> Tensor:
    """Resize to a square; torch is fast where it is told that colours are a pixel's neighbours.

    For that, strides must be those of a batch that is channels last, the batch's own among them.
    """
    batch = torch.from_numpy(part)[None].permute(0, 3, 1, 2)
    square = interpolate(batch, size=(size_px, size_px), mode="bilinear", antialias=True)
    return square[0].permute(1, 2, 0)
