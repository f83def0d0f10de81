"""Pairs of images mixed into one: mixup and CutMix."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shufflenet.recipes import Recipe

__all__ = ["MixedBatch", "mix_batch"]


@dataclass(frozen=True, slots=True)
class MixedBatch:
    """A batch of images, each of them a mixture of two classes.

    Attributes:
        images: ``(n, channels, h, w)``.
        labels: First class of every image, ``(n,)``; or which are right, ``(n, classes)``.
        others: Second class of every image, or classes, likewise.
        share: Share of the first class, 0 to 1; the second has the rest.
        targets: A teacher's probabilities, ``(n, classes)``, mixed as the images are; ``None``
            where no teacher's logits are stored.
    """

    images: Tensor
    labels: Tensor
    others: Tensor
    share: float
    targets: Tensor | None = None

    def chunks(self, number: int) -> "list[MixedBatch]":
        """Split into ``number`` batches, or as many as there are images."""
        columns = [x.chunk(number) for x in (self.images, self.labels, self.others)]
        none = [None] * len(columns[0])
        targets = none if self.targets is None else self.targets.chunk(number)
        return [
            MixedBatch(images, labels, others, self.share, target)
            for images, labels, others, target in zip(*columns, targets, strict=True)
        ]


def mix_batch(
    images: Tensor, labels: Tensor, recipe: Recipe, step: int, targets: Tensor | None = None
) -> MixedBatch:
    """Mix every image of a batch with the one before it, as a recipe says.

    If the recipe has both mixup and CutMix, one of them is drawn at every step. All random values
    are functions of the recipe's seed and the step.

    Args:
        images: ``(n, channels, h, w)``.
        labels: Class indices, ``(n,)``; or 1 for each class that is right, ``(n, classes)``.
        recipe: Its fields ``mixup`` and ``cutmix``.
        step: Number of the step.
        targets: A teacher's probabilities, ``(n, classes)``.

    Sources: Zhang et al. 2018, https://arxiv.org/abs/1710.09412; Yun et al. 2019, section 3.1,
    https://arxiv.org/abs/1905.04899
    """
    kinds = [kind for kind in ("mixup", "cutmix") if getattr(recipe, kind) > 0]
    if not kinds:
        return MixedBatch(images, labels, labels, 1.0, targets)
    rng = np.random.default_rng((recipe.seed, step, 1))
    kind = kinds[rng.integers(len(kinds))]
    alpha = getattr(recipe, kind)
    share = float(rng.beta(alpha, alpha))
    others = labels.roll(1, 0)
    if kind == "mixup":
        blend = torch.lerp(images.roll(1, 0), images, share)
        return MixedBatch(blend, labels, others, share, _blend(targets, share))
    height, width = images.shape[2:]
    top, bottom, left, right = _random_box(height, width, 1 - share, rng)
    pasted = images.clone()
    pasted[:, :, top:bottom, left:right] = images.roll(1, 0)[:, :, top:bottom, left:right]
    covered = (bottom - top) * (right - left) / (height * width)
    share = 1 - covered
    return MixedBatch(pasted, labels, others, share, _blend(targets, share))


def _blend(targets: Tensor | None, share: float) -> Tensor | None:
    return None if targets is None else torch.lerp(targets.roll(1, 0), targets, share)


def _random_box(
    height: int, width: int, area: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Draw a box that covers a share of an image, clipped to it: top, bottom, left, right."""
    side = np.sqrt(area)
    half_height, half_width = int(height * side / 2), int(width * side / 2)
    y, x = int(rng.integers(height)), int(rng.integers(width))
    rows = max(0, y - half_height), min(height, y + half_height)
    columns = max(0, x - half_width), min(width, x + half_width)
    return *rows, *columns
