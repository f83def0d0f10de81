"""A random crop of an image file, without decoding more of it than is needed."""

import re
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from shufflenet.data import Sample
from shufflenet.preprocess import Pixels, decode_as, pad, scaled_size
from shufflenet.spec import Preprocess
from shufflenet.train._jpeg import upright_jpeg
from shufflenet.train.augment import Crop, random_crop

__all__ = ["load_crop", "load_photo"]

_PPM = re.compile(rb"P6\n(\d+) (\d+)\n255\n")  # what ``pack`` writes
_SPARE = 2  # pixels of a shrunk crop for each pixel of the result, in both directions


def load_crop(
    sample: Sample,
    how: Preprocess,
    smallest_area: float,
    rng: np.random.Generator,
    *,
    mirror: bool = True,
) -> Tensor:
    """Crop a random part of an image file, fit it as validation fits an image, mirror it or not.

    Where images are cropped to fit, the part is shaped like the input, as far as ``random_crop``
    leaves it, and resized to it. Where they are squashed or padded, it is shaped like the image:
    squashed, every part is distorted as the whole would be; padded, it is scaled until it lies
    inside of the input, undistorted, and put into the middle of the mean color. So a part that is
    the whole image gives what validation sees.

    simplejpeg and, without it, Pillow decode to the same pixels, and torch resizes both, so that a
    run may be resumed with or without simplejpeg. The result is within a gray level of Pillow's
    BILINEAR. Only a JPEG whose crop is at least four times as large as the result is decoded at a
    half, a quarter or an eighth of its size; the crop then begins and ends at whole pixels of that
    size, and values differ from those of the part decoded in full by 0.4 gray levels in the mean
    and by at most 12 (200 photos of ImageNet).

    Args:
        sample: The image file.
        how: The size of the result, its channels and bits, and how images are fitted.
        smallest_area: See ``augment.random_crop``.
        rng: Draws the part and whether it is mirrored.
        mirror: Whether half of the parts are mirrored; with or without, the parts are the same.

    Returns:
        Pixels ``(how.height_px, how.width_px, how.in_channels)``, uint8 or uint16; colors are red,
        green and blue, for ``bgr`` too.

    Raises:
        DataError: there is no such file any more.
        ImageError: it cannot be read as an image, or not as one of these channels and bits.
    """
    pixels, crop, shrink = _packed_pixels(sample) if _by_color(how) else None, None, 1
    if pixels is None:
        content = sample.read()
        jpeg = upright_jpeg(content, sample.name) if _by_color(how) else None
        if jpeg:
            crop = _draw(jpeg.width, jpeg.height, how, smallest_area, rng)
            shrink = next((s for s in (8, 4, 2) if _is_spare(crop, s, how)), 1)
            pixels = jpeg.decode(crop.bottom, shrink)
        else:
            pixels = np.asarray(decode_as(content, how, sample.name))
    crop = crop or _draw(pixels.shape[1], pixels.shape[0], how, smallest_area, rng)
    rows = slice(crop.top // shrink, crop.bottom // shrink)
    columns = slice(crop.left // shrink, crop.right // shrink)
    part = np.array(pixels[rows, columns])
    return _fit(_as_gray(part, how), replace(crop, mirrored=crop.mirrored and mirror), how)


def load_photo(sample: Sample, how: Preprocess) -> Pixels:
    """Decode a whole image, ``(h, w, channels)`` of the channels and bits of ``how``.

    Raises:
        DataError: there is no such file any more.
        ImageError: it cannot be read as an image, or not as one of these channels and bits.
    """
    pixels = _packed_pixels(sample) if _by_color(how) else None
    if pixels is None:
        content = sample.read()
        jpeg = upright_jpeg(content, sample.name) if _by_color(how) else None
        if jpeg is None:
            return np.asarray(decode_as(content, how, sample.name))
        pixels = jpeg.decode(jpeg.height, 1)
    return _as_gray(pixels, how)


def _as_gray(pixels: Pixels, how: Preprocess) -> Pixels:
    """Return colors as gray levels where these are read, as ``preprocess.decode_as`` does."""
    if how.channels != "gray" or pixels.shape[2] != 3:
        return pixels
    return np.array(Image.fromarray(pixels).convert("L"))[..., None]


def _by_color(how: Preprocess) -> bool:
    """Return whether what is wanted can be made of red, green and blue of 8 bits."""
    return how.bits == 8 and how.channels in ("rgb", "bgr", "gray")


def _draw(
    width: int, height: int, how: Preprocess, smallest_area: float, rng: np.random.Generator
) -> Crop:
    """Draw a part of an image that is shaped like the input, or where it is fitted the image."""
    like = (how.width_px, how.height_px) if how.fit == "crop" else (width, height)
    return random_crop(width, height, smallest_area, rng, like)


def _resized_to(crop: Crop, how: Preprocess) -> tuple[int, int]:
    """Return the height and the width that a part is resized to, before it is padded."""
    if how.fit == "pad":
        width, height = scaled_size(crop.width, crop.height, how)
        return height, width
    return how.height_px, how.width_px


def _is_spare(crop: Crop, shrink: int, how: Preprocess) -> bool:
    """Return whether a part has pixels enough to be decoded ``shrink`` times smaller."""
    height, width = _resized_to(crop, how)
    return crop.height >= _SPARE * shrink * height and crop.width >= _SPARE * shrink * width


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


def _fit(part: Pixels, crop: Crop, how: Preprocess) -> Tensor:
    """Resize a part ``(h, w, channels)``, mirror it if it is mirrored, and pad it if need be.

    torch resizes fast where it recognizes the layout as channels last; for that the strides must be
    those of such a batch, the stride of the batch axis included. It resizes bytes and floats.
    """
    is_bytes = part.dtype == np.uint8
    batch = torch.from_numpy(part if is_bytes else part.astype(np.float32))[None]
    size = _resized_to(crop, how)
    resized = interpolate(batch.permute(0, 3, 1, 2), size=size, mode="bilinear", antialias=True)
    pixels = resized[0].permute(1, 2, 0)
    pixels = pixels.flip(1) if crop.mirrored else pixels
    pixels = pixels if is_bytes else pixels.round().to(torch.uint16)
    return torch.from_numpy(pad(pixels.numpy(), how)) if how.fit == "pad" else pixels
