"""TrivialAugment: one operation an image, of any strength."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from shufflenet.train.augment._operations import OPERATIONS

__all__ = ["trivially_changed"]

_STRENGTHS = 31  # steps from nothing to the most

# The most that is done, in each operation's own unit.
_MOST: dict[str, float] = {
    "identity": 0,
    "shear_x": 0.99,
    "shear_y": 0.99,
    "translate_x": 32,
    "translate_y": 32,
    "rotate": 135,
    "brightness": 0.99,
    "colour": 0.99,
    "contrast": 0.99,
    "sharpness": 0.99,
    "posterize": 6,
    "solarize": 256,
    "autocontrast": 0,
    "equalize": 0,
}


def trivially_changed(
    pixels: npt.NDArray[np.uint8], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Do one operation, drawn evenly, at a strength drawn evenly: the paper's "wide" space.

    Args:
        pixels: RGB values 0..255, ``(h, w, 3)``; left as they are.
        rng: Decides which, how strongly, and in which direction.

    Source: Mueller and Hutter 2021, Table 1, https://arxiv.org/abs/2103.10158
    """
    names = list(_MOST)
    name = names[rng.integers(len(names))]
    strength = rng.integers(_STRENGTHS) / (_STRENGTHS - 1)
    signed = float(strength * rng.choice((-1, 1)))
    return np.asarray(OPERATIONS[name](Image.fromarray(pixels), _MOST[name] * signed))
