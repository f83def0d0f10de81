"""How networks are trained, as values: each with its source and what it has reached."""

import math
from dataclasses import dataclass, field
from typing import Any

from shufflenet.errors import SpecError, UnknownName
from shufflenet.spec import NetworkSpec, Preprocess, Stage

__all__ = ["RECIPES", "Recipe", "find_recipe", "preprocess_for", "stem_stride_for"]


def _field(text: str, **default: Any) -> Any:  # noqa: ANN401  # as dataclasses.field
    return field(metadata={"help": text}, **default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is done to train a network: SGD with Nesterov momentum on random crops."""

    name: str
    epochs: int = _field("passes over the images")
    batch_size: int = _field("images a step")
    learning_rate: float = _field("the highest learning rate")
    warmup: float = _field("part of all steps in which the learning rate rises, 0 to 1")
    train_px: tuple[int, ...] = _field("sizes trained on, in turn, each for as many epochs")
    image_px: int = _field("the size the network is evaluated and deployed at")
    smallest_area: float = _field("least part of an image that a crop keeps, 0 to 1", default=0.08)
    momentum: float = _field("momentum of SGD", default=0.9)
    weight_decay: float = _field("of weights, not of norms and biases", default=4e-5)
    label_smoothing: float = _field("probability spread over all classes, 0 to 1", default=0.1)
    seed: int = _field("seed of all that is random", default=0)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate"):
            if getattr(self, name) <= 0:
                raise SpecError(name, getattr(self, name), "greater than 0")
        for name in ("warmup", "smallest_area", "label_smoothing", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise SpecError(name, getattr(self, name), "at least 0 and less than 1")
        for px in (*self.train_px, self.image_px):
            if px < 32:
                raise SpecError("train_px and image_px", px, "at least 32")
        if self.weight_decay < 0:
            raise SpecError("weight_decay", self.weight_decay, "0 or more")
        if not 0 <= self.seed < 2**63:
            raise SpecError("seed", self.seed, "0 or more and less than 2**63")

    def px_at(self, epoch: int) -> int:
        """Say which size is trained on in an epoch, counted from 0."""
        return self.train_px[epoch * len(self.train_px) // self.epochs]

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Give the learning rate of a step, counted from 0: a line up, then half a cosine down.

        >>> recipe = RECIPES["small-images"]
        >>> [round(recipe.learning_rate_at(step, 105), 3) for step in (0, 4, 55, 104)]
        [0.04, 0.2, 0.1, 0.0]
        """
        rising = max(1, round(self.warmup * steps))
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        falling = (step - rising) / max(1, steps - rising)
        return self.learning_rate * (1 + math.cos(math.pi * falling)) / 2


RECIPES = {
    recipe.name: recipe
    for recipe in (
        # For images of about 64 px and little hardware: a small size first, then a larger one. It
        # is evaluated at the last size it was trained at: at others the same network answers up
        # to a quarter fewer rightly. It reached 47.3 % on Tiny-ImageNet-200 with V2 0.5
        # (docs/training-log.md, run c).
        Recipe(
            name="small-images",
            epochs=46,
            batch_size=128,
            learning_rate=0.2,
            warmup=0.05,
            train_px=(40, 48),
            image_px=48,
            smallest_area=0.5,
            weight_decay=1e-4,
        ),
        # Megvii's batch, rate, decay and smoothing (ShuffleNet-Series at aa91feb,
        # ShuffleNetV2/train.py: 300,000 steps of 1,024 are 240 epochs of ImageNet) with a cosine
        # where Megvii has a line. Not yet run here.
        Recipe(
            name="imagenet",
            epochs=240,
            batch_size=1024,
            learning_rate=0.5,
            warmup=0.02,
            train_px=(224,),
            image_px=224,
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """Look a recipe up.

    Raises:
        UnknownName: no recipe goes by that name.
    """
    if name not in RECIPES:
        raise UnknownName("recipe", name, RECIPES)
    return RECIPES[name]


def preprocess_for(image_px: int) -> Preprocess:
    """Say how images are prepared for a network that takes squares of ``image_px``.

    The customary 7/8 of the shorter side is kept: 224 of 256 px, 56 of 64.

    >>> preprocess_for(224).resize_px, preprocess_for(56).resize_px
    (256, 64)
    """
    return Preprocess(resize_px=round(image_px * 8 / 7), crop_px=image_px)


def stem_stride_for(spec: NetworkSpec, image_px: int) -> int:
    """Choose the stem that leaves the last stage a map of about 4 to 7 px a side.

    It never shrinks more than the network's own.

    >>> from shufflenet.zoo import NETWORKS
    >>> v2, v2_plus = NETWORKS["shufflenet_v2_x1_0"], NETWORKS["shufflenet_v2_plus_small"]
    >>> [stem_stride_for(v2, px) for px in (32, 64, 224)]
    [1, 2, 4]
    >>> [stem_stride_for(v2_plus, px) for px in (32, 64, 224)]  # it has one more stage that halves
    [1, 1, 2]
    """
    shrinks = 4 if image_px > 96 else 2 if image_px > 40 else 1
    stages = math.prod(s.stride if isinstance(s, Stage) else 2 for s in spec.stages)
    return min(spec.stem_stride, max(1, 8 * shrinks // stages))
