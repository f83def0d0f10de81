"""Pixels on the device that trains, made into what a network reads."""

import torch
from torch import Tensor

from shufflenet.spec import Preprocess

__all__ = ["Normaliser"]


class Normaliser:
    """Does to batches on a device what ``preprocess.normalize`` does to arrays."""

    def __init__(self, how: Preprocess) -> None:
        grey_levels = 255 / how.value_range  # means and deviations are of values in that range
        self._mean = torch.tensor(how.mean).view(3, 1, 1) * grey_levels
        self._std = torch.tensor(how.std).view(3, 1, 1) * grey_levels
        self._bgr = how.channels == "bgr"

    def __call__(self, images: Tensor) -> Tensor:
        """Map red, green and blue from 0 to 255, ``(n, 3, h, w)``, to a network's input."""
        mean, std = self._mean.to(images.device), self._std.to(images.device)
        return ((images.flip(1) if self._bgr else images) - mean) / std
