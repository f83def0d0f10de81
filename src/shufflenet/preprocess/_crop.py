"""Resizing and cropping as the sources' libraries do, computing only the pixels that are kept."""

from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

from shufflenet.preprocess._axis import Axis
from shufflenet.preprocess._float_resize import resize_in_floats
from shufflenet.preprocess._opencv_resize import resize_like_opencv
from shufflenet.preprocess._pillow_resize import resize_like_pillow
from shufflenet.preprocess._pixels import Decoded, Pixels, mean_color
from shufflenet.spec import Preprocess

__all__ = [
    "crop_start",
    "decoded_size",
    "enlarged_size",
    "pad",
    "resize",
    "resize_and_crop",
    "resized_size",
    "scaled_size",
]

_Rounding: TypeAlias = Literal["floor", "round", "half-up"]


def resized_size(
    width: int, height: int, shorter_px: int, longer_side: _Rounding = "floor"
) -> tuple[int, int]:
    """Return width and height in pixels, scaled so that the shorter side is ``shorter_px``.

    >>> resized_size(500, 375, shorter_px=256)  # 341.33
    (341, 256)
    >>> resized_size(427, 640, shorter_px=256), resized_size(427, 640, 256, "round")  # 383.70
    ((256, 383), (256, 384))
    """
    if width <= height:
        return shorter_px, _scale(shorter_px, height, width, longer_side)
    return _scale(shorter_px, width, height, longer_side), shorter_px


def scaled_size(width: int, height: int, how: Preprocess) -> tuple[int, int]:
    """Return the width and the height in pixels that an image is resized to.

    ``squash`` gives those of the input. ``pad`` keeps the image's shape and gives the largest size
    that lies inside the input, of at least 1 px. ``crop`` keeps it too and gives the smallest that
    covers the input enlarged, of ``round(how.height_px * r)`` by ``round(how.width_px * r)`` px, of
    which ``r`` is ``how.resize_px / min(how.height_px, how.width_px)``; for a square, the shorter
    side becomes ``resize_px``, as in :func:`resized_size`.

    >>> wide = Preprocess(resize_px=64, crop_px=(64, 128), fit="pad")
    >>> scaled_size(400, 300, wide)  # as high as the input, and then 85.3 wide
    (85, 64)
    >>> from dataclasses import replace
    >>> scaled_size(400, 300, replace(wide, fit="crop"))  # as wide as the input
    (128, 96)
    >>> scaled_size(400, 300, replace(wide, fit="squash"))
    (128, 64)
    """
    if how.fit == "squash":
        return how.width_px, how.height_px
    across, down = enlarged_size(how)
    narrower, wider = width * how.height_px, height * how.width_px
    if narrower <= wider if how.fit == "crop" else narrower >= wider:
        return across, max(1, _scale(across, height, width, how.longer_side))
    return max(1, _scale(down, width, height, how.longer_side)), down


def enlarged_size(how: Preprocess) -> tuple[int, int]:
    """Return the width and the height in pixels that a ``crop`` covers; of a square, one twice.

    >>> enlarged_size(Preprocess(resize_px=36, crop_px=(32, 64)))
    (72, 36)
    """
    width, height = (
        round(how.resize_px * side / min(how.size_px)) for side in (how.width_px, how.height_px)
    )
    return width, height


def _scale(to_px: int, side: int, other: int, rounding: _Rounding) -> int:
    """Return the length of a side when the other one becomes ``to_px``.

    It is, for ``floor``, ``int(to_px * side / other)``, as in torchvision
    0.28 (transforms/functional.py, _compute_resized_output_size) and mmpretrain at ee7f2e8
    (datasets/transforms/processing.py, ResizeEdge); for ``round``, ``round(side * (to_px /
    other))``, a half to the even number, as in PaddleClas at d178931 (ppcls/data/preprocess/ops/
    operators.py, ResizeImage); for ``half-up``, ``int(to_px / other * side + 0.5)``, as
    in Megvii's ShuffleNet-Series at aa91feb (ShuffleNetV2/train.py, OpencvResize).
    """
    if rounding == "floor":
        return int(to_px * side / other)
    if rounding == "round":
        return round(side * (to_px / other))  # this order of operations rounds as theirs
    return int(to_px / other * side + 0.5)  # likewise


def resize_and_crop(image: Decoded, how: Preprocess) -> Pixels:
    """Resize an image and cut or pad it as ``how.fit`` says: ``(height_px, width_px, c)``.

    The result is exactly that of resizing the whole image and then cropping. Only the kept part
    is computed, so a very thin image costs no more than a square one.

    Args:
        image: An RGB image, or an array ``(h, w, c)`` of the channels and bits that ``how`` names.
        how: Which sizes, which resizer, and how it rounds.
    """
    height, width = decoded_size(image)
    to_width, to_height = scaled_size(width, height, how)
    if how.fit == "pad":
        return pad(resize(image, (to_height, to_width), how), how)
    left = crop_start(to_width, how.width_px, how.crop_offset)
    top = crop_start(to_height, how.height_px, how.crop_offset)
    across = Axis(width, to_width, left, how.width_px)
    down = Axis(height, to_height, top, how.height_px)
    return _resize(image, across, down, how)


def resize(image: Decoded, size: tuple[int, int], how: Preprocess) -> Pixels:
    """Resize an image to a height and a width, with the resizer of ``how``: ``(h, w, c)``."""
    height, width = decoded_size(image)
    across, down = Axis(width, size[1], 0, size[1]), Axis(height, size[0], 0, size[0])
    return _resize(image, across, down, how)


def decoded_size(image: Decoded) -> tuple[int, int]:
    """Return the height and the width, px."""
    if isinstance(image, Image.Image):
        return image.height, image.width
    return image.shape[0], image.shape[1]


def _resize(image: Decoded, across: Axis, down: Axis, how: Preprocess) -> Pixels:
    if not isinstance(image, Image.Image) and how.bits == 16:
        return resize_in_floats(image, across, down)
    by_library = resize_like_pillow if how.resizer == "pillow" else resize_like_opencv
    if isinstance(image, Image.Image):
        return by_library(image, across, down)
    planes = (Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(image, -1, 0))
    return np.stack([by_library(plane, across, down) for plane in planes], axis=-1)


def pad(pixels: Pixels, how: Preprocess) -> Pixels:
    """Put an image into the middle of the mean color, ``(height_px, width_px, c)``."""
    height, width = pixels.shape[:2]
    if (height, width) == (how.height_px, how.width_px):
        return pixels
    top = crop_start(how.height_px, height, how.crop_offset)
    left = crop_start(how.width_px, width, how.crop_offset)
    padded = np.empty((how.height_px, how.width_px, how.in_channels), pixels.dtype)
    padded[:] = mean_color(how)
    padded[top : top + height, left : left + width] = pixels
    return padded


def crop_start(resized_px: int, crop_px: int, rounding: Literal["round", "floor"]) -> int:
    """Return the number of pixels before the crop; when padding, before the image.

    >>> [crop_start(side, 224, "round") for side in (256, 341, 383)]  # 16, 58.5, 79.5
    [16, 58, 80]
    >>> [crop_start(side, 224, "floor") for side in (256, 341, 383)]
    [16, 58, 79]

    Sources: ``round``: torchvision 0.28 (transforms/functional.py, center_crop), which Megvii uses
    too, and mmpretrain at ee7f2e8 (datasets/transforms/processing.py, CenterCrop); ``floor``:
    PaddleClas at d178931 (ppcls/data/preprocess/ops/operators.py, CropImage).
    """
    spare = resized_px - crop_px
    return round(spare / 2) if rounding == "round" else spare // 2
