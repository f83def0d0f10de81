"""The mean image that some sources subtract from every image."""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.spec import Preprocess

__all__ = ["mean_image", "read_mean_image"]

_FOLDER = Path(__file__).parent


def mean_image(how: Preprocess) -> npt.NDArray[np.float32] | None:
    """Return the image to subtract from pixels, or None if there is none.

    Returns:
        Values 0..255, ``(3, crop_px, crop_px)``, in the order of the network's channels; read-only,
        for all callers share it.
    """
    if not how.mean_image:
        return None
    image = np.moveaxis(read_mean_image(how.mean_image), -1, 0)
    return image if how.channels == "bgr" else image[::-1]


@cache
def read_mean_image(name: str) -> npt.NDArray[np.float32]:
    """Read a mean image from its file: BGR values 0..255, ``(h, w, 3)``, read-only.

    ``megvii-imagenet-224`` is, to the last bit, ImageNet_1000_scale224_mean.xml of the folder
    ShuffleNetV2.Large of megvii-model/ShuffleNet-Series at aa91feb: MIT licence, Copyright (c)
    2019 Megvii Technology; the file carries the licence's text. The function that packed it is
    ``pack_mean_image`` of tools/make_golden_preprocess.py.

    Neighboring pixels are similar, and so are the bits of their floats. The file therefore stores
    the floats, read as integers, as differences along channels, rows and columns, in zigzag code
    (0, -1, 1, -2 ... as 0, 1, 2, 3 ...), with all lowest bytes first, then all second bytes, and
    so on: 240 kB instead of 600.
    """
    with np.load(_FOLDER / f"{name}.npz") as file:
        byte_planes = file["planes"]  # (4, h, w, 3)
    zigzag = np.ascontiguousarray(np.moveaxis(byte_planes, 0, -1)).view("<u4")[..., 0]
    bits = (zigzag >> 1) ^ (np.uint32(0) - (zigzag & 1))
    for axis in range(3):
        bits = np.cumsum(bits, axis=axis, dtype=np.uint32)  # modulo 2**32, as the differences are
    image = bits.view(np.float32)
    image.flags.writeable = False  # every caller gets the same array
    return image
