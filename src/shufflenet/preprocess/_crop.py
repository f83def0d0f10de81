"""Resizing and cropping as the sources' libraries do, computing only the pixels that are kept."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from shufflenet.preprocess._axis import Axis
from shufflenet.preprocess._opencv_resize import resize_like_opencv
from shufflenet.preprocess._pillow_resize import resize_like_pillow
from shufflenet.spec import Preprocess

__all__ = ["resize_and_crop", "resized_size"]


def resized_size(
    width: int,
    height: int,
    shorter_px: int,
    longer_side: Literal["floor", "round", "half-up"] = "floor",
) -> tuple[int, int]:
    """Return width and height in pixels, scaled so that the shorter side is ``shorter_px``.

    >>> resized_size(500, 375, shorter_px=256)  # 341.33
    (341, 256)
    >>> resized_size(427, 640, shorter_px=256), resized_size(427, 640, 256, "round")  # 383.70
    ((256, 383), (256, 384))

    The longer side is, for ``floor``, ``int(shorter_px * longer / shorter)``, as in torchvision
    0.28 (transforms/functional.py, _compute_resized_output_size) and mmpretrain at ee7f2e8
    (datasets/transforms/processing.py, ResizeEdge); for ``round``, ``round(longer * (shorter_px /
    shorter))``, a half to the even number, as in PaddleClas at d178931 (ppcls/data/preprocess/ops/
    operators.py, ResizeImage); for ``half-up``, ``int(shorter_px / shorter * longer + 0.5)``, as
    in Megvii's ShuffleNet-Series at aa91feb (ShuffleNetV2/train.py, OpencvResize).
    """
    shorter, longer = sorted((width, height))
    if longer_side == "floor":
        scaled = int(shorter_px * longer / shorter)
    elif longer_side == "round":
        scaled = round(longer * (shorter_px / shorter))  # this order of operations rounds as theirs
    else:
        scaled = int(shorter_px / shorter * longer + 0.5)  # likewise
    return (shorter_px, scaled) if width <= height else (scaled, shorter_px)


def resize_and_crop(image: Image.Image, how: Preprocess) -> npt.NDArray[np.uint8]:
    """Resize an RGB image and keep its center: values 0..255, ``(crop_px, crop_px, 3)``.

    The result is exactly that of resizing the whole image and then cropping. Only the kept part
    is computed, so a very thin image costs no more than a square one.

    Args:
        image: An RGB image.
        how: Which sizes, which resizer, and how it rounds.
    """
    width, height = resized_size(image.width, image.height, how.resize_px, how.longer_side)
    left, top = (_crop_start(side, how.crop_px, how.crop_offset) for side in (width, height))
    across = Axis(image.width, width, left, how.crop_px)
    down = Axis(image.height, height, top, how.crop_px)
    resize = resize_like_pillow if how.resizer == "pillow" else resize_like_opencv
    return resize(image, across, down)


def _crop_start(resized_px: int, crop_px: int, rounding: Literal["round", "floor"]) -> int:
    """Return the number of pixels before the crop.

    >>> [_crop_start(side, 224, "round") for side in (256, 341, 383)]  # 16, 58.5, 79.5
    [16, 58, 80]
    >>> [_crop_start(side, 224, "floor") for side in (256, 341, 383)]
    [16, 58, 79]

    Sources: ``round``: torchvision 0.28 (transforms/functional.py, center_crop), which Megvii uses
    too, and mmpretrain at ee7f2e8 (datasets/transforms/processing.py, CenterCrop); ``floor``:
    PaddleClas at d178931 (ppcls/data/preprocess/ops/operators.py, CropImage).
    """
    spare = resized_px - crop_px
    return round(spare / 2) if rounding == "round" else spare // 2
