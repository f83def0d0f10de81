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
    size than its own, as the crops of the first epochs may be; the last one is kept.
    """

    def __init__(self, how: Preprocess) -> None:
        scale, offset = (each.astype(np.float32)[:, None, None] for each in affine(how))
        self._scale, self._offset = torch.from_numpy(scale), torch.from_numpy(offset)
        self._flips_channels = how.channels == "bgr"
        image = mean_image(how)
        self._mean_image = (
            None if image is None else torch.from_numpy(np.array(image[None], order="C"))
        )
        self._resized = self._mean_image

    def __call__(self, images: Tensor) -> Tensor:
        """Normalize pixel values, ``(n, channels, h, w)``, to a network's input of that shape."""
        device = images.device
        if self._flips_channels:
            images = images.flip(1)
        if self._mean_image is not None:
            self._resized = _resized(self._mean_image, self._resized, images)
            images = images - self._resized
        return images * self._scale.to(device) + self._offset.to(device)


def _resized(image: Tensor, last: Tensor | None, images: Tensor) -> Tensor:
    """Return ``(1, 3, h, w)`` in the size and on the device of images: the last one if it fits."""
    size, device = images.shape[2:], images.device
    if last is not None and last.shape[2:] == size and last.device == device:
        return last
    if image.shape[2:] != size:
        image = interpolate(image, size, mode="bilinear", antialias=True)
    return image.to(device)
