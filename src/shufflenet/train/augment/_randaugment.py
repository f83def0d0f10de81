"""RandAugment: some operations an image, all of one strength."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from shufflenet.train.augment._operations import OPERATIONS

__all__ = ["randomly_changed"]

_STEPS = 30  # from nothing to the most, as torchvision counts them: 31 bins

# The most that is done, in each operation's own unit; of moves, as a part of the side.
_MOST: dict[str, float] = {
    "identity": 0,
    "shear_x": 0.3,
    "shear_y": 0.3,
    "translate_x": 150 / 331,
    "translate_y": 150 / 331,
    "rotate": 30,
    "brightness": 0.9,
    "colour": 0.9,
    "contrast": 0.9,
    "sharpness": 0.9,
    "posterize": 4,
    "solarize": 256,
    "autocontrast": 0,
    "equalize": 0,
}


def randomly_changed(
    pixels: npt.NDArray[np.uint8], operations: int, magnitude: int, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Do so many operations one after the other, each drawn evenly, all of one strength.

    The ranges are AutoAugment's, of which torchvision's ``RandAugment`` makes 31 even steps; so
    does this. The paper gives its magnitudes without a unit and without a greatest.

    Args:
        pixels: RGB values 0..255, ``(h, w, 3)``; left as they are.
        operations: How many; one may be drawn again.
        magnitude: How strong they are, 0 (nothing) to 30 (the most of each range).
        rng: Decides which, and in which direction.

    Sources: Cubuk et al. 2019, section 3, https://arxiv.org/abs/1909.13719; the ranges: Cubuk et
    al. 2018, list of operations, https://arxiv.org/abs/1805.09501
    """
    image = Image.fromarray(pixels)
    sides = {"translate_x": image.width, "translate_y": image.height}
    names = list(_MOST)
    for _ in range(operations):
        name = names[rng.integers(len(names))]
        most = _MOST[name] * sides.get(name, 1)
        signed = float(magnitude / _STEPS * rng.choice((-1, 1)))
        image = OPERATIONS[name](image, most * signed)
    return np.asarray(image)
