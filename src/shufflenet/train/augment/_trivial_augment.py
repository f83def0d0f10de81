"""TrivialAugment: one operation per image, of random strength."""

import numpy as np
import numpy.typing as npt

from shufflenet.train.augment._operations import apply_operation

__all__ = ["trivial_augment"]

_STRENGTHS = 31  # from no effect to the greatest

# Greatest amount of each operation, in its own unit.
_GREATEST: dict[str, float] = {
    "identity": 0,
    "shear_x": 0.99,
    "shear_y": 0.99,
    "translate_x": 32,
    "translate_y": 32,
    "rotate": 135,
    "brightness": 0.99,
    "color": 0.99,
    "contrast": 0.99,
    "sharpness": 0.99,
    "posterize": 6,
    "solarize": 256,
    "autocontrast": 0,
    "equalize": 0,
}


def trivial_augment(
    pixels: npt.NDArray[np.uint8], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Apply one random operation at a random strength: the paper's "wide" space.

    Operations and strengths are drawn with equal probabilities.

    Args:
        pixels: Values 0..255, ``(h, w, channels)``; not changed. See ``apply_operation``.
        rng: Draws the operation, its strength and its direction.

    Source: Mueller and Hutter 2021, Table 1, https://arxiv.org/abs/2103.10158
    """
    names = list(_GREATEST)
    name = names[rng.integers(len(names))]
    strength = rng.integers(_STRENGTHS) / (_STRENGTHS - 1)
    signed = float(strength * rng.choice((-1, 1)))
    return apply_operation(name, pixels, _GREATEST[name] * signed)
