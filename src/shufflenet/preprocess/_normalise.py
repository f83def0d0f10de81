"""From grey levels to the numbers a network was trained on."""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.spec import Preprocess

__all__ = ["mean_image", "normalised"]

_FOLDER = Path(__file__).parent


def normalised(pixels: npt.NDArray[np.uint8], how: Preprocess) -> npt.NDArray[np.float32]:
    """Turn RGB values 0..255, ``(..., h, w, 3)``, into network input, ``(..., 3, h, w)``.

    Channels come in the order of ``how.channels``, and values become
    ``((value - mean_image) * value_range / 255 - mean) / std``, computed in float32 as
    ``(value - mean_image) * scale - offset``: where mean is 0 and scale is 1, nothing is rounded.
    """
    colours = 1 if how.channels == "rgb" else -1
    planes = np.moveaxis(pixels[..., ::colours], -1, -3)  # now NumPy's inner loop is a row, not 3
    std = np.array(how.std)
    scale = (how.value_range / (255 * std)).astype(np.float32)
    offset = (np.array(how.mean) / std).astype(np.float32)
    if how.mean_image:
        image = mean_image(how.mean_image)[..., ::-colours]  # it has blue first
        values = np.subtract(planes, np.moveaxis(image, -1, -3), order="C")
        values *= scale[:, None, None]
    else:
        values = np.multiply(planes, scale[:, None, None], order="C")
    values -= offset[:, None, None]
    return values


@cache
def mean_image(name: str) -> npt.NDArray[np.float32]:
    """Load the mean of many images: BGR values 0..255, ``(h, w, 3)``, not to be written to.

    ``megvii-imagenet-224`` is, to the last bit, ImageNet_1000_scale224_mean.xml of the folder
    ShuffleNetV2.Large of megvii-model/ShuffleNet-Series at aa91feb: MIT licence, Copyright (c)
    2019 Megvii Technology; the file carries the licence's text. The function that packed it is
    ``pack_mean_image`` of tools/make_golden_preprocess.py.

    Neighbours are alike, and so are their bits. The file holds, of the floats read as integers,
    the differences along channels, rows and columns, signs in the lowest bit (0, -1, 1, -2 ...
    as 0, 1, 2, 3 ...), and all their lowest bytes first: 240 kB instead of 600.
    """
    with np.load(_FOLDER / f"{name}.npz") as file:
        planes = file["planes"]  # (4, h, w, 3), bytes
    zigzag = np.ascontiguousarray(np.moveaxis(planes, 0, -1)).view("<u4")[..., 0]
    bits = (zigzag >> 1) ^ (np.uint32(0) - (zigzag & 1))
    for axis in range(3):
        bits = np.cumsum(bits, axis=axis, dtype=np.uint32)  # modulo 2**32, as the differences are
    image = bits.view(np.float32)
    image.flags.writeable = False  # every caller gets the same one
    return image
