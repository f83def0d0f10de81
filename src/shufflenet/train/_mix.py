"""Two images made one: mixup and CutMix."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shufflenet.recipes import Recipe

__all__ = ["Mixed", "mixed"]


@dataclass(frozen=True, slots=True)
class Mixed:
    """Images ``(n, 3, h, w)`` of which ``share`` is ``labels`` and the rest ``others``.

    ``answers`` are the probabilities, ``(n, classes)``, that a teacher gave such images, mixed as
    they are; none where no answers are stored.
    """

    images: Tensor
    labels: Tensor
    others: Tensor
    share: float
    answers: Tensor | None = None

    def parts(self, number: int) -> "list[Mixed]":
        """Cut into so many parts, or as many as there are images."""
        cut = [x.chunk(number) for x in (self.images, self.labels, self.others)]
        answers = [None] * len(cut[0]) if self.answers is None else self.answers.chunk(number)
        return [
            Mixed(images, labels, others, self.share, answer)
            for images, labels, others, answer in zip(*cut, answers, strict=True)
        ]


def mixed(
    images: Tensor, labels: Tensor, recipe: Recipe, step: int, answers: Tensor | None = None
) -> Mixed:
    """Mix every image of a batch with the one before it, as a recipe says.

    Where it asks for both kinds, a coin decides at every step. What is drawn is a function of the
    recipe's seed and the step.

    Sources: Zhang et al. 2018, https://arxiv.org/abs/1710.09412; Yun et al. 2019, section 3.1,
    https://arxiv.org/abs/1905.04899
    """
    kinds = [kind for kind in ("mixup", "cutmix") if getattr(recipe, kind) > 0]
    if not kinds:
        return Mixed(images, labels, labels, 1.0, answers)
    rng = np.random.default_rng((recipe.seed, step, 1))
    kind = kinds[rng.integers(len(kinds))]
    alpha = getattr(recipe, kind)
    share = float(rng.beta(alpha, alpha))
    others = labels.roll(1)
    if kind == "mixup":
        blend = torch.lerp(images.roll(1, 0), images, share)
        return Mixed(blend, labels, others, share, _blended(answers, share))
    height, width = images.shape[2:]
    top, bottom, left, right = _box(height, width, 1 - share, rng)
    pasted = images.clone()
    pasted[:, :, top:bottom, left:right] = images.roll(1, 0)[:, :, top:bottom, left:right]
    covered = (bottom - top) * (right - left) / (height * width)
    share = 1 - covered
    return Mixed(pasted, labels, others, share, _blended(answers, share))


def _blended(answers: Tensor | None, share: float) -> Tensor | None:
    return None if answers is None else torch.lerp(answers.roll(1, 0), answers, share)


def _box(
    height: int, width: int, area: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Draw a box of that part of an image, cut where it leaves it: top, bottom, left, right."""
    side = np.sqrt(area)
    half_height, half_width = int(height * side / 2), int(width * side / 2)
    y, x = int(rng.integers(height)), int(rng.integers(width))
    rows = max(0, y - half_height), min(height, y + half_height)
    columns = max(0, x - half_width), min(width, x + half_width)
    return *rows, *columns
