"""RandAugment: several operations on an image, all of one strength."""

import numpy as np
import numpy.typing as npt

from shufflenet.train.augment._operations import apply_operation

__all__ = ["rand_augment"]

_STEPS = 30  # from no effect to the greatest, as in torchvision: 31 bins

# Greatest amount of each operation, in its own unit; of translations as a share of the side.
_GREATEST: dict[str, float] = {
    "identity": 0,
    "shear_x": 0.3,
    "shear_y": 0.3,
    "translate_x": 150 / 331,
    "translate_y": 150 / 331,
    "rotate": 30,
    "brightness": 0.9,
    "color": 0.9,
    "contrast": 0.9,
    "sharpness": 0.9,
    "posterize": 4,
    "solarize": 256,
    "autocontrast": 0,
    "equalize": 0,
}


def rand_augment(
    pixels: npt.NDArray[np.uint8], operations: int, magnitude: int, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Apply random operations one after the other, all of one strength.

    Each operation is drawn with equal probability. The ranges are AutoAugment's, in 31 equal steps
    as in torchvision's ``RandAugment``; the paper states its magnitudes without a unit or maximum.

    Args:
        pixels: Values 0..255, ``(h, w, channels)``; not changed. See ``apply_operation``.
        operations: How many; one may be drawn again.
        magnitude: Their strength, 0 (no effect) to 30 (the greatest amount).
        rng: Draws the operations and their directions.

    Sources: Cubuk et al. 2019, section 3, https://arxiv.org/abs/1909.13719; the ranges: Cubuk et
    al. 2018, list of operations, https://arxiv.org/abs/1805.09501
    """
    sides = {"translate_x": pixels.shape[1], "translate_y": pixels.shape[0]}
    names = list(_GREATEST)
    for _ in range(operations):
        name = names[rng.integers(len(names))]
        greatest = _GREATEST[name] * sides.get(name, 1)
        signed = float(magnitude / _STEPS * rng.choice((-1, 1)))
        pixels = apply_operation(name, pixels, greatest * signed)
    return pixels
