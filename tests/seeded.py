"""Weights and images that any process can make again: NumPy's generator, seeded by name."""

import zlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

# How the sources' files end the names of what a batch norm counts: PyTorch, Paddle, Caffe2.
VARIANCE = ("running_var", "_variance", "_bn_riv_0")
ADDED = ("bias", "running_mean", "_mean", "_bn_rm_0", "_b_0")
# Megvii's files hold the squeeze of a unit twice, under two names.
TWICE = (("se_block.0.", "se_fc1."), ("se_block.2.", "se_fc2."))


def seeded(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Make numbers for a tensor of a checkpoint, plausible for its role."""
    for again, first in TWICE:
        name = name.replace(again, first)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith(VARIANCE):
        return rng.uniform(0.2, 2.0, shape)
    if name.endswith(ADDED):
        return rng.normal(0.0, 0.5, shape)
    if len(shape) == 1:  # a batch norm's scale; some are negative
        sizes = rng.uniform(0.5, 1.5, shape)
        return np.asarray(sizes * rng.choice(np.array([-1.0, 1.0, 1.0]), shape), np.float64)
    fan_in = float(np.prod(shape[1:]))
    return rng.normal(0.0, (2.0 / fan_in) ** 0.5, shape)


def seeded_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, npt.NDArray[np.float64]]:
    return {name: seeded(name, tuple(shape)) for name, shape in shapes.items()}


def photo(name: str, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Make an image with slopes, edges and noise, ``(height, width, 3)``."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    y, x = np.mgrid[0:height, 0:width]
    slopes = np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height)], axis=2)
    slopes[height // 3 : height // 2, width // 4 : width // 2] = (250, 5, 128)
    return (slopes + rng.normal(0, 12, slopes.shape)).clip(0, 255).astype(np.uint8)
