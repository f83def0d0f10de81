"""Normalization of a batch of pixels on the device that trains."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from shufflenet.preprocess import affine, mean_image
from shufflenet.spec import Preprocess

__all__ = ["Normalizer"]


class Normalizer:
    """``preprocess.normalize`` for tensors: the same values of ``affine``, the same operations.

    On the CPU in float32 both give the same bits. A mean image is resized for batches of another
    size than its own, as the crops of the first epochs may be.
    """

    def __init__(self, how: Preprocess) -> None:
        scale, offset = (each.astype(np.float32)[:, None, None] for each in affine(how))
        self._scale, self._offset = torch.from_numpy(scale), torch.from_numpy(offset)
        self._flips_channels = how.channels == "bgr"
        image = mean_image(how)
        self._mean_image = (
            None if image is None else torch.from_numpy(np.array(image[None], order="C"))
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Normalize RGB values 0..255, ``(n, 3, h, w)``, to a network's input of the same shape."""
        device = images.device
        if self._flips_channels:
            images = images.flip(1)
        if self._mean_image is not None:
            images = images - _resized(self._mean_image, images.shape[2:]).to(device)
        return images * self._scale.to(device) + self._offset.to(device)


def _resized(image: Tensor, size: tuple[int, ...]) -> Tensor:
    """Resize ``(1, 3, h, w)`` to a height and width; as it is where it has them already."""
    if image.shape[2:] == size:
        return image
    return interpolate(image, size, mode="bilinear", antialias=True)
